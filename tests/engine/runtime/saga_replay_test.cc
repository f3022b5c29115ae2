// Goal: a saga as of any moment is what it was then, and no moment is made up. Method: a saga is run
// and looked at as it goes; afterwards each of its moments is replayed and compared.
#include "engine/runtime/saga_replay.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "engine/runtime/engine_impl.h"
#include "engine/saga/state.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/engine_driver.h"
#include "tests/support/simulated_clock.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

using runtime::AsOf;
using runtime::SagaReplay;
using ::testing::HasSubstr;

const SagaKey kSaga{"test", "s1"};

// What an event was, and the saga after it.
struct Seen {
  Revision revision;
  Position position;
  Position commit_first;
  Timestamp time;
  std::string state;
};

class SagaReplayTest : public ::testing::Test {
 protected:
  SagaReplayTest() {
    runtime::EngineOptions options;
    options.partition_count = 2;
    options.threads = 1;
    auto engine = runtime::Engine::Open(options);
    EXPECT_OK(engine);
    engine_ = *std::move(engine);
    EngineDriver call(*engine_);
    EXPECT_OK(call.Deploy(kOrder));
    // Another saga's commits stand between those of ours.
    EXPECT_OK(call.Start("s1", "order"));
    EXPECT_OK(call.Start("s2", "order"));
    live_.push_back(*call.Get(kSaga));
    const auto worker = InstantWorker::Join(*engine_, {"reserve", "charge"});
    EXPECT_OK(call.Wait(kSaga));
    EXPECT_OK(call.Wait({"test", "s2"}));
    worker->Leave();
    live_.push_back(*call.Get(kSaga));
  }

  std::vector<Seen> Replay(const AsOf& as_of) {
    std::vector<Seen> seen;
    auto replay = SagaReplay::Open(*engine_, kSaga, as_of);
    EXPECT_OK(replay);
    if (!replay.ok()) return seen;
    for (;;) {
      const absl::StatusOr<bool> more = (*replay)->Next();
      EXPECT_OK(more);
      if (!more.ok() || !*more) break;
      const runtime::RecordedEvent event = (*replay)->event();
      seen.push_back({event.revision, event.position, event.commit_first,
                      Timestamp(event.header->time_us()),
                      saga::EncodeState((*replay)->state())});
      // Pauses change nothing.
      if (seen.size() % 3 == 0) (*replay)->Rest();
    }
    EXPECT_EQ(seen.back().revision, (*replay)->last());
    return seen;
  }
  absl::Status Refusal(const AsOf& as_of) {
    return SagaReplay::Open(*engine_, kSaga, as_of).status();
  }

  std::unique_ptr<runtime::Engine> engine_;
  std::vector<saga::SagaView> live_;  // while it waited for a worker, and at its end
};

TEST_F(SagaReplayTest, EveryRevisionIsOneStep) {
  const std::vector<Seen> all = Replay({});
  ASSERT_EQ(all.size(), live_[1].revision.value() + 1);
  for (uint64_t revision = 0; revision < all.size(); ++revision) {
    EXPECT_EQ(all[revision].revision, Revision(revision));
    const std::vector<Seen> until = Replay(Revision(revision));
    ASSERT_EQ(until.size(), revision + 1);
    EXPECT_EQ(until.back().state, all[revision].state);
  }
}

TEST_F(SagaReplayTest, ItWasWhatWasSeenThen) {
  for (const saga::SagaView& seen : live_) {
    const std::vector<Seen> then = Replay(seen.revision);
    const auto state = saga::DecodeState(then.back().state);
    ASSERT_OK(state);
    const saga::SagaView view = saga::ViewOf(*state);
    EXPECT_EQ(view.status, seen.status);
    EXPECT_EQ(view.active.size(), seen.active.size());
    EXPECT_EQ(view.output, seen.output);
    EXPECT_EQ(view.updated, seen.updated);
  }
}

TEST_F(SagaReplayTest, PositionsAndTimesNameTheLastEventUpToThem) {
  const std::vector<Seen> all = Replay({});
  for (const Seen& event : all) {
    EXPECT_EQ(Replay(event.position).back().revision, event.revision);
    // Of what was decided at once all has happened at that time.
    Revision last = event.revision;
    for (const Seen& other : all) {
      if (other.time <= event.time) last = other.revision;
    }
    EXPECT_EQ(Replay(event.time).back().revision, last);
  }
  EXPECT_EQ(Replay(engine_->Now()).back().revision, all.back().revision);
  const Timestamp before(all.front().time.value() - 1);
  EXPECT_THAT(Refusal(before), StatusIs(absl::StatusCode::kNotFound, HasSubstr("did not exist")));
  EXPECT_THAT(Refusal(Position(all.front().position.value() - 1)),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("position ")));
}

TEST_F(SagaReplayTest, WhatHasNotHappenedIsRefused) {
  const uint64_t last = live_[1].revision.value();
  EXPECT_THAT(Refusal(Revision(last + 1)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(absl::StrCat("but the saga's last is ", last))));
  EXPECT_THAT(Refusal(Position(1'000'000)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ends at ")));
  EXPECT_THAT(Refusal(After(engine_->Now(), kMinute)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("in the future")));
  EXPECT_THAT(SagaReplay::Open(*engine_, {"test", "nobody"}, {}).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nobody")));
}

}  // namespace
}  // namespace skald::testing
