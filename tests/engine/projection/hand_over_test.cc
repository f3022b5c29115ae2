// Goal: live models wait for a rebuild no longer than anyone notices, and it ends. Method: a
// builder that folds so many events in such a time.
#include "engine/projection/hand_over.h"

#include "gtest/gtest.h"

namespace skald::projection {
namespace {

constexpr uint64_t kMany = 1'000'000;

class HandOverTest : public ::testing::Test {
 protected:
  // For so many seconds: ten batches in each, which take so long, while so much is left.
  static Timestamp Fold(HandOver& hand_over, Timestamp now, int seconds, uint64_t events,
                        Micros took, uint64_t left) {
    for (int batch = 0; batch < 10 * seconds; ++batch) {
      EXPECT_FALSE(hand_over.IsLittle(left, now)) << "batch " << batch;
      hand_over.Folded(events, took);
      now = After(now, 100 * kMillisecond);
    }
    EXPECT_FALSE(hand_over.IsLittle(left, now));
    return now;
  }
};

TEST_F(HandOverTest, LittleIsFewEvents) {
  HandOver hand_over(true);
  EXPECT_FALSE(hand_over.IsLittle(5'001, Timestamp(0)));
  EXPECT_TRUE(hand_over.IsLittle(5'000, Timestamp(0)));
}

// 20,000 in 100 ms are 60,000 in 300 ms.
TEST_F(HandOverTest, WhereTheLogGrowsAsFastItIsMoreUpToATime) {
  HandOver hand_over(true);
  Timestamp now = Fold(hand_over, Timestamp(0), 1, 20'000, 100 * kMillisecond, kMany);
  EXPECT_TRUE(hand_over.IsLittle(10'000, now));
  EXPECT_FALSE(hand_over.IsLittle(10'001, now)) << "twice as much after a second, and not a batch";
  now = Fold(hand_over, now, 10, 20'000, 100 * kMillisecond, kMany);
  EXPECT_FALSE(hand_over.IsLittle(60'001, now));
  EXPECT_TRUE(hand_over.IsLittle(60'000, now));
}

TEST_F(HandOverTest, WhenTheBuilderGainsItIsFewAgain) {
  HandOver hand_over(true);
  Timestamp now = Fold(hand_over, Timestamp(0), 10, 20'000, 100 * kMillisecond, kMany);
  EXPECT_TRUE(hand_over.IsLittle(60'000, now));
  now = Fold(hand_over, now, 1, 20'000, 100 * kMillisecond, kMany - 100'000);
  EXPECT_TRUE(hand_over.IsLittle(5'000, now));
  EXPECT_FALSE(hand_over.IsLittle(5'001, now));
}

TEST_F(HandOverTest, ABuilderThatWaitsForItsRateIsNoReasonForMore) {
  HandOver hand_over(true);
  const Timestamp now = Fold(hand_over, Timestamp(0), 60, 500, 2 * kMillisecond, kMany);
  EXPECT_FALSE(hand_over.IsLittle(5'001, now));
  EXPECT_TRUE(hand_over.IsLittle(5'000, now));
}

TEST_F(HandOverTest, WhatNobodyWaitsForIsNeverMore) {
  HandOver hand_over(false);
  const Timestamp now = Fold(hand_over, Timestamp(0), 60, 20'000, 100 * kMillisecond, kMany);
  EXPECT_FALSE(hand_over.IsLittle(5'001, now));
}

// 5 ms each are 60 in 300 ms.
TEST_F(HandOverTest, OfSlowEventsItIsFewer) {
  HandOver hand_over(true);
  const Timestamp now = Fold(hand_over, Timestamp(0), 10, 20, 100 * kMillisecond, kMany);
  EXPECT_FALSE(hand_over.IsLittle(101, now));
  EXPECT_TRUE(hand_over.IsLittle(100, now));
}

}  // namespace
}  // namespace skald::projection
