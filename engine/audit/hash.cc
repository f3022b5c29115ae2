#include "engine/audit/hash.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace skald::audit {
namespace {

constexpr char kLeafByte = 0;
constexpr char kNodeByte = 1;

}  // namespace

std::string Hash::ToBase64() const { return absl::Base64Escape(view()); }

std::optional<Hash> Hash::FromBase64(absl::string_view text) {
  const std::optional<std::string> decoded = DecodeBase64(text);
  if (!decoded || decoded->size() != kSha256Bytes) return std::nullopt;
  return FromBytes(*decoded);
}

Hash Hash::FromBytes(absl::string_view bytes) {
  SKALD_CHECK(bytes.size() == kSha256Bytes);
  Hash hash;
  std::copy(bytes.begin(), bytes.end(), hash.bytes.begin());
  return hash;
}

Hash Digest(absl::string_view bytes) {
  uint8_t digest[kSha256Bytes];
  Sha256(bytes, digest);
  Hash hash;
  std::copy(std::begin(digest), std::end(digest), hash.bytes.begin());
  return hash;
}

Hash HashLeaf(absl::string_view data) {
  return Digest(absl::StrCat(absl::string_view(&kLeafByte, 1), data));
}

Hash HashChildren(const Hash& left, const Hash& right) {
  std::array<char, 1 + 2 * kSha256Bytes> node;
  node[0] = kNodeByte;
  std::copy(left.bytes.begin(), left.bytes.end(), node.begin() + 1);
  std::copy(right.bytes.begin(), right.bytes.end(), node.begin() + 1 + kSha256Bytes);
  return Digest({node.data(), node.size()});
}

Hash EmptyRoot() { return Digest(""); }

std::optional<std::string> DecodeBase64(absl::string_view text) {
  std::string decoded;
  // absl also takes white space, other padding and stray bits.
  if (!absl::Base64Unescape(text, &decoded) || absl::Base64Escape(decoded) != text) {
    return std::nullopt;
  }
  return decoded;
}

}  // namespace skald::audit
