// Goal: rounds fold what is final and no more, wait for nobody, and leave nothing behind for good.
// Method: a projector without threads on a log in memory, where the test plays the partitions and
// the writer.
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "engine/projection/projector.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/commit_record.h"
#include "tests/engine/projection/projector_world.h"
#include "tests/support/status_matchers.h"

namespace skald::projection {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ProjectorRoundsTest : public ProjectorWorld {};

TEST_F(ProjectorRoundsTest, WhatIsDurableIsFolded) {
  const auto first = Decide(1);
  Advance();
  const auto second = Decide(0);
  Write(first);
  Write(second);
  EXPECT_THAT(Round(), ElementsAre("1/1", "0/1"));
  EXPECT_EQ(projector_->PresentCut().time, clock_.Now()) << "idle partitions hold nothing up";
}

TEST_F(ProjectorRoundsTest, WhatLiesBehindWhatIsNotDurableWaitsForIt) {
  const auto first = Decide(0);
  Advance();
  const auto second = Decide(1);
  Write(second);
  EXPECT_THAT(Round(), IsEmpty());
  EXPECT_LT(projector_->PresentCut().time, clock_.Now());
  Write(first);
  EXPECT_THAT(Round(), ElementsAre("0/1", "1/1"));
}

TEST_F(ProjectorRoundsTest, WhatIsEarlierThanATurnThatGoesOnIsFolded) {
  Write(Decide(1));
  Advance();
  const Timestamp time = watermark(0).BeginTurn(clock_.Now());
  EXPECT_THAT(Round(), ElementsAre("1/1"));
  Write(EndTurn(0, time));
  EXPECT_THAT(Round(), ElementsAre("0/1"));
}

// Nobody says that the log has grown when the turn is over, and nobody reads.
TEST_F(ProjectorRoundsTest, ATurnThatDecidesNothingLeavesNothingBehind) {
  const Timestamp turn = watermark(0).BeginTurn(clock_.Now());
  Advance();
  Write(Decide(1));
  projector_->Start();
  const auto await = [&](const auto& is_so) {
    for (int i = 0; i < 10'000 && !is_so(projector_->PresentCut()); ++i) {
      Advance();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return is_so(projector_->PresentCut());
  };
  EXPECT_TRUE(await([&](const Cut& cut) { return cut.time == After(turn, -1); }));
  EXPECT_EQ(projector_->PresentCut().positions[1], Position(0));
  watermark(0).EndTurn(Position(0), Timestamp(0));
  EXPECT_TRUE(await([](const Cut& cut) { return cut.positions[1] == Position(1); }));
  projector_->Stop();
  EXPECT_THAT(order_, ElementsAre("1/1"));
}

// A sync that takes long is no reason for a round each 200 us.
TEST_F(ProjectorRoundsTest, WhoWaitsForWhatIsHeldUpCostsFewRounds) {
  const Timestamp turn = watermark(0).BeginTurn(clock_.Now());
  Advance();
  Write(Decide(1));
  Round();
  std::atomic<int> rounds = 0;
  projector_->AddRoundListener([&rounds] { ++rounds; });
  projector_->Start();
  std::thread reader(
      [this] { EXPECT_OK(projector_->Open("order", {.wait_until = After(clock_.Now(), kHour)})); });
  EXPECT_TRUE(Await([&] {
    clock_.Advance(200);
    return rounds > 0;
  }));
  rounds = 0;
  for (int i = 0; i < 200; ++i) {
    clock_.Advance(200);
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  EXPECT_LT(rounds, 40) << "of 200 at the least pace";
  EXPECT_EQ(projector_->PresentCut().positions[1], Position(0));
  watermark(0).EndTurn(Position(0), turn);
  EXPECT_TRUE(Await([&] {
    clock_.Advance(200);
    return projector_->PresentCut().positions[1] == Position(1);
  }));
  reader.join();
  projector_->Stop();
}

// Others have their turn: rebuilds to be swapped in, models that are not wanted any more.
TEST_F(ProjectorRoundsTest, ARoundTakesATimeWhateverAnEventCosts) {
  constexpr uint64_t kCommits = 2'000;
  for (uint64_t i = 0; i < kCommits; ++i) Write(Decide(0));
  int folded = 0;
  Reopen(ModelOf("slow", [&](const FoldedEvent&, RowWriter&) {
    ++folded;
    clock_.Advance(5 * kMillisecond);
    return absl::OkStatus();
  }));
  Round();
  EXPECT_GE(folded, 200) << "a second";
  EXPECT_LT(folded, 250);
  EXPECT_EQ(projector_->PresentCut().positions[0], Position(static_cast<uint64_t>(folded)));
  for (int i = 0; i < 20; ++i) Round();
  EXPECT_EQ(folded, kCommits) << "each event once";
  EXPECT_EQ(projector_->PresentCut().positions[0], Position(kCommits));
}

// The tenth of a thousand events is being folded.
class ProjectorHeldTest : public ProjectorWorld {
 protected:
  ProjectorHeldTest() {
    for (int i = 0; i < 1'000; ++i) Write(Decide(0));
    Reopen(ModelOf("held", [this](const FoldedEvent&, RowWriter&) {
      if (++folded_ == 10) {
        EXPECT_TRUE(Await([&] { return goes_on_.load(); }));
      }
      return absl::OkStatus();
    }));
    projector_->Start();
    clock_.Advance(kSecond);
    EXPECT_TRUE(Await([&] { return folded_ == 10; }));
  }

  std::atomic<int> folded_ = 0;
  std::atomic<bool> goes_on_ = false;
};

TEST_F(ProjectorHeldTest, AStopEndsARound) {
  std::thread stop([this] { projector_->Stop(); });
  EXPECT_TRUE(Await([&] {
    return absl::IsUnavailable(projector_->Open("held", {.allow_stale = true}).status());
  }));
  goes_on_ = true;
  stop.join();
  EXPECT_EQ(folded_, 10) << "of 1,000";
}

TEST_F(ProjectorHeldTest, AModelThatIsDroppedEndsARound) {
  projector_->SetModels({MakeModel("order", order_)});
  goes_on_ = true;
  EXPECT_TRUE(AwaitAsTimePasses([&] { return StatusOf("order").generation != 0; }));
  projector_->Stop();
  EXPECT_EQ(folded_, 10) << "of 1,000";
}

TEST_F(ProjectorRoundsTest, LaterCommitsAreLaterThanARound) {
  const Timestamp begun = clock_.Now();
  Round();
  const Timestamp folded = projector_->PresentCut().time;
  clock_.Set(begun);
  Write(Decide(0));
  EXPECT_THAT(TwoRounds(), ElementsAre("0/1"));
  EXPECT_GT(projector_->PresentCut().time, folded);
}

TEST_F(ProjectorRoundsTest, CommitsOfAClockThatWentBackAreFolded) {
  const Timestamp begun = clock_.Now();
  clock_.Advance(kHour);
  Write(Decide(0));
  clock_.Set(begun);
  Write(Decide(1));
  EXPECT_THAT(TwoRounds(), ElementsAre("1/1", "0/1"));
  Write(Decide(1));
  EXPECT_THAT(TwoRounds(), ElementsAre("1/2"));
}

TEST_F(ProjectorRoundsTest, WhatWasFoldedStaysThePastAfterARestart) {
  const Timestamp begun = clock_.Now();
  clock_.Advance(kHour);
  Write(Decide(0));
  EXPECT_THAT(Round(), ElementsAre("0/1"));
  const Timestamp folded = projector_->PresentCut().time;
  Restart(begun);
  const auto commit = Decide(1);
  EXPECT_GT(Timestamp(storage::DecodeCommit(commit.record)->header.time_us()), folded);
  Write(commit);
  EXPECT_THAT(TwoRounds(), ElementsAre("1/1"));
}

// The live models stand still while the rest of a rebuild is folded between two rounds.
TEST_F(ProjectorRoundsTest, ARebuildIsHandedOverWhenLittleIsLeft) {
  Fill(12'000);
  projector_->Start();
  ASSERT_OK(projector_->StartRebuild("order", {.check_only = true, .events_per_second = 5'000}));
  ASSERT_TRUE(Await([&] { return StatusOf("order").build->events_done > 0; }));
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(100 * kMillisecond);
    for (int look = 0; look < 20; ++look) {
      ASSERT_OK(projector_->PauseRebuild("order", false))
          << "ended, with 7,000 events and more to go";
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  EXPECT_LE(StatusOf("order").build->events_done, 6'000);
  EXPECT_TRUE(AwaitAsTimePasses([&] { return StatusOf("order").last_build.has_value(); }));
  projector_->Stop();
}

TEST_F(ProjectorRoundsTest, ACheckInTheBackgroundMakesWayForANewModel) {
  projector_.reset();
  watermarks_.emplace(kPartitions);
  Open({.check_interval = kSecond, .check_events_per_second = 1});
  Fill(6'000);
  projector_->Start();
  clock_.Advance(kSecond);
  ASSERT_TRUE(Await([&] { return StatusOf("order").build.has_value(); }));
  std::vector<std::string> second;
  projector_->SetModels({MakeModel("order", order_), MakeModel("second", second)});
  EXPECT_TRUE(Await([&] { return StatusOf("second").generation != 0; }));
  projector_->Stop();
  EXPECT_EQ(second.size(), 6'000u);
}

TEST_F(ProjectorRoundsTest, ARebuildThatIsPausedMakesWayAndGoesOnLater) {
  Fill(6'000);
  projector_->Start();
  ASSERT_OK(projector_->StartRebuild("order", {.check_only = true, .events_per_second = 500}));
  const auto done = [&] { return StatusOf("order").build->events_done; };
  EXPECT_TRUE(Await([&] { return done() > 0; }));
  ASSERT_OK(projector_->PauseRebuild("order", true));
  std::vector<std::string> second;
  projector_->SetModels({MakeModel("order", order_), MakeModel("second", second)});
  EXPECT_TRUE(Await([&] { return StatusOf("second").generation != 0; }));
  const uint64_t paused_at = done();
  EXPECT_LT(paused_at, 1'000u);
  ASSERT_OK(projector_->PauseRebuild("order", false));
  EXPECT_TRUE(AwaitAsTimePasses([&] { return done() > paused_at; }));
  EXPECT_TRUE(AwaitAsTimePasses([&] { return StatusOf("order").last_build.has_value(); }));
  projector_->Stop();
  EXPECT_OK(StatusOf("order").last_build->result);
  EXPECT_EQ(order_.size(), 6'000u) << "each event once";
}

TEST_F(ProjectorRoundsTest, PartsOfARebuildThatIsPausedMakeWayToo) {
  projector_.reset();
  watermarks_.emplace(kPartitions);
  std::atomic<int> folded = 0;
  Model model = *MakeModel("order", order_);
  model.by_saga = true;
  model.make_fold = [&folded] { return std::make_unique<CountFold>(folded); };
  const auto counted = std::make_shared<const Model>(std::move(model));
  Open({.rebuild_threads = 2, .rebuild_apart_events_min = 1}, counted);
  for (int i = 0; i < 1'000; ++i) {
    Write(Decide(0));
    Write(Decide(1));
  }
  Round();
  ASSERT_EQ(folded.exchange(0), 2'000);
  projector_->Start();
  ASSERT_OK(projector_->StartRebuild("order", {.check_only = true, .events_per_second = 100}));
  EXPECT_TRUE(Await([&] { return StatusOf("order").build->events_done > 0; }));
  ASSERT_OK(projector_->PauseRebuild("order", true));
  std::vector<std::string> second;
  projector_->SetModels({counted, MakeModel("second", second)});
  EXPECT_TRUE(Await([&] { return StatusOf("second").generation != 0; }));
  EXPECT_LT(folded, 2'000);
  ASSERT_OK(projector_->PauseRebuild("order", false));
  EXPECT_TRUE(AwaitAsTimePasses([&] { return StatusOf("order").last_build.has_value(); }));
  projector_->Stop();
  EXPECT_OK(StatusOf("order").last_build->result);
  EXPECT_EQ(folded, 2'000) << "each event once";
}

TEST_F(ProjectorRoundsTest, ARebuildThatIsGivenUpEnds) {
  Fill(100);
  ASSERT_OK(projector_->StartRebuild("order", {.check_only = true, .events_per_second = 1}));
  ASSERT_OK(projector_->CancelRebuild("order"));
  projector_->Start();
  EXPECT_TRUE(Await([&] { return StatusOf("order").last_build.has_value(); }));
  projector_->Stop();
  EXPECT_TRUE(absl::IsCancelled(StatusOf("order").last_build->result.status()));
}

}  // namespace
}  // namespace skald::projection
