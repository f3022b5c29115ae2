// Goal: the wait of the oldest request is known, in the inbox and at the gate. Method: turns and
// news of the log, by hand.
#include "engine/partition/queue_delay.h"

#include "gtest/gtest.h"

namespace skald::partition {
namespace {

TEST(QueueDelayTest, NothingWaits) {
  QueueDelay delay;
  EXPECT_EQ(delay.At(Timestamp(100)), 0);
  delay.BeginTurn(0, Timestamp(100));
  delay.EndTurn(0, 0, Position(0), Position(0));
  EXPECT_EQ(delay.At(Timestamp(500)), 0);
}

TEST(QueueDelayTest, CountsFromArrivalToTheDisk) {
  QueueDelay delay;
  delay.BeginTurn(3, Timestamp(100));
  delay.EndTurn(2, 1, Position(20), Position(0));
  EXPECT_EQ(delay.At(Timestamp(150)), 50) << "one waits in the inbox";
  delay.BeginTurn(2, Timestamp(160));  // one more came
  delay.EndTurn(1, 1, Position(30), Position(0));
  EXPECT_EQ(delay.At(Timestamp(170)), 70) << "the first three wait for the disk";
  delay.Durable(Position(29));
  EXPECT_EQ(delay.At(Timestamp(180)), 80);
  delay.Durable(Position(30));
  EXPECT_EQ(delay.At(Timestamp(180)), 20) << "the fourth is in the inbox";
  delay.BeginTurn(1, Timestamp(190));
  delay.EndTurn(1, 0, Position(40), Position(30));
  delay.Durable(Position(40));
  EXPECT_EQ(delay.At(Timestamp(900)), 0);
}

TEST(QueueDelayTest, WhatNeedsNoDiskWaitsForNone) {
  QueueDelay delay;
  delay.BeginTurn(1, Timestamp(100));
  delay.EndTurn(1, 0, Position(7), Position(7));
  EXPECT_EQ(delay.At(Timestamp(900)), 0);
}

TEST(QueueDelayTest, RequestsThatAreTakenBackAreNotAwaited) {
  QueueDelay delay;
  delay.BeginTurn(3, Timestamp(100));
  delay.EndTurn(1, 0, Position(1), Position(0));  // the two others are gone
  delay.Durable(Position(1));
  EXPECT_EQ(delay.At(Timestamp(900)), 0);
}

}  // namespace
}  // namespace skald::partition
