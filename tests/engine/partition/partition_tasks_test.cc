// Goal: tasks, timers and waiters follow from states, whatever happens in between. Method: one
// partition, driven step by step, restarted where it hurts.
#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/partition_world.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

using saga::CancelSaga;
using saga::ResumeSaga;
using saga::Status;
using saga::SuspendSaga;
using saga::TerminateSaga;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::SizeIs;

class PartitionTasksTest : public ::testing::Test {
 protected:
  PartitionTasksTest() {
    for (const char* const text : {kOrder, kPause, kLimited, kNothing}) world_.MustDeploy(text);
  }

  PartitionWorld world_;
};

TEST_F(PartitionTasksTest, ATaskSaysAllThatAWorkerNeeds) {
  saga::Command start = world_.Start("s1", "order");
  std::get<saga::StartSaga>(start.request).input =
      saga::Payload{Json::Parse("{\"item\":1}").value(), "{\"item\":1}"};
  ASSERT_OK(world_.Do(start));
  ASSERT_THAT(world_.outlet().ready, SizeIs(1));
  const task::ReadyTask& task = *world_.outlet().ready.begin()->second;
  EXPECT_EQ(task.function, "reserve");
  EXPECT_EQ(task.reference, "/do/0/reserve");
  EXPECT_EQ(task.definition_name, "order");
  EXPECT_EQ(task.definition_version, "1.0.0");
  EXPECT_EQ(task.idempotency_key, "s1/do/0/reserve/1");
  EXPECT_EQ(task.arguments, "{\"item\":1}");
  EXPECT_EQ(task.created, world_.clock().Now());
  EXPECT_FALSE(task.compensation);
  // And says it again after a restart.
  const task::ReadyTask before = task;
  world_.Restart();
  ASSERT_THAT(world_.outlet().ready, SizeIs(1));
  const task::ReadyTask& again = *world_.outlet().ready.begin()->second;
  EXPECT_EQ(world_.outlet().recovered, 1u);
  EXPECT_EQ(again.token, before.token);
  EXPECT_EQ(again.arguments, before.arguments);
  EXPECT_EQ(again.idempotency_key, before.idempotency_key);
  EXPECT_EQ(again.created, before.created);
  EXPECT_EQ(again.deadline, before.deadline);
}

TEST_F(PartitionTasksTest, AnAnswerClosesItsTaskAndOpensTheNext) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  EXPECT_THAT(world_.outlet().ready, ElementsAre(Key("s1/1/1")));
  ASSERT_OK(world_.Do(world_.Answer("s1/1/1")));
  EXPECT_THAT(world_.outlet().ready, ElementsAre(Key("s1/2/1")));
}

TEST_F(PartitionTasksTest, ASuspendedSagasTasksAreHeldBackAndItsAnswersTaken) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", SuspendSaga{})));
  EXPECT_THAT(world_.outlet().ready, IsEmpty());
  EXPECT_THAT(world_.outlet().withdrawn, ElementsAre(Key("s1/1/1")));
  // Nor are they handed out by a restart.
  world_.Restart();
  EXPECT_THAT(world_.outlet().ready, IsEmpty());
  saga::Command answer;
  answer.saga = {"test", "s1"};
  saga::AnswerTask first{.token = {{"test", "s1"}, saga::FrameId(1), 1}, .output = {}, .error = {}};
  first.output = saga::Payload::Of(Json::EmptyObject());
  answer.request = first;
  ASSERT_OK(world_.Do(answer));
  EXPECT_THAT(world_.outlet().ready, IsEmpty());
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", ResumeSaga{})));
  EXPECT_THAT(world_.outlet().ready, ElementsAre(Key("s1/2/1")));
}

TEST_F(PartitionTasksTest, ATaskIsDismissedWhenItsSagaEndsWithoutItsAnswer) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  ASSERT_OK(world_.Do(world_.Answer()));
  EXPECT_EQ(world_.outlet().dismissed, 0u);
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", TerminateSaga{.reason = ""})));
  EXPECT_EQ(world_.outlet().dismissed, 1u);
  EXPECT_THAT(world_.outlet().ready, IsEmpty());
}

TEST_F(PartitionTasksTest, ATaskOfAnEarlierRunSaysSoWhenItsSagaIsResumed) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  EXPECT_FALSE(world_.outlet().ready.at("s1/1/1")->from_recovery);
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", SuspendSaga{})));
  world_.Restart();
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", ResumeSaga{})));
  EXPECT_TRUE(world_.outlet().ready.at("s1/1/1")->from_recovery);
}

// The first task that is wanted, of all that stand in rows by now.
TEST_F(PartitionTasksTest, TasksComeFromRowsInOrderWhenTheyAreAskedFor) {
  for (const char* const saga : {"s1", "s2", "s3", "s4"}) {
    ASSERT_OK(world_.Do(world_.Start(saga, "order")));
    world_.clock().Advance(kSecond);
  }
  ASSERT_OK(world_.Do(world_.Answer("s3/1/1")));
  const task::ReadyTask first = *world_.outlet().ready.at("s2/1/1");
  const auto ask = [&](const task::TaskPlace& from, size_t bytes) {
    world_.partition().Refill(
        {.source = PartitionId(0), .function = "reserve", .from = from, .bytes_max = bytes});
    world_.Settle();
    return std::move(world_.outlet().refilled.back());
  };
  task::RefillReply reply = ask({first.created, first.token}, 1);
  ASSERT_THAT(reply.tasks, SizeIs(1));
  EXPECT_EQ(reply.tasks[0]->token, first.token);
  EXPECT_EQ(reply.tasks[0]->arguments, first.arguments);
  EXPECT_FALSE(reply.tasks[0]->from_recovery);
  ASSERT_TRUE(reply.rest.has_value());
  reply = ask(*reply.rest, 1'000'000);
  ASSERT_THAT(reply.tasks, SizeIs(1)) << "s3 is at another function";
  EXPECT_EQ(reply.tasks[0]->token.saga.saga_id, "s4");
  EXPECT_FALSE(reply.rest.has_value());
  world_.Restart();
  EXPECT_TRUE(ask({first.created, first.token}, 1).tasks[0]->from_recovery);
}

TEST_F(PartitionTasksTest, ResumeHandsOutWhatSuspendHeldBack) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  // Within one batch, too.
  world_.Submit(PartitionWorld::Make("s1", SuspendSaga{}));
  world_.Submit(PartitionWorld::Make("s1", ResumeSaga{}));
  world_.Settle();
  EXPECT_THAT(world_.outlet().ready, ElementsAre(Key("s1/1/1")));
  EXPECT_THAT(world_.outlet().withdrawn, IsEmpty());
}

TEST_F(PartitionTasksTest, ACancelledCallIsToldAndForgottenWhenItIsQuiet) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  ASSERT_OK(world_.Do(world_.Answer()));
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", CancelSaga{.reason = "", .compensate = {}})));
  EXPECT_THAT(world_.outlet().ready, IsEmpty());
  EXPECT_THAT(world_.outlet().cancelled, ElementsAre(Key("s1/2/1")));
  // Its undo waits, after a restart as before.
  world_.Restart();
  ASSERT_THAT(world_.outlet().cancelled, ElementsAre(Key("s1/2/1")));
  const saga::TaskToken token = world_.outlet().cancelled.begin()->second;
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", saga::QuiesceTask{token, false})));
  EXPECT_THAT(world_.outlet().cancelled, IsEmpty());
  ASSERT_THAT(world_.outlet().ready, SizeIs(1));
  EXPECT_TRUE(world_.outlet().ready.begin()->second->compensation);
  ASSERT_OK(world_.Do(world_.Answer()));
  EXPECT_EQ(world_.MustGet("s1").status, Status::kCancelled);
}

TEST_F(PartitionTasksTest, TerminateForgetsTheSagasTasks) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", TerminateSaga{})));
  EXPECT_THAT(world_.outlet().ready, IsEmpty());
  world_.Restart();
  EXPECT_THAT(world_.outlet().ready, IsEmpty());
}

// ---- Timers ----

TEST_F(PartitionTasksTest, ATimerFiresWhenItIsDue) {
  ASSERT_OK(world_.Do(world_.Start("s1", "limited")));
  world_.Advance(5 * kSecond - 1);
  EXPECT_EQ(world_.MustGet("s1").status, Status::kRunning);
  world_.Advance(1);
  EXPECT_EQ(world_.MustGet("s1").status, Status::kFaulted);
  EXPECT_THAT(world_.outlet().ready, IsEmpty());
}

TEST_F(PartitionTasksTest, AFarTimerIsFetchedWhenItsTimeComesNear) {
  ASSERT_OK(world_.Do(world_.Start("s1", "pause")));
  for (int minute = 0; minute < 29; ++minute) world_.Advance(kMinute);
  EXPECT_EQ(world_.MustGet("s1").status, Status::kWaiting);
  world_.Advance(kMinute);
  EXPECT_THAT(world_.outlet().ready, SizeIs(1));
}

TEST_F(PartitionTasksTest, ATimerThatWasPassedWhileNobodyLookedFiresAtTheStart) {
  ASSERT_OK(world_.Do(world_.Start("s1", "pause")));
  world_.clock().Advance(kHour);
  world_.Restart();
  world_.Settle();
  EXPECT_THAT(world_.outlet().ready, SizeIs(1));
}

TEST_F(PartitionTasksTest, TimersSurviveARestartAfterEveryStep) {
  ASSERT_OK(world_.Do(world_.Start("s1", "pause")));
  for (int minute = 0; minute < 29; ++minute) {
    world_.Restart();
    world_.Advance(kMinute);
    EXPECT_EQ(world_.MustGet("s1").status, Status::kWaiting);
  }
  world_.Restart();
  world_.Advance(kMinute);
  EXPECT_THAT(world_.outlet().ready, SizeIs(1));
}

TEST_F(PartitionTasksTest, ASuspendedSagasTimersFireWhenItGoesOn) {
  ASSERT_OK(world_.Do(world_.Start("s1", "pause")));
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", SuspendSaga{})));
  world_.Advance(kHour);
  EXPECT_EQ(world_.MustGet("s1").status, Status::kSuspended);
  world_.Restart();
  world_.Advance(kHour);
  EXPECT_EQ(world_.MustGet("s1").status, Status::kSuspended);
  EXPECT_EQ(world_.partition().NextDue() > world_.clock().Now(), true);
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", ResumeSaga{})));
  EXPECT_THAT(world_.outlet().ready, SizeIs(1));
}

TEST_F(PartitionTasksTest, AnAnswerTakesItsTimerAlong) {
  ASSERT_OK(world_.Do(world_.Start("s1", "limited")));
  ASSERT_OK(world_.Do(world_.Answer()));
  const Position end = world_.log().LastPosition(PartitionId(0));
  world_.Advance(kMinute);
  EXPECT_EQ(world_.log().LastPosition(PartitionId(0)), end);
  EXPECT_EQ(world_.Rows(), world_.ReplayedRows());
}

TEST_F(PartitionTasksTest, WorkThatWasCutShortGoesOnByItself) {
  PartitionWorld world({.decide = {.events_per_step = 1}});
  world.MustDeploy(R"(
document: { dsl: '1.0.3', namespace: test, name: steps, version: '1.0.0' }
do:
  - a: { set: { n: 1 } }
  - b: { set: { n: 2 } }
  - c: { set: { n: 3 } }
  - d: { call: last }
)");
  ASSERT_OK(world.Do(world.Start("s1", "steps")));
  EXPECT_THAT(world.outlet().ready, SizeIs(1));
  EXPECT_EQ(world.Rows(), world.ReplayedRows());
}

// ---- Waiters ----

TEST_F(PartitionTasksTest, AWaiterIsAnsweredAtTheEnd) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  const auto view = world_.Wait("s1");
  world_.Settle();
  ASSERT_OK(world_.Do(world_.Answer()));
  EXPECT_FALSE(view->has_value());
  world_.Submit(world_.Answer());
  world_.Poll();
  EXPECT_FALSE(view->has_value()) << "the end is not durable yet";
  world_.Flush();
  ASSERT_TRUE(view->has_value());
  EXPECT_EQ((**view)->status, Status::kCompleted);
  // Who comes later need not wait.
  const auto late = world_.Wait("s1");
  world_.Settle();
  EXPECT_TRUE(late->has_value());
}

TEST_F(PartitionTasksTest, AWaiterGetsThePresentViewWhenItsDeadlinePasses) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  const auto view = world_.Wait("s1", After(world_.clock().Now(), 5 * kSecond));
  world_.Advance(4 * kSecond);
  EXPECT_FALSE(view->has_value());
  world_.Advance(kSecond);
  ASSERT_TRUE(view->has_value());
  EXPECT_EQ((**view)->status, Status::kRunning);
}

TEST_F(PartitionTasksTest, AWaiterUntilParkedIsAnsweredThen) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  ASSERT_OK(world_.Do(world_.Answer()));
  const auto parked = world_.Wait("s1", kNever, /*until_parked=*/true);
  const auto ended = world_.Wait("s1");
  world_.Settle();
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", SuspendSaga{})));
  EXPECT_FALSE(parked->has_value()) << "suspended by an operator is not parked";
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", ResumeSaga{})));
  ASSERT_OK(world_.Do(world_.Fail("", 422)));
  ASSERT_OK(world_.Do(world_.Fail("", 500)));  // its undo
  ASSERT_TRUE(parked->has_value());
  EXPECT_EQ((**parked)->suspend_reason, saga::SuspendReason::kParked);
  EXPECT_FALSE(ended->has_value());
}

TEST_F(PartitionTasksTest, WhoStoppedWaitingIsNotCalled) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  const auto view = world_.Wait("s1");  // the first waiter: 1
  world_.Settle();
  world_.partition().StopWaiting({"test", "s1"}, 1);
  const auto queued = world_.Wait("s1");
  world_.partition().StopWaiting({"test", "s1"}, 2);
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", TerminateSaga{})));
  EXPECT_FALSE(view->has_value());
  EXPECT_FALSE(queued->has_value());
}

TEST_F(PartitionTasksTest, WaitingForNothingIsRefused) {
  const auto view = world_.Wait("unheard-of");
  world_.Settle();
  ASSERT_TRUE(view->has_value());
  EXPECT_TRUE(HasReason((*view)->status(), ErrorReason::kSagaNotFound));
}

TEST(PartitionTimersTest, RetriesWithoutDelayGoOnForEver) {
  PartitionWorld world;
  world.MustDeploy(R"(
document: { dsl: '1.0.3', namespace: test, name: again, version: '1.0.0' }
do:
  - guarded:
      try: [ { work: { call: work } } ]
      catch: { retry: { backoff: { exponential: {} } } }
)");
  ASSERT_OK(world.Do(world.Start("s1", "again")));
  // Past where two to the power of the retries is no number any more.
  for (int i = 0; i < 1'100; ++i) ASSERT_OK(world.Do(world.Fail("", 503)));
  EXPECT_THAT(world.outlet().ready, SizeIs(1));
  EXPECT_EQ(world.Rows().size(), world.ReplayedRows().size());
}

// Works for ever, without waiting for anybody.
constexpr char kBusy[] = R"(
document: { dsl: '1.0.3', namespace: test, name: busy, version: '1.0.0' }
do:
  - again: { set: '${ [range(200)] | tojson }', then: again }
)";

TEST(PartitionTimersTest, ASagaThatIsNeverDoneWaitsForTheLog) {
  PartitionWorld world({.decide = {.events_per_step = 4}});
  world.MustDeploy(kBusy);
  world.Submit(world.Start("s1", "busy"));
  for (int i = 0; i < 20'000; ++i) world.Poll();
  EXPECT_GT(world.staged(), 1'000u);
  EXPECT_LT(world.staged(), 10'000u);
  EXPECT_GT(world.partition().NextDue(), world.clock().Now()) << "the log will wake it";
  world.Flush();
  EXPECT_LE(world.partition().NextDue(), world.clock().Now());
  world.Poll();
  EXPECT_GT(world.staged(), 0u);
}

TEST(PartitionTimersTest, ATurnOfTimersIsBoundedInBytes) {
  PartitionWorld world;
  world.MustDeploy(R"(
document: { dsl: '1.0.3', namespace: test, name: later, version: '1.0.0' }
do:
  - pause: { wait: { minutes: 1 } }
  - large: { set: '${ [range(50000)] | tojson }' }
)");
  constexpr int kSagas = 20;
  for (int i = 0; i < kSagas; ++i) ASSERT_OK(world.Do(world.Start(absl::StrCat("s", i), "later")));
  // Fetched, then fired.
  world.Advance(50 * kSecond);
  world.clock().Advance(kMinute);
  world.Poll();
  EXPECT_GE(world.staged(), 1u);
  EXPECT_LE(world.staged(), 5u);
  world.Settle();
  for (int i = 0; i < kSagas; ++i) {
    EXPECT_EQ(world.MustGet(absl::StrCat("s", i)).status, Status::kCompleted);
  }
}

}  // namespace
}  // namespace skald::testing
