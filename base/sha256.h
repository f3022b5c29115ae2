// SHA-256, by which definitions, log pages and audit trees name their content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace skald {

inline constexpr size_t kSha256Bytes = 32;

// The digest of `bytes`: 32 bytes, not hexadecimal.
std::string Sha256(absl::string_view bytes);

// The same into memory of the caller's: no allocation, and the algorithm is looked up once.
void Sha256(absl::string_view bytes, uint8_t (&digest)[kSha256Bytes]);

}  // namespace skald
