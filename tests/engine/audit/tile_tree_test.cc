// Goal: a tree kept in tiles is the tree, whatever it was written in and however often it was
// loaded. Method: beside a tree in memory, over sizes around every border of tiles.
#include "engine/audit/tile_tree.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "engine/audit/merkle.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/keys.h"
#include "storage/memory/memory_views.h"
#include "tests/engine/audit/memory_tree.h"
#include "tests/support/status_matchers.h"

namespace skald::audit {
namespace {

using ::skald::testing::IsOkAndHolds;
using ::skald::testing::StatusIs;

constexpr PartitionId kPartition{2};

class TileTreeTest : public ::testing::Test {
 protected:
  // Commits have one event, two, three, one, …
  void Append(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const Hash leaf = HashLeaf(absl::StrCat(memory_.size()));
      const uint64_t events = 1 + memory_.size() % 3;
      firsts_.push_back(next_);
      memory_.Append(leaf);
      tree_->Append(leaf, next_, next_.Plus(events - 1));
      next_ = next_.Plus(events);
    }
  }
  void Reload() {
    tree_ = std::make_unique<TileTree>(views_, kPartition);
    ASSERT_OK(tree_->Load());
  }
  auto reader() {
    return [this](uint32_t level, uint64_t index) { return tree_->Subtree(level, index); };
  }
  void ExpectEqual() {
    const uint64_t size = memory_.size();
    ASSERT_EQ(tree_->size(), size);
    EXPECT_EQ(tree_->last().value(), next_.value() - 1);
    EXPECT_THAT(RootAt(size, reader()), IsOkAndHolds(memory_.head(size).root)) << size;
    for (const uint64_t index : {uint64_t{0}, size / 3, size / 2, size - 1}) {
      const auto proof = ProveInclusion(index, size, reader());
      ASSERT_OK(proof.status());
      EXPECT_EQ(*proof, *ProveInclusion(index, size, memory_.reader())) << index << "/" << size;
      EXPECT_THAT(tree_->IndexOf(firsts_[index]), IsOkAndHolds(index));
      EXPECT_THAT(RootAt(index, reader()), IsOkAndHolds(memory_.head(index).root));
    }
  }

  storage::MemoryViews views_;
  std::unique_ptr<TileTree> tree_ = std::make_unique<TileTree>(views_, kPartition);
  MemoryTree memory_;
  std::vector<Position> firsts_;
  Position next_{1};
};

TEST_F(TileTreeTest, IsEmptyAtFirst) {
  Reload();
  EXPECT_EQ(tree_->size(), 0u);
  EXPECT_THAT(RootAt(0, reader()), IsOkAndHolds(EmptyRoot()));
  EXPECT_THAT(tree_->IndexOf(Position(1)), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(TileTreeTest, EverySizeOverTheFirstBordersOfTiles) {
  for (uint64_t size = 1; size <= 600; ++size) {
    Append(1);
    ASSERT_OK(tree_->Write());
    if (size % 7 == 0) Reload();
    ExpectEqual();
  }
}

TEST_F(TileTreeTest, ThreeLevelsOfTilesInUnevenWrites) {
  for (const uint64_t more : {255, 2, 16'384, 1, 48'894, 1, 65'536, 300}) {
    Append(more);
    ASSERT_OK(tree_->Write());
    ExpectEqual();
    Reload();
    ExpectEqual();
  }
  for (uint64_t index = 0; index < firsts_.size(); index += 997) {
    ASSERT_THAT(tree_->IndexOf(firsts_[index]), IsOkAndHolds(index));
  }
  EXPECT_THAT(tree_->IndexOf(firsts_[1].Next()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(tree_->IndexOf(next_), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(TileTreeTest, WhatWasNotWrittenIsForgotten) {
  Append(300);
  ASSERT_OK(tree_->Write());
  const Hash root = memory_.head(300).root;
  Append(300);
  EXPECT_EQ(tree_->unwritten(), 300u);
  ASSERT_OK(tree_->Load());
  EXPECT_EQ(tree_->size(), 300u);
  EXPECT_THAT(RootAt(300, reader()), IsOkAndHolds(root));
}

TEST_F(TileTreeTest, MissingRowsAreNoticedAndCleared) {
  Append(300);
  ASSERT_OK(tree_->Write());
  std::vector<std::string> keys;
  ASSERT_OK(views_.Scan("", "", [&](absl::string_view key, absl::string_view) {
    keys.emplace_back(key);
    return true;
  }));
  ASSERT_EQ(keys.size(), 6u);  // the end, two tiles of leaves, one above, two of positions
  ASSERT_OK(views_.ApplyRows({{keys[2], std::nullopt}}));
  EXPECT_THAT(tree_->Load(), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_OK(tree_->Clear());
  EXPECT_EQ(tree_->size(), 0u);
  ASSERT_OK(views_.Scan("", "", [&](absl::string_view key, absl::string_view) {
    ADD_FAILURE() << "left: " << key;
    return true;
  }));
}

TEST_F(TileTreeTest, OtherPartitionsAreNotTouched) {
  Append(3);
  ASSERT_OK(tree_->Write());
  TileTree other(views_, PartitionId(3));
  ASSERT_OK(other.Load());
  EXPECT_EQ(other.size(), 0u);
  ASSERT_OK(other.Clear());
  Reload();
  ExpectEqual();
}

}  // namespace
}  // namespace skald::audit
