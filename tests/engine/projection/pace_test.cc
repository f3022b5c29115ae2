#include "engine/projection/pace.h"

#include "gtest/gtest.h"

namespace skald::projection {
namespace {

constexpr PaceOptions kOptions{.unwatched_min = 1'000, .unwatched_max = 3'000, .watched = 100};

TEST(PaceTest, ARoundIsFollowedByTwiceItsTimeOfRest) {
  EXPECT_EQ(RoundPace(kOptions, {}, 500), 1'500);
  EXPECT_EQ(RoundPace(kOptions, {}, 999), 2'997);
}

TEST(PaceTest, WhileNobodyLooksRoundsAreWithinBounds) {
  EXPECT_EQ(RoundPace(kOptions, {}, 0), 1'000);
  EXPECT_EQ(RoundPace(kOptions, {}, 333), 1'000);
  EXPECT_EQ(RoundPace(kOptions, {}, 1'001), 3'000);
  EXPECT_EQ(RoundPace({.unwatched_min = 5'000, .unwatched_max = 1}, {}, 0), 5'000)
      << "where the bounds cross, the least counts";
}

TEST(PaceTest, WatchersAreServedAtOnceHoweverLongARoundTakes) {
  EXPECT_EQ(RoundPace(kOptions, {.watchers = 1}, 10'000), 100);
  EXPECT_EQ(RoundPace(kOptions, {.watchers = 49}, 0), 100);
}

TEST(PaceTest, ManyWatchersGetFewerRounds) {
  EXPECT_EQ(RoundPace(kOptions, {.watchers = 50}, 0), 200);
  EXPECT_EQ(RoundPace(kOptions, {.watchers = 120}, 0), 300);
  EXPECT_EQ(RoundPace(kOptions, {.watchers = 100'000}, 0), 1'000)
      << "but never fewer than without them";
}

TEST(PaceTest, WhoWaitsIsServedFirst) {
  EXPECT_EQ(RoundPace(kOptions, {.waiting = 1}, 10'000), 200);
  EXPECT_EQ(RoundPace(kOptions, {.waiting = 1, .watchers = 1'000}, 0), 200);
}

TEST(PaceTest, WhoWaitsForADiskIsLookedAfterMoreSeldom) {
  EXPECT_EQ(RoundPace(kOptions, {.waiting = 1}, 0, 1), 400);
  EXPECT_EQ(RoundPace(kOptions, {.waiting = 1}, 0, 3), 1'600);
  EXPECT_EQ(RoundPace(kOptions, {.waiting = 1}, 0, 4), 2'000);
  EXPECT_EQ(RoundPace(kOptions, {.waiting = 1}, 0, 1'000'000), 2'000);
}

}  // namespace
}  // namespace skald::projection
