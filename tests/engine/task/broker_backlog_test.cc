// Goal: what waits in memory is bounded; what is left with partitions comes when there is room, in
// order, and nothing is forgotten. Method: partitions that are lists of tasks, asked by hand.
#include <algorithm>
#include <map>
#include <set>

#include "tests/engine/task/broker_fixture.h"

namespace skald::task {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BrokerBacklogTest : public BrokerTest {
 protected:
  static constexpr size_t kBytes = 1'000;  // of each task

  void SetUp() override {
    Restart({.waiting_bytes_max = 3 * kBytes,
             .queue_bytes_min = 2 * kBytes,
             .refill = [this](RefillRequest request) { asked_.push_back(std::move(request)); }});
  }

  // A task that takes kBytes.
  static ReadyTaskPtr Large(int number, Micros age, const std::string& function = "charge") {
    auto task = std::make_shared<ReadyTask>(*Task(number, function, At(age)));
    task->arguments.assign(kBytes - TaskBytes(ReadyTask{}), 'x');
    return task;
  }
  void Add(uint32_t partition, ReadyTaskPtr task) {
    rows_[partition].push_back(task);
    broker_->Enqueue(PartitionId(partition), {std::move(task)}, kStart);
  }
  void Close(int number) {
    for (auto& [partition, rows] : rows_) {
      std::erase_if(rows, [&](const auto& row) { return row->token == Token(number); });
    }
    broker_->Closed({Token(number)}, kStart);
  }
  // What a partition would answer.
  RefillReply ReplyTo(const RefillRequest& request) {
    RefillReply reply{.request = request, .tasks = {}, .rest = {}};
    std::vector<ReadyTaskPtr>& rows = rows_[request.source.value()];
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
      return TaskPlace{a->created, a->token} < TaskPlace{b->created, b->token};
    });
    size_t bytes = 0;
    for (const ReadyTaskPtr& row : rows) {
      const TaskPlace place{row->created, row->token};
      if (row->function != request.function || place < request.from) continue;
      if (bytes >= request.bytes_max) {
        reply.rest = place;
        break;
      }
      bytes += TaskBytes(*row);
      reply.tasks.push_back(row);
    }
    return reply;
  }
  // Answers everything that is asked, until nothing is.
  void Serve(Timestamp now = kStart) {
    while (!asked_.empty()) {
      const RefillRequest request = std::move(asked_.front());
      asked_.erase(asked_.begin());
      broker_->Refilled(ReplyTo(request), now);
    }
  }
  size_t Waiting() const { return broker_->Queues().empty() ? 0 : broker_->Queues()[0].ready; }

  std::map<uint32_t, std::vector<ReadyTaskPtr>> rows_;
  std::vector<RefillRequest> asked_;
};

TEST_F(BrokerBacklogTest, TasksBeyondTheBoundStayWithTheirPartition) {
  for (int i = 1; i <= 10; ++i) Add(0, Large(i, i));
  EXPECT_EQ(Waiting(), 3u);
  EXPECT_TRUE(broker_->Queues()[0].more);
  EXPECT_THAT(asked_, IsEmpty()) << "there is enough to do";
}

TEST_F(BrokerBacklogTest, TheyComeInOrderAsWorkersTakeTasks) {
  for (int i = 1; i <= 7; ++i) Add(0, Large(i, i));
  Connected worker = Connect({.functions = {"charge"}, .credit = 3});
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-1", "saga-2", "saga-3"));
  Serve();
  EXPECT_EQ(Waiting(), 2u);
  broker_->AddCredit(worker.id, 2, kStart);
  Serve();
  broker_->AddCredit(worker.id, 5, kStart);
  Serve();
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-4", "saga-5", "saga-6", "saga-7"));
  EXPECT_FALSE(broker_->Queues()[0].more);
  Add(0, Large(8, 8));
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-8"));
}

TEST_F(BrokerBacklogTest, EachQueueMayAlwaysHoldSome) {
  for (int i = 1; i <= 5; ++i) Add(0, Large(i, i, "charge"));
  for (int i = 6; i <= 9; ++i) Add(0, Large(i, i, "ship"));
  ASSERT_THAT(broker_->Queues(), SizeIs(2));
  EXPECT_EQ(broker_->Queues()[0].ready, 3u);
  EXPECT_EQ(broker_->Queues()[1].ready, 2u);
}

TEST_F(BrokerBacklogTest, AYoungerTaskDoesNotPassThoseThatWereLeft) {
  for (int i = 1; i <= 5; ++i) Add(0, Large(i, i));
  Connected worker = Connect({.functions = {"charge"}, .credit = 3});
  ASSERT_THAT(worker.sink->TakeGot(), SizeIs(3));
  Add(1, Large(6, 6));
  broker_->AddCredit(worker.id, 10, kStart);
  EXPECT_THAT(worker.sink->TakeGot(), IsEmpty()) << "4 and 5 come first";
  Serve();
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-4", "saga-5", "saga-6"));
}

TEST_F(BrokerBacklogTest, AnOlderTaskComesInOrIsLeftInItsPlace) {
  for (int i = 1; i <= 5; ++i) Add(0, Large(10 + i, 10 + i));
  Add(0, Large(1, 1));  // of a saga that was resumed
  EXPECT_EQ(Waiting(), 3u);
  Connected worker = Connect({.functions = {"charge"}, .credit = 10});
  Serve();
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-11", "saga-12", "saga-13", "saga-1",
                                                  "saga-14", "saga-15"));
}

TEST_F(BrokerBacklogTest, ALostRequestIsRepeated) {
  for (int i = 1; i <= 5; ++i) Add(0, Large(i, i));
  Connected worker = Connect({.functions = {"charge"}, .credit = 10});
  ASSERT_THAT(asked_, SizeIs(1));
  const RefillRequest lost = asked_.front();
  asked_.clear();
  broker_->Poll(At(kSecond / 2));
  EXPECT_THAT(asked_, IsEmpty());
  broker_->Poll(At(2 * kSecond));
  Serve(At(2 * kSecond));
  EXPECT_THAT(worker.sink->TakeGot(), SizeIs(5));
  // It was late, not lost: nothing comes twice.
  broker_->Refilled(ReplyTo(lost), At(3 * kSecond));
  EXPECT_THAT(worker.sink->TakeGot(), IsEmpty());
}

TEST_F(BrokerBacklogTest, ATaskThatWasLeftCanBeCancelledOrWithdrawn) {
  for (int i = 1; i <= 6; ++i) Add(0, Large(i, i));
  Cancel(Token(5), kStart);
  EXPECT_THAT(quiesced_, ElementsAre("saga-5 never"));
  Close(5);
  broker_->Withdraw({Token(6)});
  std::erase_if(rows_[0], [](const auto& row) { return row->token == Token(6); });
  Connected worker = Connect({.functions = {"charge"}, .credit = 10});
  Serve();
  EXPECT_THAT(worker.sink->TakeGot(), ElementsAre("saga-1", "saga-2", "saga-3", "saga-4"));
}

TEST_F(BrokerBacklogTest, AClaimedTaskIsTakenInThoughThereIsNoRoom) {
  Connected worker = Connect({.functions = {"ship"}, .holds = {Token(9)}});
  for (int i = 1; i <= 9; ++i) Add(0, Large(i, i));
  EXPECT_EQ(broker_->Queues()[0].leased, 1u);
}

// A worker that comes back with tasks that are left has them until they come, also when that is
// after the claim window.
TEST_F(BrokerBacklogTest, AClaimOfATaskThatWasLeftIsKeptUntilItComes) {
  Recover({Large(1, 1), Large(2, 2), Large(3, 3)});
  for (int i = 4; i <= 8; ++i) Add(0, Large(i, i));
  const Timestamp late = At(10 * kSecond);
  Connected early = Connect({.functions = {"charge"}, .holds = {Token(7)}});
  broker_->Poll(late);
  Connected back = Connect({.functions = {"charge"}, .holds = {Token(8), Token(99)}}, late);
  broker_->Poll(late);
  EXPECT_THAT(broker_->Heartbeat(early.id, {Token(7)}, late), IsEmpty());
  EXPECT_THAT(broker_->Heartbeat(back.id, {Token(8)}, late), IsEmpty());
  Connected other = Connect({.functions = {"charge"}, .credit = 10}, late);
  Serve(late);
  EXPECT_THAT(other.sink->TakeGot(),
              ElementsAre("saga-1", "saga-2", "saga-3", "saga-4", "saga-5", "saga-6"));
  EXPECT_EQ(broker_->Queues()[0].leased, 8u);
  EXPECT_THAT(broker_->Heartbeat(early.id, {Token(7)}, late), IsEmpty());
  EXPECT_THAT(broker_->Heartbeat(back.id, {Token(8)}, late), IsEmpty());
  // Nothing is left that this could be.
  broker_->Poll(late);
  EXPECT_THAT(broker_->Heartbeat(back.id, {Token(99)}, late), ElementsAre(Token(99)));
}

// Everything is handed out exactly once, whatever comes and goes, and memory stays bounded.
TEST_F(BrokerBacklogTest, NothingIsForgottenOrHandedOutTwice) {
  uint64_t random = 7;
  const auto pick = [&](uint64_t below) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return (random >> 33) % below;
  };
  Connected worker = Connect({.functions = {"charge"}, .credit = 0});
  std::vector<std::string> got;
  std::set<std::string> closed;
  int next = 0;
  const auto take = [&] {
    for (std::string& saga : worker.sink->TakeGot()) got.push_back(std::move(saga));
  };
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t what = pick(10);
    if (what < 4) {
      ++next;
      Add(static_cast<uint32_t>(pick(3)), Large(next, next));
    } else if (what < 6) {
      broker_->AddCredit(worker.id, static_cast<uint32_t>(1 + pick(3)), kStart);
    } else if (what < 8 && !asked_.empty()) {
      const size_t which = pick(asked_.size());
      const RefillRequest request = asked_[which];
      asked_.erase(asked_.begin() + static_cast<ptrdiff_t>(which));
      broker_->Refilled(ReplyTo(request), kStart);
    } else if (what == 8 && !got.empty()) {
      const std::string& saga = got[pick(got.size())];
      if (closed.insert(saga).second) Close(std::stoi(saga.substr(5)));
    }
    take();
    if (Waiting() > 5) FAIL() << "step " << step << ": " << Waiting() << " wait";
  }
  broker_->AddCredit(worker.id, 10'000, kStart);
  Serve();
  broker_->AddCredit(worker.id, 10'000, kStart);
  Serve();
  take();
  EXPECT_THAT(got, SizeIs(static_cast<size_t>(next)));
  EXPECT_EQ(std::set<std::string>(got.begin(), got.end()).size(), got.size());
  EXPECT_FALSE(broker_->Queues()[0].more);
}

}  // namespace
}  // namespace skald::task
