// Goal: what no fold reads of payloads makes no difference to what it does read. Method: the log's
// own descriptors; random logs, whose states begin without payloads and get them when somebody
// reads them, against states that have them all.
#include "engine/projection/payloads.h"

#include <random>

#include "engine/projection/merged_log.h"
#include "engine/projection/saga_states.h"
#include "engine/saga/evolve.h"
#include "engine/saga/view.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "gtest/gtest.h"
#include "tests/engine/projection/random_log.h"
#include "tests/support/status_matchers.h"

namespace skald::projection {
namespace {

using ::skald::testing::RandomLog;
using ::testing::ElementsAre;

TEST(Payloads, TheErrorOfEachKindOfEventIsFound) {
  const google::protobuf::Descriptor& kinds = *log::v1::Event::descriptor();
  int with_error = 0;
  for (int i = 0; i < kinds.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& kind = *kinds.field(i);
    SCOPED_TRACE(kind.name());
    log::v1::Event event;
    google::protobuf::Message& body = *event.GetReflection()->MutableMessage(&event, &kind);
    EXPECT_EQ(ErrorSlotOf(event), 0u);
    const auto* const slot = kind.message_type()->FindFieldByName("error_slot");
    if (slot == nullptr) continue;
    ++with_error;
    body.GetReflection()->SetUInt32(&body, slot, 7);
    EXPECT_EQ(ErrorSlotOf(event), 7u);
  }
  EXPECT_GT(with_error, 5);
}

class ParseTest : public ::testing::Test {
 protected:
  ParseTest() {
    commit_.slots = {"1", "[", R"({"status":500})"};
    events_.add_events()->mutable_saga_started()->set_input_slot(1);
    events_.add_events()->mutable_task_parked()->set_error_slot(3);
  }

  storage::CommitView commit_;
  log::v1::EventBodies events_;
  std::vector<Json> slots_ = {Json::Int(9)};
};

TEST_F(ParseTest, WhatIsNotWantedIsNull) {
  ASSERT_OK(ParsePayloads(commit_, events_, Payloads::kNone, slots_));
  EXPECT_THAT(slots_, ElementsAre(Json(), Json(), Json()));
  ASSERT_OK(ParsePayloads(commit_, events_, Payloads::kErrors, slots_));
  EXPECT_THAT(slots_, ElementsAre(Json(), Json(), Json::Object({{"status", Json::Int(500)}})));
}

TEST_F(ParseTest, WhatIsWantedMustBeJson) {
  EXPECT_FALSE(ParsePayloads(commit_, events_, Payloads::kAll, slots_).ok());
  commit_.slots[1] = "[]";
  ASSERT_OK(ParsePayloads(commit_, events_, Payloads::kAll, slots_));
  EXPECT_THAT(slots_, ElementsAre(Json::Int(1), Json::EmptyArray(),
                                  Json::Object({{"status", Json::Int(500)}})));
  commit_.slots[2] = "x";
  EXPECT_FALSE(ParsePayloads(commit_, events_, Payloads::kErrors, slots_).ok());
}

// States of a log's sagas, that are asked for commit by commit.
class States {
 public:
  explicit States(RandomLog& log)
      : states_(
            log.log(), [&log](const SagaKey& key, Revision) { return log.CommitsOf(key); },
            1 << 20) {}

  const saga::SagaState& Take(const storage::CommitView& commit, const log::v1::EventBodies& events,
                              Payloads wanted) {
    EXPECT_OK(ParsePayloads(commit, events, wanted, slots_));
    saga::SagaState& state = **states_.Touch(commit.header, wanted);
    for (int i = 0; i < events.events_size(); ++i) {
      const auto place = static_cast<uint64_t>(i);
      saga::Evolve(events.events(i),
                   {commit.header, Revision(commit.header.first_revision() + place),
                    Position(commit.header.first_position() + place), slots_},
                   state);
    }
    return state;
  }
  void EndRound() { states_.EndRound(); }

 private:
  SagaStates states_;
  std::vector<Json> slots_;
};

void ExpectSameErrors(const saga::SagaState& a, const saga::SagaState& b) {
  const saga::SagaView mine = saga::ViewOf(a);
  const saga::SagaView others = saga::ViewOf(b);
  EXPECT_EQ(mine.error, others.error);
  ASSERT_EQ(mine.incidents.size(), others.incidents.size());
  for (size_t i = 0; i < mine.incidents.size(); ++i) {
    EXPECT_EQ(mine.incidents[i].error, others.incidents[i].error);
  }
}

void Play(uint64_t seed) {
  std::mt19937_64 random(seed);
  RandomLog log(seed, 120);
  States full(log);
  States partial(log);
  const std::vector<Position> none(RandomLog::kPartitions);
  std::vector<Position> through;
  for (uint32_t id = 0; id < RandomLog::kPartitions; ++id) {
    through.push_back(log.log().LastPosition(PartitionId(id)));
  }
  MergedLog commits(log.log(), none, through, kNever);
  Payloads wanted = Payloads::kNone;
  while (*commits.Next()) {
    const storage::CommitView& commit = commits.commit();
    if (commit.header.saga_id().empty()) continue;
    const log::v1::EventBodies& events = **commits.events();
    const saga::SagaState& expected = full.Take(commit, events, Payloads::kAll);
    const saga::SagaState& state = partial.Take(commit, events, wanted);
    EXPECT_EQ(saga::StatusOf(state), saga::StatusOf(expected));
    if (wanted >= Payloads::kErrors) ExpectSameErrors(state, expected);
    if (wanted == Payloads::kAll) {
      ASSERT_EQ(saga::EncodeState(state), saga::EncodeState(expected));
    }
    if (random() % 3 != 0) continue;
    full.EndRound();
    partial.EndRound();
    // Folds that read more come, and go.
    wanted = static_cast<Payloads>(random() % 3);
  }
}

TEST(Payloads, StatesGetThemWhenSomebodyReadsThem) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Play(seed);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace skald::projection
