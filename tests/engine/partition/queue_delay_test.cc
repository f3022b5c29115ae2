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
  delay.Durable(Position(29), Timestamp(180));
  EXPECT_EQ(delay.At(Timestamp(180)), 80);
  delay.Durable(Position(30), Timestamp(180));
  EXPECT_EQ(delay.At(Timestamp(180)), 20) << "the fourth is in the inbox";
  delay.BeginTurn(1, Timestamp(190));
  delay.EndTurn(1, 0, Position(40), Position(30));
  delay.Durable(Position(40), Timestamp(200));
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
  delay.Durable(Position(1), Timestamp(200));
  EXPECT_EQ(delay.At(Timestamp(900)), 0);
}

// A turn, and its being durable.
void Write(QueueDelay& delay, uint64_t number, Timestamp turn, Micros took) {
  delay.BeginTurn(1, turn);
  delay.EndTurn(1, 0, Position(number), Position(number - 1));
  delay.Durable(Position(number), After(turn, took));
}

TEST(QueueDelayTest, TheLeastTimeOfAWriteIsTheDisks) {
  QueueDelay delay;
  EXPECT_EQ(delay.write_time(), 0) << "nothing is known yet";
  Write(delay, 1, Timestamp(kSecond), 700);
  Write(delay, 2, Timestamp(2 * kSecond), 300);
  Write(delay, 3, Timestamp(3 * kSecond), 900);
  EXPECT_EQ(delay.write_time(), 300);
  delay.Durable(Position(3), Timestamp(4 * kSecond));
  EXPECT_EQ(delay.write_time(), 300) << "nothing new";
  delay.Clear();
  EXPECT_EQ(delay.write_time(), 300) << "the disk is the same";
}

TEST(QueueDelayTest, TheDiskMayBecomeSlower) {
  QueueDelay delay;
  Write(delay, 1, Timestamp(20 * kSecond), 300);
  Write(delay, 2, Timestamp(29 * kSecond), 800);
  Write(delay, 3, Timestamp(31 * kSecond), 700);
  EXPECT_EQ(delay.write_time(), 300) << "as of the stretch before";
  Write(delay, 4, Timestamp(42 * kSecond), 900);
  EXPECT_EQ(delay.write_time(), 700);
}

TEST(QueueDelayTest, AClockThatGoesBackMakesNoTimeNegative) {
  QueueDelay delay;
  Write(delay, 1, Timestamp(20 * kSecond), -5);
  EXPECT_EQ(delay.write_time(), 0);
}

}  // namespace
}  // namespace skald::partition
