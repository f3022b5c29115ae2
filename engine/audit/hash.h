// The hashes an audit tree is made of (RFC 6962): SHA-256, with leaves and inner nodes told apart
// by their first byte, so that neither can be taken for the other.
//
// Thread rule: pure functions, from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "base/sha256.h"

namespace skald::audit {

struct Hash {
  std::array<uint8_t, kSha256Bytes> bytes{};

  absl::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // Standard base64 with padding: 44 characters, as everywhere in checkpoints and bundles.
  std::string ToBase64() const;
  // Nothing when it is not exactly what ToBase64 gives for some hash.
  static std::optional<Hash> FromBase64(absl::string_view text);
  // Precondition: 32 bytes.
  static Hash FromBytes(absl::string_view bytes);

  friend bool operator==(const Hash&, const Hash&) = default;
};

// SHA-256 of the bytes, as they are.
Hash Digest(absl::string_view bytes);
// Of a leaf: SHA-256(0x00 ‖ data).
Hash HashLeaf(absl::string_view data);
// Of an inner node: SHA-256(0x01 ‖ left ‖ right).
Hash HashChildren(const Hash& left, const Hash& right);
// The root of a tree without leaves: SHA-256 of nothing.
Hash EmptyRoot();

// Base64 that has one spelling for each content: decodes only what Base64Escape would have written.
std::optional<std::string> DecodeBase64(absl::string_view text);

}  // namespace skald::audit
