// An audit tree that keeps every hash in memory, and the definition of RFC 6962 in its plainest
// form to compare with.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "engine/audit/merkle.h"

namespace skald::audit {

class MemoryTree {
 public:
  void Append(const Hash& leaf) {
    if (levels_.empty()) levels_.emplace_back();
    levels_[0].push_back(leaf);
    for (size_t level = 0; levels_[level].size() % 2 == 0; ++level) {
      const std::vector<Hash>& below = levels_[level];
      const Hash parent = HashChildren(below[below.size() - 2], below.back());
      if (level + 1 == levels_.size()) levels_.emplace_back();
      levels_[level + 1].push_back(parent);
    }
  }

  uint64_t size() const { return levels_.empty() ? 0 : levels_[0].size(); }

  // The SubtreeReader of this tree.
  auto reader() const {
    return [this](uint32_t level, uint64_t index) -> absl::StatusOr<Hash> {
      if (level >= levels_.size() || index >= levels_[level].size()) {
        return absl::OutOfRangeError(absl::StrCat("subtree ", level, "/", index));
      }
      return levels_[level][index];
    };
  }

  TreeHead head(uint64_t size) const { return {.size = size, .root = *RootAt(size, reader())}; }

 private:
  std::vector<std::vector<Hash>> levels_;
};

// MTH of RFC 6962, section 2.1, word by word.
inline Hash NaiveRoot(absl::Span<const Hash> leaves) {
  if (leaves.empty()) return EmptyRoot();
  if (leaves.size() == 1) return leaves[0];
  const size_t left = std::bit_floor(leaves.size() - 1);
  return HashChildren(NaiveRoot(leaves.subspan(0, left)), NaiveRoot(leaves.subspan(left)));
}

}  // namespace skald::audit
