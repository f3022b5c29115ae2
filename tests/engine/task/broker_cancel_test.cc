// Goal: `quiesced` is called exactly when no answer can be on its way any more, so that an undo never
// overtakes its call, and a cancelled task is handed out no more. Method: scenarios with explicit times.
#include "engine/task/broker.h"
#include "tests/engine/task/broker_fixture.h"

namespace skald::task {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(BrokerTest, ATaskNeverHandedOutIsQuietAtOnce) {
  Enqueue({Task(1)});
  Cancel(Token(1), At(1));
  EXPECT_THAT(quiesced_, ElementsAre("saga-1 never"));
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  EXPECT_THAT(worker.sink->got, IsEmpty());
}

TEST_F(BrokerTest, ALeasedTaskIsQuietOneLeaseAfterItsDelivery) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  Enqueue({Task(1)}, At(10 * kSecond));
  Cancel(Token(1), At(12 * kSecond));
  Cancel(Token(1), At(13 * kSecond));
  EXPECT_THAT(worker.sink->cancelled, ElementsAre("saga-1"));
  EXPECT_EQ(broker_->Poll(At(39 * kSecond)), At(40 * kSecond));
  EXPECT_THAT(quiesced_, IsEmpty());
  EXPECT_EQ(broker_->Poll(At(40 * kSecond)), kNever);
  EXPECT_THAT(quiesced_, ElementsAre("saga-1"));
}

TEST_F(BrokerTest, AnAnswerEndsTheWait) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  Enqueue({Task(1)});
  Cancel(Token(1), At(1));
  broker_->Closed({Token(1)}, At(2));
  EXPECT_EQ(broker_->Poll(At(kHour)), kNever);
  EXPECT_THAT(quiesced_, IsEmpty());
}

TEST_F(BrokerTest, AHeartbeatAfterTheCancellationDoesNotProlongTheWait) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  Enqueue({Task(1)});
  EXPECT_THAT(broker_->Heartbeat(worker.id, {Token(1)}, At(20 * kSecond)), IsEmpty());
  Cancel(Token(1), At(25 * kSecond));
  EXPECT_THAT(broker_->Heartbeat(worker.id, {Token(1)}, At(45 * kSecond)), IsEmpty());
  EXPECT_EQ(broker_->Poll(At(49 * kSecond)), At(50 * kSecond));
  broker_->Poll(At(50 * kSecond));
  EXPECT_THAT(quiesced_, ElementsAre("saga-1"));
}

TEST_F(BrokerTest, ALostWorkersTaskStillWaitsForItsAnswer) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  Enqueue({Task(1)}, At(10 * kSecond));
  broker_->Disconnect(worker.id, At(11 * kSecond));
  Cancel(Token(1), At(12 * kSecond));
  EXPECT_THAT(quiesced_, IsEmpty());
  EXPECT_EQ(broker_->Poll(At(12 * kSecond)), At(40 * kSecond));
  Connected other = Connect({.functions = {"charge"}, .credit = 5}, At(13 * kSecond));
  EXPECT_THAT(other.sink->got, IsEmpty()) << "a cancelled task is handed out no more";
}

TEST_F(BrokerTest, ACancelledTaskOutlivesItsWorkersConnection) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 5});
  Enqueue({Task(1)});
  Cancel(Token(1), At(1));
  broker_->Disconnect(worker.id, At(2));
  Connected back = Connect({.functions = {"charge"}, .credit = 5, .holds = {Token(1)}}, At(3));
  EXPECT_THAT(back.sink->cancelled, ElementsAre("saga-1")) << "it may not have heard of it";
  EXPECT_EQ(broker_->Poll(At(4)), At(30 * kSecond));
}

// The broken connection of a worker that is back already is noticed late: nobody reads there.
TEST_F(BrokerTest, ACancellationIsToldToTheConnectionThatCameBack) {
  Connected old = Connect({.name = "pay-1", .functions = {"charge"}, .credit = 2});
  Enqueue({Task(1), Task(2)});
  Connected back =
      Connect({.name = "pay-1", .functions = {"charge"}, .holds = {Token(1), Token(2)}});
  Cancel(Token(1), At(1));
  broker_->Dismissed({Token(2)}, At(1));
  EXPECT_THAT(back.sink->cancelled, ElementsAre("saga-1", "saga-2"));
  EXPECT_THAT(broker_->Heartbeat(back.id, {Token(1), Token(2)}, At(2)), ElementsAre(Token(2)));
  broker_->Disconnect(old.id, At(3));
  EXPECT_EQ(broker_->Poll(At(4)), At(30 * kSecond));
  broker_->Poll(At(30 * kSecond));
  EXPECT_THAT(quiesced_, ElementsAre("saga-1"));
}

TEST_F(BrokerTest, ACancellationIsToldToWhoClaimedATaskThatIsNotThereYet) {
  Connected back = Connect({.functions = {"charge"}, .holds = {Token(1)}});
  broker_->Cancel(Token(1), /*from_recovery=*/true, At(1));
  EXPECT_THAT(back.sink->cancelled, ElementsAre("saga-1"));
  EXPECT_THAT(broker_->Heartbeat(back.id, {Token(1)}, At(2)), IsEmpty());
}

TEST_F(BrokerTest, ARecoveredTaskWaitsOneLeaseFromTheStart) {
  Recover({Task(1)});
  Cancel(Token(1), At(1));
  EXPECT_EQ(broker_->Poll(At(3 * kSecond)), At(30 * kSecond));
  EXPECT_THAT(quiesced_, IsEmpty());
  broker_->Poll(At(30 * kSecond));
  EXPECT_THAT(quiesced_, ElementsAre("saga-1"));
}

TEST_F(BrokerTest, ARecoveredTaskLongAfterTheStartIsQuietAtOnce) {
  Recover({Task(1)});
  broker_->Poll(At(2 * kSecond));
  Cancel(Token(1), At(31 * kSecond));
  EXPECT_THAT(quiesced_, ElementsAre("saga-1"));
}

// However long it takes until partitions are up: nobody takes what is quiesced before, and workers
// have had no time to come back.
TEST_F(BrokerTest, NothingIsQuietBeforeTheBrokerBegins) {
  Open();
  Recover({Task(1)}, At(0));
  broker_->Cancel(Token(1), /*from_recovery=*/true, At(kMinute));
  broker_->Cancel(Token(2), /*from_recovery=*/true, At(kMinute));
  Cancel(Token(3), At(kMinute));
  EXPECT_EQ(broker_->Poll(At(kHour)), kNever);
  EXPECT_THAT(quiesced_, IsEmpty());
  broker_->Begin(At(kHour));
  EXPECT_EQ(broker_->Poll(At(kHour + 1)), At(kHour + 30 * kSecond));
  EXPECT_THAT(quiesced_, IsEmpty());
  broker_->Poll(At(kHour + 30 * kSecond));
  EXPECT_THAT(quiesced_, ElementsAre("saga-1", "saga-2", "saga-3"));
}

TEST_F(BrokerTest, ADismissedTaskIsToldToItsWorkerAndForgotten) {
  Connected worker = Connect({.functions = {"charge"}, .credit = 1});
  Enqueue({Task(1), Task(2)});
  broker_->Dismissed({Token(1), Token(2), Token(3)}, At(1));
  EXPECT_THAT(worker.sink->cancelled, ElementsAre("saga-1"));
  EXPECT_THAT(quiesced_, IsEmpty());
  EXPECT_EQ(broker_->Queues()[0].ready + broker_->Queues()[0].leased, 0u);
}

TEST_F(BrokerTest, AnUnknownTaskOfThisRunWasNeverHandedOut) {
  Cancel(Token(1), At(1));
  EXPECT_THAT(quiesced_, ElementsAre("saga-1 never"));
}

TEST_F(BrokerTest, AnUnknownTaskOfAnEarlierRunWaitsForItsAnswer) {
  broker_->Cancel(Token(1), /*from_recovery=*/true, At(1));
  Recover({Task(1)}, At(2));
  Connected worker = Connect({.functions = {"charge"}, .credit = 5}, At(3));
  broker_->Poll(At(3 * kSecond));
  EXPECT_THAT(worker.sink->got, IsEmpty());
  broker_->Poll(At(30 * kSecond));
  EXPECT_THAT(quiesced_, ElementsAre("saga-1"));
  broker_->Cancel(Token(2), /*from_recovery=*/true, At(31 * kSecond));
  EXPECT_THAT(quiesced_, ElementsAre("saga-1", "saga-2"));
}

TEST_F(BrokerTest, AClaimOfACancelledUnknownTaskIsToldSo) {
  broker_->Cancel(Token(1), /*from_recovery=*/true, At(1));
  Connected back = Connect({.functions = {"charge"}, .holds = {Token(1)}}, At(2));
  EXPECT_THAT(back.sink->cancelled, ElementsAre("saga-1"));
  broker_->Closed({Token(1)}, At(3));
  EXPECT_EQ(broker_->Poll(At(kHour)), kNever);
  EXPECT_THAT(quiesced_, IsEmpty());
}

}  // namespace
}  // namespace skald::task
