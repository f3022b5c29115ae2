// SHA-256, by which definitions, log pages and audit trees name their content.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace skald {

// The digest of `bytes`: 32 bytes, not hexadecimal.
std::string Sha256(absl::string_view bytes);

}  // namespace skald
