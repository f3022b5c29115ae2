#include "engine/partition/state_cache.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skald::partition {
namespace {

SagaKey Key(int number) { return {"shop", absl::StrCat("s", number)}; }

// Of a saga whose worker is busy.
saga::SagaState State(int number) {
  saga::SagaState state;
  state.key = Key(number);
  state.events = 2;
  state.updated = Timestamp(kHour);
  state.frames.resize(2);
  saga::Frame& task = state.frames[1];
  task.id = saga::FrameId(1);
  task.kind = saga::FrameKind::kWorker;
  task.call.emplace();
  return state;
}

// Of one that does nothing until then.
saga::SagaState Waiting(int number, Micros time) {
  saga::SagaState state = State(number);
  state.frames[1].kind = saga::FrameKind::kWait;
  state.frames[1].call.reset();
  state.frames[1].due = After(state.updated, time);
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

TEST(StateCacheTest, SagasThatWaitForLongGoWhenTheirRowsAreWritten) {
  StateCache cache(1'000);
  cache.InsertPinned(Waiting(0, kMinute));
  cache.InsertPinned(Waiting(1, kMinute + 1));
  cache.InsertPinned(Waiting(2, kHour));
  saga::SagaState parked = State(3);
  parked.frames[1].phase = saga::Frame::Phase::kParked;
  cache.InsertPinned(parked);
  saga::SagaState awaited = Waiting(4, kHour);
  awaited.lingering.emplace_back();
  cache.InsertPinned(awaited);
  awaited.lingering[0].quiet = true;
  awaited.key = Key(5);
  cache.InsertPinned(awaited);
  cache.UnpinAll({100, 100, 100, 100, 100, 100});
  EXPECT_NE(cache.Find(Key(0)), nullptr) << "its timer is due soon";
  EXPECT_EQ(cache.Find(Key(1)), nullptr);
  EXPECT_EQ(cache.Find(Key(2)), nullptr);
  EXPECT_EQ(cache.Find(Key(3)), nullptr) << "an operator takes his time";
  EXPECT_NE(cache.Find(Key(4)), nullptr) << "an answer may come";
  EXPECT_EQ(cache.Find(Key(5)), nullptr) << "none is expected any more";
}

}  // namespace
}  // namespace skald::partition
