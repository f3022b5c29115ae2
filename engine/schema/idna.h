// Labels of internationalised host names (IDNA 2008: RFC 5890 to 5892).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace skald::schema {

// The code points of a text in UTF-8.
std::vector<char32_t> ToCodePoints(absl::string_view utf8);

// What "xn--" + `encoded` stands for (RFC 3492), none when it is broken.
std::optional<std::vector<char32_t>> DecodePunycode(absl::string_view encoded);

// True when the code points may be a label by RFC 5891, 4.2, as far as Unicode's general categories
// and scripts tell: normalisation and the Bidi rule are left out.
bool IsUnicodeLabel(const std::vector<char32_t>& label);

}  // namespace skald::schema
