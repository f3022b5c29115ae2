// Goal: who gets which task, when and in what order. Method: small scenarios with explicit times.
#include "engine/task/broker.h"

#include "tests/engine/task/broker_fixture.h"

namespace skald::task {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(BrokerTest, TasksGoToTheWorkerInOneFrameWithALease) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 10});
  Enqueue({Task(1), Task(2), Task(3)});
  EXPECT_THAT(worker.sink->got, ElementsAre("saga-1", "saga-2", "saga-3"));
  EXPECT_THAT(worker.sink->frames, ElementsAre(3u));
  EXPECT_EQ(worker.sink->last_lease, 30 * kSecond);
}

TEST_F(BrokerTest, TasksWaitForAWorkerAndLeaveOldestFirst) {
  Enqueue({Task(3, "charge", At(3)), Task(1, "charge", At(1))});
  Enqueue({Task(2, "charge", At(2))});
  Connected worker = Connect({.functions = {"charge"}, .credit = 10});
  EXPECT_THAT(worker.sink->got, ElementsAre("saga-1", "saga-2", "saga-3"));
}

TEST_F(BrokerTest, TasksOfOneMomentLeaveInTheOrderTheyCame) {
  Enqueue({Task(2), Task(3), Task(1)});
  Connected worker = Connect({.functions = {"charge"}, .credit = 10});
  EXPECT_THAT(worker.sink->got, ElementsAre("saga-2", "saga-3", "saga-1"));
}

TEST_F(BrokerTest, AWorkerOfSeveralFunctionsGetsTheOldestOfThemAll) {
  Enqueue({Task(1, "charge", At(1)), Task(2, "refund", At(2)), Task(3, "charge", At(3)),
           Task(9, "ship", At(0))});
  Connected worker = Connect({.functions = {"refund", "charge", "charge"}, .credit = 10});
  EXPECT_THAT(worker.sink->got, ElementsAre("saga-1", "saga-2", "saga-3"));
}

TEST_F(BrokerTest, ABatchForSeveralFunctionsIsHandedOutOldestFirst) {
  Connected worker = Connect({.functions = {"refund", "charge"}, .credit = 2});
  Enqueue({Task(3, "charge", At(3)), Task(1, "charge", At(1)), Task(2, "refund", At(2))});
  EXPECT_THAT(worker.sink->got, ElementsAre("saga-1", "saga-2"));
}

TEST_F(BrokerTest, CreditBoundsWhatAWorkerGets) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 1});
  Enqueue({Task(1), Task(2), Task(3), Task(4)});
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-1"));
  broker_->AddCredit(worker.id, 2, kStart);
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-2", "saga-3"));
  broker_->Closed({Token(1)}, kStart);
  EXPECT_THAT(worker.sink->TakeGot(), IsEmpty()) << "closing a task gives no credit";
}

TEST_F(BrokerTest, CreditIsCutToTheLimit) {
  Restart({.credit_max = 2});
  Connected worker = Connect({.functions = {"charge"}, .credit = 1});
  broker_->AddCredit(worker.id, 4'000'000'000u, kStart);
  Enqueue({Task(1), Task(2), Task(3)});
  EXPECT_THAT(worker.sink->got, SizeIs(2));
}

TEST_F(BrokerTest, AWorkerWithMuchGetsMoreWhenItHasAnswered) {
  Restart({.lease = 30 * kSecond, .leased_bytes_max = 2'500});
  const auto large = [&](int number, const std::string& function) {
    auto task = std::make_shared<ReadyTask>(*Task(number, function));
    task->arguments = std::string(1'000, ' ');
    return task;
  };
  Connected worker = Connect({.functions = {"charge", "refund"}, .credit = 10});
  for (int i = 1; i <= 4; ++i) Enqueue({large(i, "charge")});
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-1", "saga-2")) << "and their bookkeeping";
  Enqueue({Task(5, "refund")});
  EXPECT_THAT(worker.sink->TakeGot(), IsEmpty());
  broker_->Closed({Token(2)}, kStart);
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-3"));
  // Others are not held up.
  Connected other = Connect({.functions = {"refund"}, .credit = 10});
  EXPECT_THAT(other.sink->TakeGot(), ElementsAre("saga-5"));
  // What is cancelled or given up counts no more.
  broker_->Cancel(Token(1), false, kStart);
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-4"));
  broker_->Dismissed({Token(3)}, kStart);
  Enqueue({large(6, "charge")});
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-6"));
  broker_->Poll(At(30 * kSecond));
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-4", "saga-6"));
  broker_->Disconnect(worker.id, At(31 * kSecond));
  worker = Connect({.functions = {"charge"}, .credit = 10});
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-4", "saga-6"));
}

TEST_F(BrokerTest, OneTaskGoesHoweverLarge) {
  Restart({.leased_bytes_max = 100});
  Connected worker = Connect({.functions = {"charge"}, .credit = 10});
  Enqueue({Task(1), Task(2)});
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-1"));
  broker_->Closed({Token(1)}, kStart);
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-2"));
}

TEST_F(BrokerTest, FramesAreCutByTasksAndByBytes) {
  Restart({.frame_tasks_max = 2, .frame_bytes_max = 100});
  Connected worker = Connect({.functions = {"charge"}, .credit = 10});
  Enqueue({Task(1), Task(2), Task(3)});
  EXPECT_THAT(worker.sink->frames, ElementsAre(2u, 1u));
  worker.sink->frames.clear();

  auto large = std::make_shared<ReadyTask>(*Task(4));
  large->arguments = std::string(500, ' ');
  Enqueue({large, Task(5)});
  EXPECT_THAT(worker.sink->frames, ElementsAre(1u, 1u));
}

TEST_F(BrokerTest, WorkersOfAFunctionTakeTurns) {
  Connected a = Connect({.functions = {"charge"}, .credit = 10});
  Connected b = Connect({.functions = {"charge"}, .credit = 2});
  Connected c = Connect({.functions = {"charge"}, .credit = 10});
  for (int i = 1; i <= 8; ++i) Enqueue({Task(i)});
  EXPECT_THAT(a.sink->got, ElementsAre("saga-1", "saga-4", "saga-7"));
  EXPECT_THAT(b.sink->got, ElementsAre("saga-2", "saga-5"));
  EXPECT_THAT(c.sink->got, ElementsAre("saga-3", "saga-6", "saga-8"));
}

TEST_F(BrokerTest, ALostWorkersTasksGoToAnotherAtOnce) {
  Connected a = Connect({.functions = {"charge"}, .credit = 10});
  Enqueue({Task(1), Task(2)});
  Connected b = Connect({.functions = {"charge"}, .credit = 1});
  broker_->Disconnect(a.id, At(1));
  EXPECT_THAT(b.sink->TakeGot(), ElementsAre("saga-1"));
  broker_->AddCredit(b.id, 1, At(1));
  EXPECT_THAT(b.sink->TakeGot(), ElementsAre("saga-2"));
  EXPECT_EQ(broker_->worker_count(), 1u);
}

TEST_F(BrokerTest, ASilentWorkersTaskGoesToAnotherAfterTheLease) {
  Connected a = Connect({.functions = {"charge"}, .credit = 1});
  Enqueue({Task(1)});
  Connected b = Connect({.functions = {"charge"}, .credit = 1});
  EXPECT_EQ(broker_->Poll(At(29 * kSecond)), At(30 * kSecond));
  EXPECT_THAT(b.sink->got, IsEmpty());
  EXPECT_EQ(broker_->Poll(At(30 * kSecond)), At(60 * kSecond));
  EXPECT_THAT(b.sink->got, ElementsAre("saga-1"));
  EXPECT_THAT(broker_->Heartbeat(a.id, {Token(1)}, At(31 * kSecond)), ElementsAre(Token(1)));
}

TEST_F(BrokerTest, HeartbeatsRenewTheLease) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 1});
  Enqueue({Task(1)});
  EXPECT_THAT(broker_->Heartbeat(worker.id, {Token(1), Token(7)}, At(20 * kSecond)),
              ElementsAre(Token(7)));
  EXPECT_EQ(broker_->Poll(At(30 * kSecond)), At(50 * kSecond));
}

TEST_F(BrokerTest, AnExpiredTaskThatNobodyTookIsRegainedByAHeartbeat) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 1});
  Enqueue({Task(1)});
  EXPECT_EQ(broker_->Poll(At(30 * kSecond)), kNever);
  EXPECT_THAT(broker_->Heartbeat(worker.id, {Token(1)}, At(31 * kSecond)), IsEmpty());
  EXPECT_EQ(broker_->Poll(At(31 * kSecond)), At(61 * kSecond));
  EXPECT_THAT(worker.sink->got, SizeIs(1));
}

TEST_F(BrokerTest, AClosedTaskIsForgottenWhereverItIs) {
  Enqueue({Task(1), Task(2)});
  broker_->Closed({Token(1), Token(5)}, kStart);
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  EXPECT_THAT(worker.sink->got, ElementsAre("saga-2"));
  broker_->Closed({Token(2)}, kStart);
  broker_->Disconnect(worker.id, kStart);
  EXPECT_THAT(broker_->Queues(), IsEmpty());
  EXPECT_EQ(broker_->Poll(At(kHour)), kNever);
}

TEST_F(BrokerTest, ATaskToldTwiceIsHandedOutOnce) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  Enqueue({Task(1)});
  Enqueue({Task(1)});
  EXPECT_THAT(worker.sink->got, ElementsAre("saga-1"));
}

TEST_F(BrokerTest, AWithdrawnTaskWaitsUntilItIsEnqueuedAgain) {
  Enqueue({Task(1), Task(2)});
  broker_->Withdraw({Token(1), Token(7)});
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-2"));
  Enqueue({Task(1)});
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-1"));
}

TEST_F(BrokerTest, AWithdrawnTaskStaysWithItsWorkerButGoesToNobodyAfterIt) {
  Connected a = Connect({.functions = {"charge"}, .credit = 1});
  Enqueue({Task(1)});
  Connected b = Connect({.functions = {"charge"}, .credit = 5});
  broker_->Withdraw({Token(1)});
  EXPECT_THAT(broker_->Heartbeat(a.id, {Token(1)}, At(1)), IsEmpty());
  broker_->Disconnect(a.id, At(2));
  EXPECT_THAT(b.sink->got, IsEmpty());
  Enqueue({Task(1)});
  EXPECT_THAT(b.sink->got, ElementsAre("saga-1"));
}

TEST_F(BrokerTest, ANewAttemptIsAnotherTask) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  auto second = std::make_shared<ReadyTask>(*Task(1));
  second->token.attempt = 2;
  Enqueue({Task(1)});
  broker_->Closed({Token(1)}, kStart);
  Enqueue({second});
  EXPECT_THAT(worker.sink->got, ElementsAre("saga-1", "saga-1"));
}

TEST_F(BrokerTest, RecoveredTasksWaitForTheWorkerThatHoldsThem) {
  Recover({Task(1), Task(2)});
  Connected fresh = Connect({.functions = {"charge"}, .credit = 5}, At(1));
  Connected back = Connect({.functions = {"charge"}, .credit = 0, .holds = {Token(2)}}, At(2));
  EXPECT_THAT(fresh.sink->got, IsEmpty());
  EXPECT_EQ(broker_->Poll(At(kSecond)), At(2 * kSecond));
  broker_->Poll(At(2 * kSecond));
  EXPECT_THAT(fresh.sink->got, ElementsAre("saga-1"));
  EXPECT_THAT(back.sink->got, IsEmpty()) << "it has the task already";
  EXPECT_THAT(broker_->Heartbeat(back.id, {Token(2)}, At(3 * kSecond)), IsEmpty());
}

TEST_F(BrokerTest, AWorkerMayComeBackBeforeItsTasksAreRecovered) {
  Connected other = Connect({.functions = {"charge"}, .credit = 5});
  Connected back = Connect({.functions = {"charge"}, .credit = 5, .holds = {Token(1), Token(9)}});
  EXPECT_THAT(broker_->Heartbeat(back.id, {Token(1), Token(9)}, At(1)), IsEmpty());
  Recover({Task(1)}, At(2));
  EXPECT_THAT(back.sink->got, IsEmpty());
  broker_->Poll(At(2 * kSecond));
  EXPECT_THAT(other.sink->got, IsEmpty());
  EXPECT_THAT(broker_->Heartbeat(back.id, {Token(1), Token(9)}, At(3 * kSecond)),
              ElementsAre(Token(9)));
}

TEST_F(BrokerTest, NewTasksDoNotWaitForTheClaimWindow) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  Recover({Task(1)});
  Enqueue({Task(2)});
  EXPECT_THAT(worker.sink->got, ElementsAre("saga-2"));
}

TEST_F(BrokerTest, TheClaimWindowIsWholeHoweverLongOpeningTook) {
  Open();
  Recover({Task(1), Task(2)}, At(0));
  broker_->Begin(At(kMinute));
  Connected other = Connect({.functions = {"charge"}, .credit = 5}, At(kMinute));
  broker_->Poll(At(kMinute + kSecond));
  Connected back = Connect({.functions = {"charge"}, .holds = {Token(1)}}, At(kMinute + kSecond));
  EXPECT_THAT(other.sink->got, IsEmpty());
  broker_->Poll(At(kMinute + 2 * kSecond));
  EXPECT_THAT(other.sink->got, ElementsAre("saga-2"));
}

TEST_F(BrokerTest, TasksRecoveredAfterTheWindowDoNotWait) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  Recover({Task(1)}, At(2 * kSecond));
  EXPECT_THAT(worker.sink->got, ElementsAre("saga-1"));
}

TEST_F(BrokerTest, AWorkerThatReconnectsRegainsWhatNobodyTook) {
  Connected a = Connect({.functions = {"charge"}, .credit = 1});
  Enqueue({Task(1)});
  broker_->Disconnect(a.id, At(kMinute));
  Connected b =
      Connect({.functions = {"charge"}, .credit = 5, .holds = {Token(1)}}, At(kMinute + 1));
  EXPECT_THAT(b.sink->got, IsEmpty());
  EXPECT_THAT(broker_->Heartbeat(b.id, {Token(1)}, At(kMinute + 2)), IsEmpty());
}

TEST_F(BrokerTest, AWorkerThatReconnectsBeforeItsOldStreamBreaksKeepsItsTasks) {
  Connected old = Connect({.name = "pay-1", .functions = {"charge"}, .credit = 1});
  Enqueue({Task(1)});
  Connected other = Connect({.name = "pay-2", .functions = {"charge"}, .credit = 5});
  Connected back =
      Connect({.name = "pay-1", .functions = {"charge"}, .credit = 1, .holds = {Token(1)}});
  EXPECT_THAT(broker_->Heartbeat(back.id, {Token(1)}, At(1)), IsEmpty());
  broker_->Disconnect(old.id, At(2));
  EXPECT_THAT(other.sink->got, IsEmpty());
  EXPECT_THAT(back.sink->got, IsEmpty());
  EXPECT_THAT(broker_->Queues().at(0).leased, 1u);
}

TEST_F(BrokerTest, AWorkerCannotClaimWhatAnotherHolds) {
  Connected a = Connect({.name = "pay-1", .functions = {"charge"}, .credit = 1});
  Enqueue({Task(1)});
  Connected b = Connect({.name = "pay-2", .functions = {"charge"}, .holds = {Token(1)}});
  EXPECT_THAT(broker_->Heartbeat(b.id, {Token(1)}, At(1)), ElementsAre(Token(1)));
  EXPECT_THAT(broker_->Heartbeat(a.id, {Token(1)}, At(1)), IsEmpty());
}

TEST_F(BrokerTest, CallsOfAWorkerThatIsGoneAreHarmless) {
  Connected a = Connect({.functions = {"charge"}, .credit = 1});
  broker_->Disconnect(a.id, kStart);
  broker_->Disconnect(a.id, kStart);
  broker_->AddCredit(a.id, 5, kStart);
  Enqueue({Task(1)});
  EXPECT_THAT(broker_->Heartbeat(a.id, {Token(1)}, kStart), ElementsAre(Token(1)));
  EXPECT_THAT(a.sink->got, IsEmpty());
}

TEST_F(BrokerTest, QueuesTellWhatIsWhere) {
  Connected worker = Connect({.functions = {"charge", "refund"}, .credit = 1});
  Enqueue({Task(1, "charge", At(5)), Task(2, "charge", At(7)), Task(3, "ship", At(9))});
  Recover({Task(4, "charge", At(6))});
  std::vector<QueueStats> queues = broker_->Queues();
  ASSERT_THAT(queues, SizeIs(3));
  EXPECT_EQ(queues[0].function, "charge");
  EXPECT_EQ(queues[0].ready, 2u);
  EXPECT_EQ(queues[0].leased, 1u);
  EXPECT_EQ(queues[0].workers, 1u);
  EXPECT_EQ(queues[0].oldest, At(6));
  EXPECT_EQ(queues[1].function, "refund");
  EXPECT_EQ(queues[1].oldest, kNever);
  EXPECT_EQ(queues[2].function, "ship");
  EXPECT_EQ(queues[2].ready, 1u);
  EXPECT_EQ(queues[2].workers, 0u);
}

}  // namespace
}  // namespace skald::task
