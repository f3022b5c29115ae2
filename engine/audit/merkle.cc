#include "engine/audit/merkle.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/status_macros.h"

namespace skald::audit {
namespace {

// Leaves [begin, end) of a tree. Ranges come from splitting a tree at its largest power of two, so
// `begin` is a multiple of every power of two that fits into the range.
struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;

  uint64_t size() const { return end - begin; }
  // The largest power of two below the size. Precondition: size() > 1.
  uint64_t left_size() const { return std::bit_floor(size() - 1); }
  Range left() const { return {begin, begin + left_size()}; }
  Range right() const { return {begin + left_size(), end}; }
};

absl::StatusOr<Hash> RootOf(Range range, SubtreeReader subtree) {
  // Down the right edge: each left part is complete, and so is what is left at the end.
  std::vector<Hash> lefts;
  while (!std::has_single_bit(range.size())) {
    const auto level = static_cast<uint32_t>(std::countr_zero(range.left_size()));
    SKALD_ASSIGN_OR_RETURN(Hash left, subtree(level, range.begin >> level));
    lefts.push_back(left);
    range = range.right();
  }
  const auto level = static_cast<uint32_t>(std::countr_zero(range.size()));
  SKALD_ASSIGN_OR_RETURN(Hash root, subtree(level, range.begin >> level));
  for (auto left = lefts.rbegin(); left != lefts.rend(); ++left) root = HashChildren(*left, root);
  return root;
}

// A way through a tree from a leaf to the root, in the last tree of a pair: `node` counts nodes of
// the present level, `last` is the level's last one.
struct Way {
  uint64_t node;
  uint64_t last;

  bool is_right() const { return (node & 1) != 0 || node == last; }
  void Up() {
    node >>= 1;
    last >>= 1;
  }
  // Over the levels on which the last node has no sibling.
  void SkipLonely() {
    while ((node & 1) == 0 && node != 0) Up();
  }
};

}  // namespace

absl::StatusOr<Hash> RootAt(uint64_t size, SubtreeReader subtree) {
  if (size == 0) return EmptyRoot();
  return RootOf({0, size}, subtree);
}

absl::StatusOr<std::vector<Hash>> ProveInclusion(uint64_t index, uint64_t size,
                                                 SubtreeReader subtree) {
  SKALD_CHECK(index < size);
  std::vector<Hash> proof;
  for (Range range{0, size}; range.size() > 1;) {
    const bool is_left = index < range.right().begin;
    SKALD_ASSIGN_OR_RETURN(Hash sibling, RootOf(is_left ? range.right() : range.left(), subtree));
    proof.push_back(sibling);
    range = is_left ? range.left() : range.right();
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

absl::StatusOr<std::vector<Hash>> ProveConsistency(uint64_t old_size, uint64_t size,
                                                   SubtreeReader subtree) {
  SKALD_CHECK(old_size <= size);
  std::vector<Hash> proof;
  if (old_size == 0 || old_size == size) return proof;
  Range range{0, size};
  while (old_size != range.end) {
    const bool is_left = old_size <= range.right().begin;
    SKALD_ASSIGN_OR_RETURN(Hash sibling, RootOf(is_left ? range.right() : range.left(), subtree));
    proof.push_back(sibling);
    range = is_left ? range.left() : range.right();
  }
  // A complete beginning is the old root itself, which the verifier has.
  if (range.begin != 0) {
    SKALD_ASSIGN_OR_RETURN(Hash shared, RootOf(range, subtree));
    proof.push_back(shared);
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

bool VerifyInclusion(const Hash& leaf, uint64_t index, const TreeHead& tree,
                     absl::Span<const Hash> proof) {
  if (index >= tree.size) return false;
  Way way{index, tree.size - 1};
  Hash root = leaf;
  for (const Hash& sibling : proof) {
    if (way.last == 0) return false;
    if (way.is_right()) {
      root = HashChildren(sibling, root);
      way.SkipLonely();
    } else {
      root = HashChildren(root, sibling);
    }
    way.Up();
  }
  return way.last == 0 && root == tree.root;
}

bool VerifyConsistency(const TreeHead& old_tree, const TreeHead& tree,
                       absl::Span<const Hash> proof) {
  if (old_tree.size > tree.size) return false;
  if (old_tree.size == tree.size) return proof.empty() && old_tree.root == tree.root;
  if (old_tree.size == 0) return proof.empty() && old_tree.root == EmptyRoot();
  Way way{old_tree.size - 1, tree.size - 1};
  while ((way.node & 1) != 0) way.Up();
  // What both trees have in common at the old tree's end.
  Hash shared = old_tree.root;
  if (!std::has_single_bit(old_tree.size)) {
    if (proof.empty()) return false;
    shared = proof.front();
    proof.remove_prefix(1);
  }
  Hash old_root = shared;
  Hash root = shared;
  for (const Hash& sibling : proof) {
    if (way.last == 0) return false;
    if (way.is_right()) {
      old_root = HashChildren(sibling, old_root);
      root = HashChildren(sibling, root);
      way.SkipLonely();
    } else {
      root = HashChildren(root, sibling);
    }
    way.Up();
  }
  return way.last == 0 && old_root == old_tree.root && root == tree.root;
}

}  // namespace skald::audit
