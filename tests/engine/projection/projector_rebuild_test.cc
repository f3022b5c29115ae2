// Goal: rebuilds take as much of the machine as they may, hold up neither models nor each other,
// and end. Method: a projector with its threads on a log in memory, while a simulated clock passes
// as the test says.
#include <atomic>
#include <memory>
#include <string>

#include "engine/projection/projector.h"
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

}  // namespace
}  // namespace skald::projection
