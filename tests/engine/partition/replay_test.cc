// Goal: a commit that is read well and cannot be folded is refused with its place, whatever it
// says: made by a newer build, by hand, or damaged behind right checksums. Method: commits written
// by hand, folded one after the other.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "engine/partition/fold.h"
#include "engine/runtime/program_cache.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/commit_record.h"
#include "storage/memory/memory_views.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

using log::v1::Event;
using log::v1::EventBodies;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr PartitionId kPartition{1};

// What a test says of a commit; the rest is as it should be.
struct Written {
  std::string saga_id;  // empty: the partition's own
  int64_t time_us = 1'700'000'000'000'000;
  std::vector<std::string> slots;
};

class ReplayTest : public ::testing::Test {
 protected:
  ReplayTest() { Reset(); }
  void Reset() {
    fold_.emplace(partition::FoldOptions{.partition = kPartition, .partition_count = 3}, views_,
                  programs_);
    revisions_.clear();
  }

  absl::Status Replay(const Written& written, const std::vector<Event>& events) {
    log::v1::CommitHeader header;
    header.set_format(storage::kCommitFormat);
    header.set_partition(kPartition.value());
    header.set_first_position(fold_->last_position().Next().value());
    header.set_count(static_cast<uint32_t>(events.size()));
    header.set_time_us(written.time_us);
    if (!written.saga_id.empty()) header.set_namespace_("test");
    header.set_saga_id(written.saga_id);
    uint64_t& revision = revisions_[written.saga_id];
    header.set_first_revision(revision);
    EventBodies bodies;
    for (const Event& event : events) *bodies.add_events() = event;
    const std::vector<absl::string_view> slots(written.slots.begin(), written.slots.end());
    std::string record;
    storage::EncodeCommit(header, bodies.SerializeAsString(), slots, &record);
    const absl::Status status = fold_->Replay(record);
    if (status.ok()) revision += events.size();
    return status;
  }
  // The commit must be refused at `offset` events after the last good one.
  void ExpectRefused(const Written& written, const std::vector<Event>& events,
                     absl::string_view why, uint64_t offset = 1) {
    const uint64_t position = fold_->last_position().value() + offset;
    const absl::Status status = Replay(written, events);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss,
                                 AllOf(HasSubstr(absl::StrCat("partition 1 is damaged at position ",
                                                              position, ": ")),
                                       HasSubstr(std::string(why)))));
    EXPECT_TRUE(HasReason(status, ErrorReason::kLogCorrupt));
  }
  // A saga that has begun, with a call under way in frame 1.
  void Begin() {
    Event start, call;
    start.mutable_saga_started()->set_input_slot(1);
    call.mutable_task_started()->set_frame(1);
    call.mutable_task_started()->set_kind(log::v1::FRAME_KIND_WORKER);
    call.mutable_task_started()->mutable_call()->set_function("reserve");
    ASSERT_OK(Replay({.saga_id = "s", .slots = {"{}"}}, {start, call}));
  }

  static Event Unknown() {
    Event event;
    event.GetReflection()->MutableUnknownFields(&event)->AddLengthDelimited(500, "of tomorrow");
    return event;
  }
  static Event Definition(uint32_t slot) {
    Event event;
    log::v1::DefinitionDeployed& deployed = *event.mutable_definition_deployed();
    deployed.set_namespace_("test");
    deployed.set_name("order");
    deployed.set_version("1.0.0");
    deployed.set_hash("hash");
    deployed.set_text_slot(slot);
    return event;
  }
  static Event Sent(uint32_t to, uint64_t seq) {
    Event event;
    event.mutable_message_sent()->set_to(to);
    event.mutable_message_sent()->set_seq(seq);
    return event;
  }
  static Event Received(uint32_t from, uint64_t seq) {
    Event event;
    event.mutable_message_received()->set_from(from);
    event.mutable_message_received()->set_seq(seq);
    return event;
  }
  static Event Acked(uint32_t to, uint64_t through) {
    Event event;
    event.mutable_messages_acked()->set_to(to);
    event.mutable_messages_acked()->set_through(through);
    return event;
  }

  storage::MemoryViews views_;
  runtime::ProgramCache programs_{definition::DefinitionLimits()};
  std::optional<partition::Fold> fold_;
  std::map<std::string, uint64_t> revisions_;
};

using ReplayOwnTest = ReplayTest;
using ReplaySagaTest = ReplayTest;

TEST_F(ReplayOwnTest, TextsThatAreNotThere) {
  const std::vector<std::string> slots = {Json::String(kOrder).ToText(), "17", "{"};
  const Written own{.slots = slots};
  for (const uint32_t slot : {0u, 2u, 3u, 4u, ~0u}) {
    ExpectRefused(own, {Definition(slot)}, "the text of what was deployed is missing");
    Event model;
    model.mutable_model_deployed()->set_text_slot(slot);
    ExpectRefused(own, {model}, "the text of what was deployed is missing");
    Event sent = Sent(2, 1);
    *sent.mutable_message_sent()->mutable_deploy_definition() =
        Definition(slot).definition_deployed();
    ExpectRefused(own, {sent}, "the text of what was deployed is missing");
  }
  Event dropped;
  dropped.mutable_model_dropped()->set_reason_slot(4);
  ExpectRefused(own, {dropped}, "payload is missing");
  ASSERT_OK(Replay(own, {Definition(1)}));
  ExpectRefused(own, {Definition(1)}, "is there already");
}

TEST_F(ReplayOwnTest, KindsThatAreNotKnown) {
  Event saga;
  saga.mutable_saga_resumed();
  for (const Event& event : {Unknown(), Event(), saga}) {
    ExpectRefused({}, {event}, "of a kind that this build does not know");
  }
  ExpectRefused({}, {Unknown()}, "If a newer build of Skald wrote it, use that one");
}

TEST_F(ReplayOwnTest, MessagesOutOfOrder) {
  ASSERT_OK(Replay({}, {Sent(2, 1), Sent(2, 2), Received(0, 1), Acked(2, 1)}));
  const Event refused = [] {
    Event event;
    event.mutable_message_refused()->set_seq(3);
    return event;
  }();
  for (const Event& event : {Sent(2, 2), Sent(2, 4), Sent(0, 2), Received(0, 1), Received(0, 3),
                             Received(2, 0), Acked(2, 3), Acked(0, 1), refused}) {
    ExpectRefused({}, {event}, "messages are missing, repeated or out of order");
  }
  for (const Event& event : {Sent(3, 1), Received(3, 1), Acked(3, 0)}) {
    ExpectRefused({}, {event}, "a partition that is not there");
  }
}

TEST_F(ReplayOwnTest, TheEventIsNamed) {
  ExpectRefused({}, {Received(0, 1), Received(0, 3)}, "out of order", 2);
}

TEST_F(ReplaySagaTest, TimesBefore1970) {
  ExpectRefused({.time_us = -1}, {Received(0, 1)}, "before 1970");
  Event start;
  start.mutable_saga_started()->set_deadline_us(-1);
  ExpectRefused({.saga_id = "s"}, {start}, "before 1970");
  ExpectRefused({.saga_id = "s", .time_us = -1}, {Event(start)}, "before 1970");
}

TEST_F(ReplaySagaTest, WhatDoesNotBeginWithItsStart) {
  Event start, resumed;
  start.mutable_saga_started();
  resumed.mutable_saga_resumed();
  ExpectRefused({.saga_id = "s"}, {resumed}, "first event is not its start");
}

TEST_F(ReplaySagaTest, ASecondStart) {
  Event start;
  start.mutable_saga_started();
  ExpectRefused({.saga_id = "s"}, {start, start}, "first event is not its start", 2);
}

TEST_F(ReplaySagaTest, PayloadsThatAreNotThere) {
  Event start;
  start.mutable_saga_started()->set_input_slot(2);
  ExpectRefused({.saga_id = "s", .slots = {"{}"}}, {start}, "payload is missing");
  ExpectRefused({.saga_id = "t", .slots = {"{"}}, {start}, "a payload is no JSON");
}

// Each is refused by a fold of its own: what was folded before it is not believed any more.
TEST_F(ReplaySagaTest, WhatDoesNotFollow) {
  const auto make = [](const auto& fill) {
    Event event;
    fill(event);
    return event;
  };
  const auto started = [&](uint32_t frame, uint32_t parent, int kind) {
    return make([&](Event& event) {
      event.mutable_task_started()->set_frame(frame);
      event.mutable_task_started()->set_parent(parent);
      event.mutable_task_started()->set_kind(static_cast<log::v1::FrameKind>(kind));
    });
  };
  const std::vector<std::pair<Event, std::string>> cases = {
      {Unknown(), "does not know"},
      {Sent(0, 1), "does not know"},
      {started(2, 7, 1), "a task that does not run"},
      {started(1, 0, 1), "in the place of another"},
      {started(~0u, 0, 1), "in the place of another"},
      {started(2, 0, 0), "does not know"},
      {started(2, 0, 8), "does not know"},
      {started(2, 0, 4), "a call that nobody made"},
      {make([](Event& e) { e.mutable_task_completed()->set_frame(0); }), "does not run"},
      {make([](Event& e) { e.mutable_task_completed()->set_frame(9); }), "does not run"},
      {make([](Event& e) {
         e.mutable_task_completed()->set_frame(1);
         e.mutable_task_completed()->set_output_slot(1);
       }),
       "payload is missing"},
      {make([](Event& e) { e.mutable_task_faulted()->set_frame(2); }), "does not run"},
      {make([](Event& e) { e.mutable_task_parked()->set_frame(2); }), "does not run"},
      {make([](Event& e) { e.mutable_task_retried()->set_frame(2); }), "does not run"},
      {make([](Event& e) { e.mutable_task_quiesced()->set_frame(1); }), "a call that nobody made"},
      {make([](Event& e) { e.mutable_late_effect_resolved()->set_frame(1); }), "nobody made"},
      {make([](Event& e) { e.mutable_pivot_passed()->set_scope(1); }), "a scope that is not there"},
      {make([](Event& e) { e.mutable_compensation_disarmed()->set_seq(1); }), "is not owed"},
      {make([](Event& e) { e.mutable_compensation_started()->add_seqs(1); }), "is not owed"},
      {make([](Event& e) {
         e.mutable_compensation_step_started()->set_frame(2);
         e.mutable_compensation_step_started()->set_seq(1);
       }),
       "is not owed"},
      {make([](Event& e) { e.mutable_compensation_step_failed()->set_scope(5); }),
       "a scope that is not there"},
  };
  for (const auto& [event, why] : cases) {
    SCOPED_TRACE(event.ShortDebugString());
    Reset();
    Begin();
    ExpectRefused({.saga_id = "s"}, {event}, why);
  }
}

}  // namespace
}  // namespace skald::testing
