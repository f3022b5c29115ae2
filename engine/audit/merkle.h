// An RFC 6962 tree over a growing list of leaves: its root at any size, proofs, and their checks.
//
// What stands behind a tree is reached through one question: the hash of the complete subtree
// (level, index), which covers the leaves [index << level, (index + 1) << level). Complete subtrees
// never change, so everything can be proven at every earlier size too.
//
//        level 2            s(2,0)                 size 7: the root is
//        level 1       s(1,0)     s(1,1)   s(1,2)  H(s(2,0), H(s(1,2), s(0,6)))
//        level 0       0   1      2   3    4   5   6
//
// Thread rule: pure functions, from any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/audit/hash.h"

namespace skald::audit {

// Gives the hash of a complete subtree. Asked only for subtrees within the tree's size.
using SubtreeReader = absl::FunctionRef<absl::StatusOr<Hash>(uint32_t level, uint64_t index)>;

// The root of the first `size` leaves.
absl::StatusOr<Hash> RootAt(uint64_t size, SubtreeReader subtree);

// Shows that leaf `index` stands in the tree of `size` leaves: the hashes beside its way to the
// root, from the leaf up. Precondition: index < size.
absl::StatusOr<std::vector<Hash>> ProveInclusion(uint64_t index, uint64_t size,
                                                 SubtreeReader subtree);
// Shows that the tree of `old_size` leaves is the beginning of the tree of `size`. Empty for an old
// tree without leaves, and for equal sizes. Precondition: old_size <= size.
absl::StatusOr<std::vector<Hash>> ProveConsistency(uint64_t old_size, uint64_t size,
                                                   SubtreeReader subtree);

// A tree of which only size and root are known, as a checkpoint says them.
struct TreeHead {
  uint64_t size = 0;
  Hash root;

  friend bool operator==(const TreeHead&, const TreeHead&) = default;
};

// Whether `proof` shows that `leaf` is leaf number `index` of the tree.
bool VerifyInclusion(const Hash& leaf, uint64_t index, const TreeHead& tree,
                     absl::Span<const Hash> proof);
// Whether `proof` shows that `old_tree` is the beginning of `tree`.
bool VerifyConsistency(const TreeHead& old_tree, const TreeHead& tree,
                       absl::Span<const Hash> proof);

}  // namespace skald::audit
