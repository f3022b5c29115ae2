// Goal: events and sagas are shown completely, by stable names, with user data exact and in place.
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "api/convert_common.h"
#include "api/convert_event.h"
#include "api/convert_saga.h"
#include "base/errors.h"
#include "engine/saga/event_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/api/api_fixture.h"

namespace skald::api {
namespace {

TEST(ContextTest, DeadlinesOfAnyLengthAreKept) {
  const auto at = [](int64_t seconds, int32_t nanos) {
    return ToTimestamp({seconds, nanos, GPR_CLOCK_REALTIME});
  };
  EXPECT_EQ(at(5, 1'999), Timestamp(5'000'001));
  EXPECT_EQ(at(-1, 0), Timestamp(0));
  // Too many nanoseconds for 64 bits: what a client sends that means "never".
  EXPECT_EQ(at(11'000'000'000, 0), Timestamp(11'000'000'000 * kSecond));
  EXPECT_EQ(at(kNever.value() / 1'000, 0), kNever);
  EXPECT_EQ(ToTimestamp(gpr_inf_future(GPR_CLOCK_MONOTONIC)), kNever);
}

using ::testing::ElementsAre;

// The message of one event of a commit with these slots.
v1::RecordedEvent Convert(const log::v1::Event& event, std::vector<absl::string_view> slots = {}) {
  log::v1::CommitHeader header;
  header.set_first_position(10);
  header.set_count(3);
  header.set_namespace_("shop");
  header.set_saga_id("order-1");
  header.set_time_us(1'700'000'000'123'456);
  header.mutable_cause()->set_command("AnswerTask");
  header.mutable_cause()->set_position(9);
  header.set_actor("ann");
  header.set_request_id("r-1");
  header.set_correlation_id("c-1");
  runtime::RecordedEvent recorded;
  recorded.partition = PartitionId(2);
  recorded.position = Position(11);
  recorded.revision = Revision(4);
  recorded.commit_first = Position(10);
  recorded.header = &header;
  recorded.event = &event;
  recorded.slots = slots;
  v1::RecordedEvent proto;
  SetEvent(recorded, proto);
  return proto;
}

TEST(ConvertEventTest, EnvelopeIsComplete) {
  log::v1::Event event;
  event.mutable_task_cancelled()->set_task("/do/0/pay");
  const v1::RecordedEvent proto = Convert(event);
  EXPECT_EQ(proto.position().partition(), 2u);
  EXPECT_EQ(proto.position().position(), 11u);
  EXPECT_EQ(proto.revision(), 4u);
  EXPECT_EQ(proto.commit_position(), 10u);
  EXPECT_EQ(proto.time().seconds(), 1'700'000'000);
  EXPECT_EQ(proto.time().nanos(), 123'456'000);
  EXPECT_EQ(proto.namespace_(), "shop");
  EXPECT_EQ(proto.saga_id(), "order-1");
  EXPECT_EQ(proto.type(), "TaskCancelled");
  EXPECT_EQ(proto.task(), "/do/0/pay");
  EXPECT_EQ(proto.causation().command(), "AnswerTask");
  EXPECT_EQ(proto.causation().position(), 9u);
  EXPECT_EQ(proto.actor(), "ann");
  EXPECT_EQ(proto.request_id(), "r-1");
  EXPECT_EQ(proto.correlation_id(), "c-1");
}

TEST(ConvertEventTest, DataHasSlotsTimesAndEnumsInPlace) {
  log::v1::Event event;
  log::v1::TaskStarted& started = *event.mutable_task_started();
  started.set_frame(3);
  started.set_task("/do/0/pay");
  started.set_kind(log::v1::FRAME_KIND_CALL_FUNCTION);
  started.set_input_slot(2);
  started.set_deadline_us(1'700'000'000'500'000);
  started.mutable_call()->set_function("pay \"now\"");
  started.mutable_call()->set_compensation(true);
  const v1::RecordedEvent proto = Convert(event, {"1", R"({"amount":12345678901234567890})"});
  EXPECT_EQ(proto.data(),
            R"({"frame":3,"kind":"callFunction","input":{"amount":12345678901234567890},)"
            R"("deadline":"2023-11-14T22:13:20.5Z",)"
            R"("call":{"function":"pay \"now\"","compensation":true}})");
}

TEST(ConvertEventTest, ListsAndNestedEnums) {
  log::v1::Event event;
  log::v1::CompensationStarted& started = *event.mutable_compensation_started();
  started.set_cause(log::v1::COMPENSATION_CAUSE_FAULT);
  for (uint32_t seq : {5, 3, 1}) started.add_seqs(seq);
  EXPECT_EQ(Convert(event).data(), R"({"cause":"fault","seqs":[5,3,1]})");

  event.mutable_task_completed()->mutable_next()->set_kind(log::v1::Next::KIND_EXIT);
  EXPECT_EQ(Convert(event).data(), R"({"next":{"kind":"exit"}})");
}

TEST(ConvertEventTest, ErasedAndMissingSlotsAreNull) {
  log::v1::Event event;
  event.mutable_saga_started()->set_input_slot(1);
  event.mutable_saga_started()->set_transformed_input_slot(9);
  EXPECT_EQ(Convert(event, {""}).data(), R"({"input":null,"transformedInput":null})");
}

TEST(ConvertEventTest, EveryKindHasANameAndJsonData) {
  const auto* descriptor = log::v1::Event::descriptor();
  EXPECT_EQ(saga::EventTypeNames().size(), static_cast<size_t>(descriptor->field_count()));
  for (int i = 0; i < descriptor->field_count(); ++i) {
    log::v1::Event event;
    event.GetReflection()->MutableMessage(&event, descriptor->field(i));
    const v1::RecordedEvent proto = Convert(event);
    EXPECT_EQ(proto.type(), descriptor->field(i)->message_type()->name());
    EXPECT_EQ(proto.data(), "{}");
    EXPECT_EQ(saga::FindEventType(proto.type()), event.kind_case());
    EXPECT_EQ(saga::EventTypeName(event), proto.type());
  }
  EXPECT_EQ(saga::FindEventType("TaskExploded"), log::v1::Event::KIND_NOT_SET);
  EXPECT_EQ(Convert(log::v1::Event()).type(), "Unknown");
}

TEST(ConvertEventTest, DocumentationNamesEveryKind) {
  std::ifstream file(std::string(SKALD_SOURCE_DIR) + "/docs/api.md");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  for (const std::string& name : saga::EventTypeNames()) {
    EXPECT_NE(text.find(name), std::string::npos) << name;
  }
  for (int i = 0; i <= static_cast<int>(ErrorReason::kInternal); ++i) {
    const absl::string_view reason = ErrorReasonName(static_cast<ErrorReason>(i));
    EXPECT_NE(text.find(absl::StrCat("| ", reason, " |")), std::string::npos) << reason;
  }
}

TEST(ConvertSagaTest, FullSaga) {
  saga::SagaView view = CompletedSaga("order-1", Json::Number("12345678901234567890"));
  view.compensation = saga::CompensationView{
      .outcome = "partial",
      .failed = 1,
      .steps = {{.task = "/do/0/a", .name = "a", .state = "skipped", .attempts = 2}}};
  view.active = {{.task = "/do/1/b",
                  .name = "b",
                  .state = "retrying",
                  .attempt = 3,
                  .function = "f",
                  .due = Timestamp(9'000'000)}};
  view.incidents = {{.kind = saga::Incident::Kind::kParkedTask,
                     .task = "/do/1/b",
                     .name = "b",
                     .error = Json::Object({{"status", Json::Int(503)}}),
                     .since = Timestamp(4'000'000),
                     .verbs = "RetryTask, CompleteTask"}};
  v1::Saga proto;
  SetSaga(view, SagaDetail::kFull, proto);
  EXPECT_EQ(proto.status(), v1::SAGA_STATUS_COMPLETED);
  EXPECT_EQ(proto.output(), "12345678901234567890");
  EXPECT_EQ(proto.compensation().outcome(), v1::Compensation::OUTCOME_PARTIAL);
  EXPECT_EQ(proto.compensation().steps(0).state(), v1::CompensationStep::STATE_SKIPPED);
  EXPECT_EQ(proto.active_tasks(0).state(), v1::ActiveTask::STATE_RETRYING);
  EXPECT_EQ(proto.active_tasks(0).due_time().seconds(), 9);
  EXPECT_EQ(proto.incidents(0).error().status(), 503);
  EXPECT_THAT(proto.incidents(0).verbs(), ElementsAre("RetryTask", "CompleteTask"));
  EXPECT_EQ(proto.end_time().seconds(), 3);

  v1::Saga listed;
  SetSaga(view, SagaDetail::kListed, listed);
  EXPECT_TRUE(listed.input().empty());
  EXPECT_TRUE(listed.output().empty());
}

// The words of the views are strings; a new one must get a name here too.
TEST(ConvertSagaTest, EveryWordOfTheViewsHasAValue) {
  for (const char* state : {"armed", "running", "retrying", "completed", "skipped", "resolved",
                            "failed", "parked", "kept"}) {
    v1::CompensationStep::State value{};
    EXPECT_TRUE(v1::CompensationStep::State_Parse(
        absl::AsciiStrToUpper(std::string("STATE_") + state), &value));
  }
  for (const char* outcome : {"none", "compensated", "partial", "failed", "parked", "running"}) {
    v1::Compensation::Outcome value{};
    EXPECT_TRUE(v1::Compensation::Outcome_Parse(
        absl::AsciiStrToUpper(std::string("OUTCOME_") + outcome), &value));
  }
}

TEST(ConvertCommonTest, DurationsSaturate) {
  google::protobuf::Duration proto;
  SetDuration(1'500'000, proto);
  EXPECT_EQ(ToMicros(proto, kHour), 1'500'000);
  EXPECT_EQ(ToMicros(proto, kSecond), kSecond);
  proto.set_seconds(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ToMicros(proto, kHour), kHour);
  proto.set_seconds(-5);
  EXPECT_EQ(ToMicros(proto, kHour), 0);
}

TEST(ConvertCommonTest, ProblemsKeepTheirMembers) {
  v1::Problem problem;
  SetProblem(*Json::Parse(R"({"type":"t","status":404,"title":{"a":1},"instance":"/do/0"})"),
             problem);
  EXPECT_EQ(problem.type(), "t");
  EXPECT_EQ(problem.status(), 404);
  EXPECT_EQ(problem.title(), R"({"a":1})");
  EXPECT_EQ(problem.detail(), "");
  EXPECT_EQ(problem.instance(), "/do/0");
  v1::Problem answer;
  answer.set_status(503);
  answer.set_instance("ignored");
  EXPECT_EQ(ProblemToJson(answer).ToText(), R"({"status":503})");
}

}  // namespace
}  // namespace skald::api
