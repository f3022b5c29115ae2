// The one place that converts between the two string_view types: Debian's absl::string_view is not
// std::string_view, and neither converts to the other.
#pragma once

#include <string_view>

#include "absl/strings/string_view.h"

namespace skald {

inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace skald
