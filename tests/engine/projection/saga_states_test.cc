#include "engine/projection/saga_states.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "gtest/gtest.h"
#include "skald/log/v1/record.pb.h"
#include "storage/memory/memory_event_log.h"

namespace skald::projection {
namespace {

class SagaStatesTest : public ::testing::Test {
 protected:
  // A saga in its first round, with a task that waits for so long after its last event.
  saga::SagaState& Waiting(const std::string& id, uint64_t events, Micros time) {
    log::v1::CommitHeader header;
    header.set_namespace_("shop");
    header.set_saga_id(id);
    saga::SagaState& state = **states_.Touch(header, Payloads::kAll);
    state.key = {"shop", id};
    state.events = events;
    state.updated = Timestamp(kHour);
    state.frames.resize(2);
    state.frames[1].id = saga::FrameId(1);
    state.frames[1].kind = saga::FrameKind::kWait;
    state.frames[1].due = After(state.updated, time);
    return state;
  }

  bool Keeps(uint64_t events, Micros time) {
    const size_t before = states_.size();
    Waiting(absl::StrCat("s", ++number_), events, time);
    EXPECT_EQ(states_.size(), before + 1);
    states_.EndRound();
    return states_.size() > before;
  }

  storage::MemoryEventLog log_{{.partition_count = 1}};
  SagaStates states_{log_, [](const SagaKey&, Revision) { return std::vector<Position>(); },
                     1 << 20};
  int number_ = 0;
};

TEST_F(SagaStatesTest, WhoWaitsForLongIsForgottenWithTheRound) {
  EXPECT_FALSE(Keeps(2, kHour));
  EXPECT_TRUE(Keeps(2, kSecond));
}

TEST_F(SagaStatesTest, WhatIsLongToFoldAgainIsKept) {
  EXPECT_FALSE(Keeps(100, kHour));
  EXPECT_TRUE(Keeps(101, kHour));
}

TEST_F(SagaStatesTest, WhatEndedIsForgottenHoweverLong) {
  Waiting("ended", 101, kHour).end = saga::Status::kCompleted;
  states_.EndRound();
  EXPECT_EQ(states_.size(), 0u);
}

}  // namespace
}  // namespace skald::projection
