#include "engine/audit/commit_leaf.h"

#include <cstdint>
#include <string>
#include <vector>

namespace skald::audit {
namespace {

constexpr size_t kLengthBytes = 4;

}  // namespace

Hash CommitLeaf(const storage::CommitView& commit) {
  std::vector<Hash> slots;
  slots.reserve(commit.slots.size());
  for (const absl::string_view slot : commit.slots) slots.push_back(Digest(slot));
  return CommitLeaf(commit.header_bytes, Digest(commit.bodies), slots);
}

Hash CommitLeaf(absl::string_view header, const Hash& bodies, absl::Span<const Hash> slots) {
  std::string data;
  data.reserve(kLengthBytes + header.size() + kSha256Bytes * (1 + slots.size()));
  for (size_t i = 0; i < kLengthBytes; ++i) {
    data.push_back(static_cast<char>(header.size() >> (8 * i)));
  }
  data.append(header.data(), header.size());
  const auto append = [&data](const Hash& hash) { data.append(hash.view().data(), kSha256Bytes); };
  append(bodies);
  for (const Hash& slot : slots) append(slot);
  return HashLeaf(data);
}

}  // namespace skald::audit
