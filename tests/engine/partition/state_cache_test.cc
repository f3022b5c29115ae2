#include "engine/partition/state_cache.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skald::partition {
namespace {

SagaKey Key(int number) { return {"shop", absl::StrCat("s", number)}; }

saga::SagaState State(int number) {
  saga::SagaState state;
  state.key = Key(number);
  return state;
}

TEST(StateCacheTest, TheLeastRecentlyUsedGoes) {
  StateCache cache(300);
  for (int i = 0; i < 3; ++i) cache.Insert(State(i), 100);
  EXPECT_NE(cache.Find(Key(0)), nullptr);
  cache.Insert(State(3), 100);
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.Find(Key(1)), nullptr);
  EXPECT_NE(cache.Find(Key(0)), nullptr);
  EXPECT_NE(cache.Find(Key(2)), nullptr);
}

TEST(StateCacheTest, OneIsKeptHoweverLarge) {
  StateCache cache(10);
  cache.Insert(State(0), 100);
  cache.Insert(State(1), 100);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_NE(cache.Find(Key(1)), nullptr);
}

TEST(StateCacheTest, ChangedSagasStayUntilTheirRowsAreWritten) {
  StateCache cache(150);
  cache.Pin(cache.Insert(State(0), 100));
  cache.InsertPinned(State(1));
  for (int i = 2; i < 5; ++i) cache.Insert(State(i), 100);
  EXPECT_NE(cache.Find(Key(0)), nullptr);
  EXPECT_NE(cache.Find(Key(1)), nullptr);
  EXPECT_EQ(cache.size(), 3u);
  ASSERT_EQ(cache.pinned().size(), 2u);
  cache.UnpinAll({100, 100});
  EXPECT_TRUE(cache.pinned().empty());
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_NE(cache.Find(Key(1)), nullptr);
}

TEST(StateCacheTest, EndedSagasGoWhenTheirRowsAreWritten) {
  StateCache cache(1'000);
  saga::SagaState ended = State(0);
  ended.end = saga::Status::kCompleted;
  cache.InsertPinned(ended);
  cache.InsertPinned(State(1));
  EXPECT_NE(cache.Find(Key(0)), nullptr);
  cache.UnpinAll({100, 100});
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(cache.Find(Key(0)), nullptr);
  EXPECT_NE(cache.Find(Key(1)), nullptr);
  cache.Insert(ended, 100);
  EXPECT_NE(cache.Find(Key(0)), nullptr) << "who reads it may read it again";
  cache.Pin(*cache.Find(Key(0)));
  cache.UnpinAll({100});
  EXPECT_EQ(cache.size(), 1u);
}

}  // namespace
}  // namespace skald::partition
