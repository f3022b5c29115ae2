// Goal: roots and proofs are those of RFC 6962, and no altered proof is ever taken for a good one.
// Method: the known eight-leaf tree; every size up to 300 against the definition; every single
// alteration of proofs, sizes and indexes of small trees.
#include "engine/audit/merkle.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/engine/audit/memory_tree.h"

namespace skald::audit {
namespace {

constexpr uint64_t kSizeMax = 300;

std::string ToHex(const Hash& hash) { return absl::BytesToHexString(hash.view()); }

std::vector<Hash> Leaves(uint64_t count) {
  std::vector<Hash> leaves;
  for (uint64_t i = 0; i < count; ++i) leaves.push_back(HashLeaf(absl::StrCat("leaf ", i)));
  return leaves;
}

MemoryTree TreeOf(const std::vector<Hash>& leaves) {
  MemoryTree tree;
  for (const Hash& leaf : leaves) tree.Append(leaf);
  return tree;
}

// The tree that implementations of certificate transparency are tested with.
constexpr absl::string_view kKnownLeaves[] = {"",
                                              "00",
                                              "10",
                                              "2021",
                                              "3031",
                                              "40414243",
                                              "5051525354555657",
                                              "606162636465666768696a6b6c6d6e6f"};
constexpr absl::string_view kKnownRoots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

MemoryTree KnownTree() {
  MemoryTree tree;
  for (const absl::string_view leaf : kKnownLeaves) {
    tree.Append(HashLeaf(absl::HexStringToBytes(leaf)));
  }
  return tree;
}

TEST(MerkleTest, RootsOfTheKnownTree) {
  const MemoryTree tree = KnownTree();
  for (uint64_t size = 0; size <= tree.size(); ++size) {
    EXPECT_EQ(ToHex(tree.head(size).root), kKnownRoots[size]) << size;
  }
}

TEST(MerkleTest, ProofsOfTheKnownTree) {
  const MemoryTree tree = KnownTree();
  const auto inclusion = ProveInclusion(5, 8, tree.reader());
  ASSERT_TRUE(inclusion.ok());
  ASSERT_EQ(inclusion->size(), 3u);
  EXPECT_EQ(ToHex((*inclusion)[0]),
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
  EXPECT_EQ(ToHex((*inclusion)[1]),
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
  EXPECT_EQ(ToHex((*inclusion)[2]), kKnownRoots[4]);

  const auto consistency = ProveConsistency(6, 8, tree.reader());
  ASSERT_TRUE(consistency.ok());
  ASSERT_EQ(consistency->size(), 3u);
  EXPECT_EQ(ToHex((*consistency)[0]),
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a");
  EXPECT_EQ(ToHex((*consistency)[1]),
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
  EXPECT_EQ(ToHex((*consistency)[2]), kKnownRoots[4]);
}

TEST(MerkleTest, RootsOfEverySizeAreTheDefinition) {
  const std::vector<Hash> leaves = Leaves(kSizeMax);
  const MemoryTree tree = TreeOf(leaves);
  for (uint64_t size = 0; size <= kSizeMax; ++size) {
    EXPECT_EQ(tree.head(size).root, NaiveRoot(absl::MakeSpan(leaves).subspan(0, size))) << size;
  }
}

TEST(MerkleTest, EveryLeafIsProvenAtEverySize) {
  const std::vector<Hash> leaves = Leaves(kSizeMax);
  const MemoryTree tree = TreeOf(leaves);
  for (uint64_t size = 1; size <= kSizeMax; ++size) {
    const TreeHead head = tree.head(size);
    for (uint64_t index = 0; index < size; ++index) {
      const auto proof = ProveInclusion(index, size, tree.reader());
      ASSERT_TRUE(proof.ok()) << proof.status();
      ASSERT_TRUE(VerifyInclusion(leaves[index], index, head, *proof)) << index << " of " << size;
      // Of the neighbour's leaf, and of another size, it proves nothing.
      ASSERT_FALSE(VerifyInclusion(leaves[(index + 1) % kSizeMax], index, head, *proof));
    }
  }
}

TEST(MerkleTest, EveryPairOfSizesIsConsistent) {
  const MemoryTree tree = TreeOf(Leaves(kSizeMax));
  std::vector<TreeHead> heads;
  for (uint64_t size = 0; size <= kSizeMax; ++size) heads.push_back(tree.head(size));
  for (uint64_t size = 0; size <= kSizeMax; ++size) {
    for (uint64_t old_size = 0; old_size <= size; ++old_size) {
      const auto proof = ProveConsistency(old_size, size, tree.reader());
      ASSERT_TRUE(proof.ok()) << proof.status();
      ASSERT_TRUE(VerifyConsistency(heads[old_size], heads[size], *proof))
          << old_size << " in " << size;
    }
  }
}

// Everything that differs from `proof` in one hash, one place or its length.
std::vector<std::vector<Hash>> Alterations(const std::vector<Hash>& proof) {
  std::vector<std::vector<Hash>> altered;
  for (size_t i = 0; i < proof.size(); ++i) {
    for (const size_t byte : {size_t{0}, kSha256Bytes - 1}) {
      altered.push_back(proof);
      altered.back()[i].bytes[byte] ^= 1;
    }
    altered.push_back(proof);
    altered.back().erase(altered.back().begin() + static_cast<ptrdiff_t>(i));
    altered.push_back(proof);
    altered.back().insert(altered.back().begin() + static_cast<ptrdiff_t>(i), EmptyRoot());
    if (i > 0) {
      altered.push_back(proof);
      std::swap(altered.back()[i - 1], altered.back()[i]);
    }
  }
  altered.push_back(proof);
  altered.back().push_back(EmptyRoot());
  return altered;
}

TEST(MerkleTest, NoAlteredInclusionProofIsTaken) {
  constexpr uint64_t kSmall = 40;
  const std::vector<Hash> leaves = Leaves(kSmall);
  const MemoryTree tree = TreeOf(leaves);
  for (uint64_t size = 1; size <= kSmall; ++size) {
    const TreeHead head = tree.head(size);
    for (uint64_t index = 0; index < size; ++index) {
      const auto proof = ProveInclusion(index, size, tree.reader());
      ASSERT_TRUE(proof.ok());
      for (const std::vector<Hash>& altered : Alterations(*proof)) {
        ASSERT_FALSE(VerifyInclusion(leaves[index], index, head, altered)) << index << "/" << size;
      }
      for (uint64_t other = 0; other <= size + 1; ++other) {
        if (other == index) continue;
        ASSERT_FALSE(VerifyInclusion(leaves[index], other, head, *proof)) << other << "/" << size;
      }
      Hash leaf = leaves[index];
      leaf.bytes[7] ^= 0x10;
      ASSERT_FALSE(VerifyInclusion(leaf, index, head, *proof));
      TreeHead other_root = head;
      other_root.root.bytes[0] ^= 1;
      ASSERT_FALSE(VerifyInclusion(leaves[index], index, other_root, *proof));
    }
  }
}

TEST(MerkleTest, NoAlteredConsistencyProofIsTaken) {
  constexpr uint64_t kSmall = 40;
  const MemoryTree tree = TreeOf(Leaves(kSmall));
  for (uint64_t size = 1; size <= kSmall; ++size) {
    const TreeHead head = tree.head(size);
    for (uint64_t old_size = 0; old_size <= size; ++old_size) {
      const TreeHead old_head = tree.head(old_size);
      const auto proof = ProveConsistency(old_size, size, tree.reader());
      ASSERT_TRUE(proof.ok());
      for (const std::vector<Hash>& altered : Alterations(*proof)) {
        ASSERT_FALSE(VerifyConsistency(old_head, head, altered)) << old_size << "/" << size;
      }
      TreeHead other_root = old_head;
      other_root.root.bytes[31] ^= 0x80;
      ASSERT_FALSE(VerifyConsistency(other_root, head, *proof)) << old_size << "/" << size;
      other_root = head;
      other_root.root.bytes[31] ^= 0x80;
      if (old_size != 0) {
        ASSERT_FALSE(VerifyConsistency(old_head, other_root, *proof)) << old_size << "/" << size;
      }
    }
  }
}

TEST(MerkleTest, AForkIsNotConsistent) {
  std::vector<Hash> leaves = Leaves(20);
  const TreeHead old_head = TreeOf(leaves).head(13);
  leaves[4] = HashLeaf("rewritten");
  const MemoryTree forked = TreeOf(leaves);
  const auto proof = ProveConsistency(13, 20, forked.reader());
  ASSERT_TRUE(proof.ok());
  EXPECT_FALSE(VerifyConsistency(old_head, forked.head(20), *proof));
}

TEST(HashTest, Base64HasOneSpelling) {
  const Hash hash = HashLeaf("x");
  const std::string text = hash.ToBase64();
  EXPECT_EQ(text.size(), 44u);
  EXPECT_EQ(Hash::FromBase64(text), hash);
  EXPECT_FALSE(Hash::FromBase64(text + "\n"));
  EXPECT_FALSE(Hash::FromBase64(" " + text));
  EXPECT_FALSE(Hash::FromBase64(text.substr(0, 43)));
  EXPECT_FALSE(Hash::FromBase64(""));
  // The last digit carries bits that are not part of the hash.
  std::string stray = text;
  stray[42] = static_cast<char>(stray[42] + 1);
  EXPECT_FALSE(Hash::FromBase64(stray) == hash);
}

}  // namespace
}  // namespace skald::audit
