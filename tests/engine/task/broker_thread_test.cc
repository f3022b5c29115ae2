// Goal: no race between partitions that enqueue, cancel and close, workers that come and go, and
// the poll; every task is completed once, and what a worker hears comes one call at a time with a
// cancellation never before its task. Method: threads with a common logical clock; meant for TSan.
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "engine/task/broker.h"
#include "tests/engine/task/broker_fixture.h"

namespace skald::task {
namespace {

constexpr int kProducers = 2;
constexpr int kWorkers = 3;
constexpr int kTasksEach = 3'000;

// Keeps what it was given until its worker's thread fetches it.
class MailSink : public WorkerSink {
 public:
  void Push(std::vector<ReadyTaskPtr> tasks, Micros) override {
    EXPECT_FALSE(busy_.exchange(true)) << "two calls at a time";
    {
      MutexLock lock(mutex_);
      for (ReadyTaskPtr& task : tasks) {
        seen_.insert(task->token.saga.saga_id);
        tasks_.push_back(std::move(task));
      }
    }
    busy_ = false;
  }
  void Cancel(std::vector<TaskToken> tokens) override {
    EXPECT_FALSE(busy_.exchange(true)) << "two calls at a time";
    {
      MutexLock lock(mutex_);
      for (const TaskToken& token : tokens) {
        EXPECT_TRUE(seen_.contains(token.saga.saga_id)) << "cancelled before it was handed out";
      }
    }
    busy_ = false;
  }
  std::vector<ReadyTaskPtr> Take() {
    MutexLock lock(mutex_);
    return std::exchange(tasks_, {});
  }

 private:
  std::atomic<bool> busy_ = false;
  Mutex mutex_;
  std::vector<ReadyTaskPtr> tasks_;
  std::set<std::string> seen_;
};

// The partitions' part: takes the first answer to a task and tells the broker.
class Ledger {
 public:
  // True for the first answer (or quiet end) of a task.
  bool End(const TaskToken& token) {
    MutexLock lock(mutex_);
    return ended_.insert(token.saga.saga_id).second;
  }
  size_t ended() const {
    MutexLock lock(mutex_);
    return ended_.size();
  }

 private:
  mutable Mutex mutex_;
  std::set<std::string> ended_;
};

TEST(BrokerThreadTest, EveryTaskEndsWhileWorkersComeAndGo) {
  Ledger ledger;
  std::atomic<int64_t> clock = kStart.value();
  auto now = [&clock] { return Timestamp(clock.fetch_add(kMillisecond)); };
  BrokerOptions options{.lease = 10 * kSecond};
  options.quiesced = [&](const TaskToken& token, bool) { ledger.End(token); };
  Broker broker(std::move(options));
  broker.Begin(kStart);
  std::atomic<bool> stop = false;

  std::vector<std::thread> threads;
  for (int producer = 0; producer < kProducers; ++producer) {
    threads.emplace_back([&, producer] {
      std::mt19937 random(static_cast<uint32_t>(producer));
      for (int i = 0; i < kTasksEach; ++i) {
        const int id = producer * kTasksEach + i;
        broker.Enqueue(PartitionId(0), {Task(id, random() % 2 ? "a" : "b", now())}, now());
        if (random() % 8 == 0) broker.Cancel(Token(id), false, now());
      }
    });
  }
  for (int worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back([&, worker] {
      std::mt19937 random(static_cast<uint32_t>(100 + worker));
      while (!stop) {
        auto sink = std::make_shared<MailSink>();
        const WorkerId id = broker.Connect({.functions = {"a", "b"}, .credit = 8}, sink, now());
        for (int turn = 0; turn < 200 && !stop; ++turn) {
          std::vector<TaskToken> done;
          for (const ReadyTaskPtr& task : sink->Take()) {
            if (random() % 20 == 0) continue;  // forgotten: the lease must bring it back
            if (ledger.End(task->token)) done.push_back(task->token);
          }
          broker.Closed(done, now());
          broker.Heartbeat(id, done, now());
          broker.AddCredit(id, static_cast<uint32_t>(done.size()), now());
        }
        broker.Disconnect(id, now());
      }
    });
  }
  threads.emplace_back([&] {
    while (!stop) {
      broker.Poll(now());
      broker.Queues();
      std::this_thread::yield();
    }
  });

  while (ledger.ended() < size_t{kProducers * kTasksEach}) std::this_thread::yield();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ledger.ended(), size_t{kProducers * kTasksEach});
}

}  // namespace
}  // namespace skald::task
