// Goal: what a watermark calls final is durable, and nothing as early comes later. Method: turns,
// news of the log and floors, by hand; then many at random, against all commits and what the log
// has of them.
#include "storage/watermark.h"

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace skald::storage {
namespace {

class WatermarkTest : public ::testing::Test {
 protected:
  Timestamp Through(int64_t floor) { return watermark_.Raise(Timestamp(floor)).through; }
  Timestamp BeginTurn(int64_t earliest) { return watermark_.BeginTurn(Timestamp(earliest)); }
  void EndTurn(uint64_t decided, int64_t latest) {
    watermark_.EndTurn(Position(decided), Timestamp(latest));
  }
  void Durable(uint64_t position) { watermark_.Durable(Position(position)); }

  Watermark watermark_;
};

TEST_F(WatermarkTest, IsTheFloorWhereNothingIsUnderWay) {
  EXPECT_EQ(Through(100), Timestamp(100));
  EXPECT_EQ(Through(250), Timestamp(250));
  watermark_.Restart(Position(7), Timestamp(40));
  EXPECT_EQ(Through(300), Timestamp(300));
}

TEST_F(WatermarkTest, ATurnIsLaterThanTheFloor) {
  Through(100);
  EXPECT_EQ(BeginTurn(90), Timestamp(101)) << "the clock stands behind the floor";
  EndTurn(0, 0);
  EXPECT_EQ(BeginTurn(150), Timestamp(150));
  EndTurn(0, 0);
  Through(120);
  EXPECT_EQ(BeginTurn(90), Timestamp(121));
}

TEST_F(WatermarkTest, AFloorIsNotLowered) {
  Through(100);
  EXPECT_EQ(Through(100), Timestamp(100));
  EXPECT_EQ(BeginTurn(1), Timestamp(101));
}

TEST_F(WatermarkTest, StaysBelowATurnThatGoesOn) {
  BeginTurn(100);
  EXPECT_EQ(Through(500), Timestamp(99));
  EndTurn(0, 0);
  EXPECT_EQ(Through(500), Timestamp(500)) << "it decided nothing";
}

TEST_F(WatermarkTest, StaysBelowWhatIsNotDurable) {
  BeginTurn(100);
  EndTurn(5, 100);
  BeginTurn(200);
  EndTurn(9, 200);
  EXPECT_EQ(Through(500), Timestamp(99));
  Durable(4);
  EXPECT_EQ(Through(500), Timestamp(99)) << "a part of the turn is not";
  Durable(5);
  EXPECT_EQ(Through(500), Timestamp(199));
  Durable(3);
  EXPECT_EQ(Through(500), Timestamp(199)) << "late news";
  Durable(9);
  EXPECT_EQ(Through(500), Timestamp(500));
}

TEST_F(WatermarkTest, OneNewsMayBeOfManyTurns) {
  for (uint64_t turn = 1; turn <= 10; ++turn) {
    BeginTurn(static_cast<int64_t>(100 * turn));
    EndTurn(turn, static_cast<int64_t>(100 * turn));
  }
  Durable(10);
  EXPECT_EQ(Through(5'000), Timestamp(5'000));
}

TEST_F(WatermarkTest, WhatIsLostHoldsNothingUp) {
  BeginTurn(100);
  EndTurn(5, 100);
  Through(300);
  watermark_.Restart(Position(2), Timestamp(80));
  EXPECT_EQ(Through(400), Timestamp(400));
  EXPECT_EQ(BeginTurn(50), Timestamp(401)) << "what was said to be final stays so";
  EndTurn(3, 401);
  EXPECT_EQ(Through(500), Timestamp(400));
}

TEST_F(WatermarkTest, TellsTheLatestCommit) {
  EXPECT_EQ(watermark_.Raise(Timestamp(5)).latest, Timestamp(0));
  watermark_.Restart(Position(7), Timestamp(900));
  EXPECT_EQ(watermark_.Raise(Timestamp(100)).latest, Timestamp(900)) << "the clock went back";
  BeginTurn(900);
  EndTurn(8, 1'000);
  EXPECT_EQ(watermark_.Raise(Timestamp(100)).latest, Timestamp(1'000));
}

// One partition that decides, a log that lags, and someone who asks.
class RandomRun {
 public:
  explicit RandomRun(uint32_t seed) : random_(seed) {}

  void Step() {
    now_ += static_cast<int64_t>(random_() % 4);
    switch (random_() % 5) {
      case 0:
        return BeginTurn();
      case 1:
        return EndTurn();
      case 2:
        return Write();
      case 3:
        return Lose();
      default:
        return Raise();
    }
  }

 private:
  void BeginTurn() {
    if (turn_) return;
    const Timestamp latest = times_.empty() ? Timestamp(0) : times_.back();
    turn_ = watermark_.BeginTurn(std::max(Timestamp(now_), latest));
    EXPECT_GT(*turn_, final_);
    for (auto commits = random_() % 3; commits > 0; --commits) {
      times_.push_back(After(*turn_, static_cast<Micros>(random_() % 2)));
    }
    std::sort(times_.begin(), times_.end());
  }

  void EndTurn() {
    if (!turn_) return;
    turn_.reset();
    decided_ = times_.size();
    watermark_.EndTurn(Position(decided_), times_.empty() ? Timestamp(0) : times_.back());
  }

  // News come a step behind, or not at all when those of a later write will.
  void Write() {
    watermark_.Durable(Position(durable_));
    durable_ += (decided_ - durable_ + 1) / 2;
    if (random_() % 2 == 0) watermark_.Durable(Position(durable_));
  }

  void Lose() {
    if (turn_ || random_() % 8 != 0) return;
    times_.resize(durable_);
    decided_ = durable_;
    watermark_.Restart(Position(durable_), times_.empty() ? Timestamp(0) : times_.back());
  }

  void Raise() {
    const Watermark::Reading reading = watermark_.Raise(std::max(Timestamp(now_), final_));
    EXPECT_GE(reading.through, final_);
    final_ = reading.through;
    for (size_t i = durable_; i < times_.size(); ++i) {
      ASSERT_GT(times_[i], final_) << "commit " << i << " is not durable";
    }
  }

  Watermark watermark_;
  std::mt19937 random_;
  int64_t now_ = 1;
  std::optional<Timestamp> turn_;
  std::vector<Timestamp> times_;  // of all commits, one position each
  size_t decided_ = 0, durable_ = 0;
  Timestamp final_;
};

TEST(WatermarkRandomTest, NothingComesAsEarlyAsWhatIsFinal) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    RandomRun run(seed);
    for (int step = 0; step < 500; ++step) run.Step();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace skald::storage
