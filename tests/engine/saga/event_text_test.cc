// Goal: an event's text and its value say the same, and expressions find in the value what the
// documentation promises. Method: bodies of every form of field, as text and as value.
#include "engine/saga/event_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skald::saga {
namespace {

using ::testing::Contains;
using ::testing::SizeIs;

std::vector<Json> Parsed(const std::vector<absl::string_view>& slots) {
  std::vector<Json> values;
  for (const absl::string_view slot : slots) values.push_back(Json::Parse(slot).value_or(Json()));
  return values;
}

// The event's data as text, after checking that the value says the same.
std::string Data(const log::v1::Event& event, const std::vector<absl::string_view>& slots = {}) {
  std::string text;
  AppendEventData(event, slots, text);
  EXPECT_EQ(EventData(event, Parsed(slots)).ToText(), text);
  return text;
}

TEST(EventTextTest, TextAndValueAgree) {
  log::v1::Event event;
  auto& started = *event.mutable_task_started();
  started.set_frame(3);
  started.set_task("/do/0/pay");
  started.set_kind(log::v1::FRAME_KIND_CALL_FUNCTION);
  started.set_input_slot(2);
  started.set_deadline_us(1'700'000'000'500'000);
  started.mutable_call()->set_function("pay \"now\"");
  EXPECT_EQ(Data(event, {"1", R"({"amount":12345678901234567890})"}),
            R"({"frame":3,"kind":"callFunction","input":{"amount":12345678901234567890},)"
            R"("deadline":"2023-11-14T22:13:20.5Z","call":{"function":"pay \"now\""}})");
  EXPECT_EQ(TaskOf(event), "/do/0/pay");
  for (uint32_t seq : {5, 3}) event.mutable_compensation_started()->add_seqs(seq);
  EXPECT_EQ(Data(event), R"({"seqs":[5,3]})");
  event.mutable_saga_started()->set_input_slot(1);
  event.mutable_saga_started()->set_transformed_input_slot(9);
  EXPECT_EQ(Data(event, {""}), R"({"input":null,"transformedInput":null})");
  event.mutable_model_deployed()->set_hash("\x01\xff");
  EXPECT_EQ(Data(event), R"({"hash":"01ff"})");
  event.mutable_messages_acked()->set_through(~uint64_t{0});
  EXPECT_EQ(Data(event), R"({"through":18446744073709551615})");
  EXPECT_EQ(Data(log::v1::Event()), "{}");
  EXPECT_EQ(TaskOf(event), "");
}

TEST(EventTextTest, TypesAreFoundByTheirNames) {
  const auto* descriptor = log::v1::Event::descriptor();
  EXPECT_THAT(EventTypeNames(), SizeIs(static_cast<size_t>(descriptor->field_count())));
  for (int i = 0; i < descriptor->field_count(); ++i) {
    log::v1::Event event;
    event.GetReflection()->MutableMessage(&event, descriptor->field(i));
    const std::string name(EventTypeName(event));
    EXPECT_THAT(EventTypeNames(), Contains(name));
    EXPECT_EQ(FindEventType(name), event.kind_case());

    EXPECT_EQ(IsOfSaga(event.kind_case()), descriptor->field(i)->number() < 70) << name;
  }
  EXPECT_EQ(FindEventType("TaskExploded"), log::v1::Event::KIND_NOT_SET);
  EXPECT_FALSE(IsOfSaga(log::v1::Event::KIND_NOT_SET));
}

TEST(EventTextTest, ExpressionsSeeTheWholeEvent) {
  log::v1::CommitHeader header;
  header.set_partition(3);
  header.set_namespace_("shop");
  header.set_saga_id("order-1");
  header.set_time_us(1'700'000'000'000'000);
  header.set_correlation_id("c-1");
  header.set_actor("ann");
  SagaState saga;
  saga.definition_name = "order";
  saga.definition_version = "1.0.0";
  log::v1::Event event;
  event.mutable_task_completed()->set_task("/do/0/pay");
  event.mutable_task_completed()->set_output_slot(1);
  const std::vector<Json> slots = Parsed({R"({"paid":true})"});
  const EventContext context{
      .header = header, .revision = Revision(4), .position = Position(17), .slots = slots};
  EXPECT_EQ(EventToJson(event, context, &saga).ToText(),
            R"({"type":"TaskCompleted","task":"/do/0/pay","time":"2023-11-14T22:13:20.000000Z",)"
            R"("namespace":"shop","sagaId":"order-1","partition":3,"position":17,"revision":4,)"
            R"("correlationId":"c-1","actor":"ann","definition":{"name":"order",)"
            R"("version":"1.0.0"},"data":{"output":{"paid":true}}})");
  header.clear_namespace_();
  header.clear_saga_id();
  event.mutable_model_dropped()->set_name("m");
  const Json own = EventToJson(event, context, nullptr);
  for (const char* const member : {"task", "namespace", "sagaId", "definition"}) {
    EXPECT_TRUE(own.Get(member).is_null()) << member;
  }
  EXPECT_EQ(own.Get("data").ToText(), R"({"name":"m"})");
}

}  // namespace
}  // namespace skald::saga
