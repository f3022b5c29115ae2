// Goal: rebuilds take as much of the machine as they may, hold up neither models nor each other,
// and end. Method: a projector with its threads on a log in memory, while a simulated clock passes
// as the test says.
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "engine/projection/projector.h"
#include "engine/projection/table_keys.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/projection/projector_world.h"
#include "tests/support/status_matchers.h"

namespace skald::projection {
namespace {

class ProjectorRebuildTest : public ProjectorWorld {
 protected:
  // Folds, and counts; a rebuild and the live model may do so at once.
  std::shared_ptr<const Model> Counted() {
    return ModelOf("counted", [this](const FoldedEvent&, RowWriter&) {
      ++folded_;
      return absl::OkStatus();
    });
  }

  std::atomic<int> folded_ = 0;
};

// What was handed over is folded in turn with the live models.
TEST_F(ProjectorRebuildTest, LiveModelsGoOnWhileMuchIsLeftOfARebuild) {
  std::atomic<Micros> cost = 0;
  Reopen(ModelOf("slow", [&](const FoldedEvent&, RowWriter&) {
    ++folded_;
    clock_.Advance(cost);
    return absl::OkStatus();
  }));
  Fill(4'000);
  std::atomic<int> rounds = 0;
  projector_->AddRoundListener([&] { ++rounds; });
  cost = kMillisecond;
  folded_ = 0;
  projector_->Start();
  ASSERT_OK(projector_->StartRebuild("slow", {.check_only = true}));
  EXPECT_TRUE(Await([&] { return StatusOf("slow").last_build.has_value(); }));
  EXPECT_OK(StatusOf("slow").last_build->result);
  projector_->Stop();
  EXPECT_EQ(folded_, 4'000) << "each event once";
  EXPECT_GE(rounds, 10) << "one of live models each 300 events";
}

// The log grows as fast as the rebuild may fold: that it gains nothing is no reason to make others
// wait.
TEST_F(ProjectorRebuildTest, ARebuildWithARateIsNotHandedOverAsTheLogGrows) {
  constexpr int kSteps = 25;
  Reopen(Counted());
  Fill(12'000);
  projector_->Start();
  ASSERT_OK(projector_->StartRebuild("counted", {.check_only = true, .events_per_second = 5'000}));
  ASSERT_TRUE(Await([&] { return StatusOf("counted").build->events_done > 0; }));
  for (int i = 1; i <= kSteps; ++i) {
    clock_.Advance(99 * kMillisecond);
    for (int commit = 0; commit < 500; ++commit) Write(Decide(0));
    clock_.Advance(kMillisecond);
    ASSERT_OK(projector_->Open("counted", {.wait_until = After(clock_.Now(), kHour)}));
    ASSERT_TRUE(Await([&] {
      const ModelStatus status = StatusOf("counted");
      return !status.build || status.build->events_done >= 500u * i;
    }));
    ASSERT_TRUE(StatusOf("counted").build) << "12,000 events were left, at step " << i;
  }
  EXPECT_LE(StatusOf("counted").build->events_done, 500u * (kSteps + 2));
  EXPECT_TRUE(AwaitAsTimePasses([&] { return StatusOf("counted").last_build.has_value(); }));
  EXPECT_OK(StatusOf("counted").last_build->result);
  projector_->Stop();
}

TEST_F(ProjectorRebuildTest, ARateHoldsAfterAPauseAndARestart) {
  Reopen(Counted());
  Fill(12'000);
  projector_->Start();
  const auto done = [&] { return StatusOf("counted").build->events_done; };
  // For a second, in which it may fold a hundred events, and a batch before each look at the clock.
  const auto expect_slow = [&] {
    const uint64_t before = done();
    const Timestamp begun = clock_.Now();
    for (int i = 0; i < 10; ++i) {
      clock_.Advance(100 * kMillisecond);
      for (int look = 0; look < 10; ++look) {
        ASSERT_TRUE(StatusOf("counted").build.has_value());
        ASSERT_LE(done(), before + 20 + (clock_.Now().value() - begun.value()) * 100 / kSecond);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
    EXPECT_TRUE(AwaitAsTimePasses([&] { return done() >= before + 80; })) << "it goes on";
  };
  ASSERT_OK(projector_->StartRebuild("counted", {.events_per_second = 100}));
  ASSERT_TRUE(Await([&] { return done() > 0; }));
  ASSERT_OK(projector_->PauseRebuild("counted", true));
  clock_.Advance(kHour);
  ASSERT_OK(projector_->PauseRebuild("counted", false));
  expect_slow();

  ASSERT_OK(projector_->PauseRebuild("counted", true));
  const uint64_t generation = StatusOf("counted").build->generation;
  projector_->Stop();
  Reopen(Counted());
  ASSERT_TRUE(StatusOf("counted").build.has_value());
  EXPECT_EQ(StatusOf("counted").build->generation, generation);
  EXPECT_TRUE(StatusOf("counted").build->is_paused);
  const uint64_t paused_at = done();
  EXPECT_GT(paused_at, 0u);
  projector_->Start();
  clock_.Advance(kHour);
  ASSERT_OK(projector_->PauseRebuild("counted", false));
  expect_slow();
  EXPECT_LT(done(), paused_at + 1'000);
  projector_->Stop();
}

TEST_F(ProjectorRebuildTest, WhoReadsAModelWhoseFirstBuildWasGivenUpIsTold) {
  Fill(100);
  std::vector<std::string> second;
  projector_->SetModels({MakeModel("order", order_), MakeModel("second", second)});
  ASSERT_OK(projector_->CancelRebuild("second"));
  projector_->Start();
  ASSERT_TRUE(Await([&] { return StatusOf("second").last_build.has_value(); }));
  const auto open = [&] {
    return projector_->Open("second", {.allow_stale = true, .wait_until = clock_.Now()}).status();
  };
  EXPECT_TRUE(HasReason(open(), ErrorReason::kModelNotBuilt)) << open();
  EXPECT_THAT(open().message(), ::testing::HasSubstr("was given up"));
  EXPECT_THAT(open().message(), ::testing::HasSubstr("`skald rebuild second`"));
  // Comparing it with nothing makes no rows.
  ASSERT_OK(projector_->StartRebuild("second", {.check_only = true}));
  ASSERT_TRUE(Await([&] { return StatusOf("second").last_build->result.ok(); }));
  EXPECT_TRUE(HasReason(open(), ErrorReason::kModelNotBuilt)) << open();
  ASSERT_OK(projector_->StartRebuild("second", {}));
  ASSERT_TRUE(Await([&] { return StatusOf("second").generation != 0; }));
  EXPECT_OK(open());
  projector_->Stop();
}

// Goal: rows that were dropped give back their room, whatever is being built. Method: a rebuild of
// the one model that does not end, and what the other one has replaced.
class DroppedRowsTest : public ProjectorRebuildTest {
 protected:
  void Begin(const ProjectorOptions& options) {
    Reopen(Counted(), options);
    Fill(6'000);
    projector_->Start();
    previous_ = StatusOf("counted").generation;
    ASSERT_OK(projector_->StartRebuild("counted", {}));
    ASSERT_TRUE(AwaitAsTimePasses([&] { return StatusOf("counted").generation != previous_; }));
    ASSERT_EQ(StatusOf("counted").previous_generation, previous_);
  }
  void DropAndAwait() {
    ASSERT_OK(projector_->DropPrevious("counted"));
    EXPECT_TRUE(Await([&] { return !views_.Get(CheckpointKey(previous_))->has_value(); }));
    EXPECT_TRUE(StatusOf("counted").build.has_value()) << "it still goes on";
    projector_->Stop();
  }

  uint64_t previous_ = 0;
};

TEST_F(DroppedRowsTest, GoWhileARebuildIsPaused) {
  Begin({});
  ASSERT_OK(projector_->StartRebuild("counted", {.check_only = true, .events_per_second = 500}));
  ASSERT_OK(projector_->PauseRebuild("counted", true));
  DropAndAwait();
}

TEST_F(DroppedRowsTest, GoWhileARebuildIsSlow) {
  Begin({});
  ASSERT_OK(projector_->StartRebuild("counted", {.check_only = true, .events_per_second = 1}));
  DropAndAwait();
}

TEST_F(DroppedRowsTest, GoWhileAModelIsCheckedInTheBackground) {
  Begin({.check_interval = kHour, .check_events_per_second = 1});
  clock_.Advance(kHour);
  ASSERT_TRUE(Await([&] { return StatusOf("counted").build.has_value(); }));
  DropAndAwait();
}

}  // namespace
}  // namespace skald::projection
