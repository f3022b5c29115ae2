// Goal: whatever sizes clients, workers and definitions come with, a saga goes on, ends, or waits
// for a named reason, and no undo that is owed is lost. Method: one partition, driven step by step,
// with payloads that do not fit a commit alone, together, or with what follows.
#include <string>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/partition_world.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

using saga::Status;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::Key;

// A compensated call, then `task`.
std::string AfterCharge(absl::string_view task) {
  return absl::StrCat(R"(
document: { dsl: '1.0.3', namespace: test, name: large, version: '1.0.0' }
do:
  - charge: { call: charge, with: {}, metadata: { saga: { compensate: refund } } }
  - next: )",
                      task, "\n");
}

std::string Text(size_t bytes) { return Json::String(std::string(bytes, 'x')).ToText(); }

class PartitionSizesTest : public ::testing::Test {
 protected:
  saga::Command Start(const std::string& definition, size_t input_bytes) {
    saga::Command start = world_.Start("s1", definition);
    std::get<saga::StartSaga>(start.request).input =
        saga::Payload::Of(Json::String(std::string(input_bytes, 'x')));
    return start;
  }
  absl::Status Do(saga::Command command) { return world_.Do(std::move(command)).status(); }
  std::string ErrorTitle() {
    return std::string(world_.MustGet("s1").error.Get("title").AsString());
  }
  // The task that a worker may have now, as its function is called.
  std::string Ready() {
    const auto& ready = world_.outlet().ready;
    return ready.size() == 1 ? ready.begin()->second->function
                             : absl::StrCat(ready.size(), " tasks");
  }

  PartitionWorld world_;
};

TEST_F(PartitionSizesTest, AnInputThatDoesNotFitTheLogIsRefused) {
  world_.MustDeploy(kOrder);
  const absl::Status refused = Do(Start("order", 1'000'000));
  EXPECT_TRUE(HasReason(refused, ErrorReason::kCommitTooLarge)) << refused;
  const absl::Status missing = Do(PartitionWorld::Make("s1", saga::SuspendSaga{}));
  EXPECT_TRUE(HasReason(missing, ErrorReason::kSagaNotFound)) << missing;
}

TEST_F(PartitionSizesTest, AnOutputThatDoesNotFitTheLogFailsItsTask) {
  world_.MustDeploy(kOrder);
  ASSERT_OK(Do(Start("order", 10)));
  ASSERT_OK(Do(world_.Answer()));
  // The charge is done, so it is undone before what was done before it.
  ASSERT_OK(Do(world_.Answer("", Text(1'000'000))));
  EXPECT_EQ(Ready(), "refund");
  EXPECT_EQ(world_.outlet().ready.begin()->second->arguments, "null") << "not the charge's input";
  ASSERT_OK(Do(world_.Answer()));
  EXPECT_EQ(Ready(), "release");
  ASSERT_OK(Do(world_.Answer()));
  EXPECT_EQ(world_.MustGet("s1").status, Status::kFaulted);
  EXPECT_EQ(ErrorTitle(), "Task output too large");
}

TEST_F(PartitionSizesTest, ALateOutputThatDoesNotFitTheLogIsUndone) {
  world_.MustDeploy(R"(
document: { dsl: '1.0.3', namespace: test, name: large, version: '1.0.0' }
do:
  - charge: { call: charge, metadata: { saga: { compensate: refund } },
      timeout: { after: { seconds: 5 } } }
)");
  ASSERT_OK(Do(Start("large", 10)));
  world_.Advance(10 * kSecond);
  ASSERT_THAT(world_.outlet().cancelled, ElementsAre(Key("s1/1/1")));
  ASSERT_OK(Do(world_.Answer("s1/1/1", Text(1'000'000))));
  EXPECT_EQ(Ready(), "refund");
}

TEST_F(PartitionSizesTest, AnErrorThatDoesNotFitTheLogIsCut) {
  world_.MustDeploy(kLimited);
  ASSERT_OK(Do(Start("limited", 10)));
  saga::Command answer = world_.Answer();
  auto& failed = std::get<saga::AnswerTask>(answer.request);
  failed.output.reset();
  // Of two bytes each: the cut is between characters.
  std::string detail = "x";
  for (int i = 0; i < 250'000; ++i) detail += "\u00e9";
  failed.error = Json::Parse(R"({"type": "about:blank", "status": 418, "extra": [1, 2]})")
                     ->With("detail", Json::String(detail));
  ASSERT_OK(Do(answer));
  const saga::SagaView view = world_.MustGet("s1");
  EXPECT_EQ(view.status, Status::kFaulted);
  EXPECT_EQ(view.error.Get("type").AsString(), "about:blank");
  EXPECT_EQ(view.error.Get("status").AsInt(), 418);
  const std::string kept(view.error.Get("detail").AsString());
  ASSERT_LT(kept.size(), 33'000u);
  EXPECT_EQ(kept.substr(0, 5), "x\u00e9\u00e9");
  EXPECT_EQ(kept.substr(kept.find('.') - 2), "\u00e9... (cut; it had 500001 bytes)");
}

TEST_F(PartitionSizesTest, AnAnswerIsTakenWhateverTheNextTaskMakes) {
  world_.MustDeploy(AfterCharge(
      "{ set: '${ $workflow.input }', output: { as: '${ . }' }, export: { as: '${ . }' } }"));
  ASSERT_OK(Do(Start("large", 400'000)));
  ASSERT_OK(Do(world_.Answer()));
  EXPECT_EQ(Ready(), "refund") << "what follows the charge is too large, the charge is done";
  ASSERT_OK(Do(world_.Answer()));
  EXPECT_EQ(world_.MustGet("s1").status, Status::kFaulted);
  EXPECT_EQ(ErrorTitle(), "Value too large");
}

// Each fits alone; the commit of all would not.
TEST_F(PartitionSizesTest, StepsThatDoNotFitOneCommitAreTakenInSeveral) {
  world_.MustDeploy(AfterCharge(R"({ set: '${ $workflow.input }', output: { as: '${ . }' } }
  - call: { call: pack, input: { from: '${ $workflow.input }' }, with: { all: '${ . }' } }
  - short: { set: { short: true } })"));
  ASSERT_OK(Do(Start("large", 400'000)));
  ASSERT_OK(Do(world_.Answer("", Text(240'000))));
  ASSERT_EQ(Ready(), "pack");
  EXPECT_GT(world_.outlet().ready.begin()->second->arguments.size(), 400'000u);
  ASSERT_OK(Do(world_.Answer()));
  EXPECT_EQ(world_.MustGet("s1").status, Status::kCompleted);
}

TEST_F(PartitionSizesTest, ATimerIsTakenWhateverFollows) {
  world_.MustDeploy(AfterCharge(R"({ wait: { minutes: 1 }, output: { as: '${ $workflow.input }' } }
  - last: { set: '${ $workflow.input }', output: { as: '${ . }' }, export: { as: '${ . }' } })"));
  ASSERT_OK(Do(Start("large", 400'000)));
  ASSERT_OK(Do(world_.Answer()));
  world_.Advance(2 * kMinute);
  EXPECT_EQ(Ready(), "refund");
}

TEST_F(PartitionSizesTest, ManyLargeUndosAreTakenInSeveralSteps) {
  world_.MustDeploy(R"(
document: { dsl: '1.0.3', namespace: test, name: large, version: '1.0.0',
  metadata: { saga: { order: parallel } } }
do:
  - one: { call: a, with: {}, metadata: { saga: { compensate: { use: undo, with: '${ $workflow.input }' } } } }
  - two: { call: a, with: {}, metadata: { saga: { compensate: { use: undo, with: '${ $workflow.input }' } } } }
  - three: { call: a, with: {}, metadata: { saga: { compensate: { use: undo, with: '${ $workflow.input }' } } } }
  - four: { raise: { error: { type: 'about:blank', status: 400, title: no } } }
)");
  ASSERT_OK(Do(Start("large", 400'000)));
  for (int i = 0; i < 3; ++i) ASSERT_OK(Do(world_.Answer()));
  EXPECT_EQ(world_.outlet().ready.size(), 3u);
}

TEST_F(PartitionSizesTest, WhatTakesMoreRoomAsTextIsMeasuredAsText) {
  world_.MustDeploy(AfterCharge(R"({ set: '${ [range(90000)] | map(1) | implode }' })"));
  ASSERT_OK(Do(Start("large", 10)));
  ASSERT_OK(Do(world_.Answer()));
  EXPECT_EQ(Ready(), "refund");
}

TEST_F(PartitionSizesTest, AnErrorOfADefinitionIsCut) {
  world_.MustDeploy(AfterCharge(R"({ set: '${ error($workflow.input) }' })"));
  ASSERT_OK(Do(Start("large", 400'000)));
  ASSERT_OK(Do(world_.Answer()));
  EXPECT_EQ(Ready(), "refund");
  ASSERT_OK(Do(world_.Answer()));
  EXPECT_LE(world_.MustGet("s1").error.ToText().size(), 64u << 10);
}

TEST_F(PartitionSizesTest, ARaisedErrorIsCut) {
  world_.MustDeploy(AfterCharge(R"({ raise: { error: { type: 'about:blank', status: 400,
      title: '${ $workflow.input }', detail: '${ $workflow.input }' } } })"));
  ASSERT_OK(Do(Start("large", 400'000)));
  ASSERT_OK(Do(world_.Answer()));
  EXPECT_EQ(Ready(), "refund");
  ASSERT_OK(Do(world_.Answer()));
  const Json error = world_.MustGet("s1").error;
  EXPECT_LE(error.ToText().size(), 64u << 10);
  for (absl::string_view name : {"title", "detail"}) {
    const std::string text(error.Get(name).AsString());
    EXPECT_EQ(text.substr(text.find('.')), "... (cut; it had 400000 bytes)") << name;
  }
}

// JSON of so many arrays in each other.
saga::Payload Nested(size_t depth) {
  const std::string text = std::string(depth, '[') + std::string(depth, ']');
  return {Json::Parse(text, kStoredJson).value(), text};
}

constexpr char kWrap[] = R"(
document: { dsl: '1.0.3', namespace: test, name: wrap, version: '1.0.0' }
do:
  - wrap: { set: { w: '${ . }' } }
)";

TEST_F(PartitionSizesTest, AValueNestedDeeperThanAnInputMayBeFailsItsTask) {
  world_.MustDeploy(kWrap);
  saga::Command start = Start("wrap", 10);
  std::get<saga::StartSaga>(start.request).input = Nested(512);
  ASSERT_OK(Do(start));
  EXPECT_EQ(ErrorTitle(), "Value nested too deep");
  world_.RestartWithoutViews();
  EXPECT_EQ(ErrorTitle(), "Value nested too deep");
}

TEST(PartitionStateSizeTest, WhatIsInTheLogIsReadHoweverDeep) {
  PartitionWorld world({.decide = {.depth_of_value_max = 10'000}});
  world.MustDeploy(kWrap);
  saga::Command start = world.Start("s1", "wrap");
  std::get<saga::StartSaga>(start.request).input = Nested(5'000);
  ASSERT_OK(world.Do(start));
  ASSERT_EQ(world.MustGet("s1").status, Status::kCompleted);
  EXPECT_EQ(world.Rows(), world.ReplayedRows());
  world.Restart();
  EXPECT_EQ(world.MustGet("s1").status, Status::kCompleted);
  world.RestartWithoutViews();
  EXPECT_EQ(world.MustGet("s1").status, Status::kCompleted);
}

// A loop that never ends, with an undo for each round.
constexpr char kLoop[] = R"(
document: { dsl: '1.0.3', namespace: test, name: loop, version: '1.0.0' }
do:
  - charge: { call: charge, with: {}, then: charge, metadata: { saga: { compensate: refund } } }
)";

TEST(PartitionStateSizeTest, ASagaThatKeepsTooMuchIsUndone) {
  PartitionWorld world({.decide = {.state_bytes_max = 64 << 10}});
  world.MustDeploy(kLoop);
  ASSERT_OK(world.Do(world.Start("s1", "loop")));
  const auto next = [&] { return world.outlet().ready.begin()->second->function; };
  int charges = 0;
  for (; next() == "charge" && charges < 50; ++charges) {
    ASSERT_OK(world.Do(world.Answer("", Text(10'000))));
  }
  EXPECT_GE(charges, 3);
  ASSERT_LT(charges, 50);
  for (int i = 0; i < charges; ++i) {
    ASSERT_EQ(next(), "refund");
    ASSERT_OK(world.Do(world.Answer()));
  }
  const saga::SagaView view = world.MustGet("s1");
  EXPECT_EQ(view.status, Status::kFaulted);
  EXPECT_EQ(view.error.Get("title").AsString(), "Saga too large");
}

TEST(PartitionStateSizeTest, ASagaThatKeepsTooMuchAfterItsPivotIsParked) {
  PartitionWorld world({.decide = {.state_bytes_max = 16 << 10}});
  world.MustDeploy(R"(
document: { dsl: '1.0.3', namespace: test, name: large, version: '1.0.0' }
do:
  - charge: { call: charge, metadata: { saga: { pivot: true } } }
  - more: { set: { n: '${ [range(20000)] }' }, export: { as: '${ . }' } }
  - count: { set: { i: '${ (.i // 0) + 1 }' }, output: { as: '${ { i: .i } }' } }
  - again: { switch: [ { more: { when: '${ .i < 20 }', then: count } } ] }
)");
  ASSERT_OK(world.Do(world.Start("s1", "large")));
  ASSERT_OK(world.Do(world.Answer()));
  EXPECT_EQ(world.MustGet("s1").suspend_reason, saga::SuspendReason::kParked);
  ASSERT_OK(world.Do(PartitionWorld::Make("s1", saga::RetryTask{})));
  EXPECT_EQ(world.MustGet("s1").suspend_reason, saga::SuspendReason::kParked);
}

}  // namespace
}  // namespace skald::testing
