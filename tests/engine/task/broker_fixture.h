// A broker, workers that remember what they were told, and tasks that are easy to write down.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/task/broker.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skald::task {

// The start of every scenario; times are written as offsets from it.
inline constexpr Timestamp kStart{1'700'000'000 * kSecond};
inline Timestamp At(Micros offset) { return After(kStart, offset); }

inline TaskToken Token(int number, uint32_t attempt = 1) {
  return {.saga = {"shop", absl::StrCat("saga-", number)},
          .frame = saga::FrameId(1),
          .attempt = attempt};
}

inline ReadyTaskPtr Task(int number, std::string function = "charge", Timestamp created = kStart) {
  auto task = std::make_shared<ReadyTask>();
  task->token = Token(number);
  task->function = std::move(function);
  task->created = created;
  task->arguments = "{}";
  return task;
}

// Remembers tasks in the order they came, and the frames they came in.
class RecordingSink : public WorkerSink {
 public:
  void Push(std::vector<ReadyTaskPtr> tasks, Micros lease) override {
    frames.push_back(tasks.size());
    last_lease = lease;
    for (const ReadyTaskPtr& task : tasks) got.push_back(task->token.saga.saga_id);
  }
  void Cancel(std::vector<TaskToken> tokens) override {
    for (const TaskToken& token : tokens) cancelled.push_back(token.saga.saga_id);
  }

  // What came since the last call.
  std::vector<std::string> TakeGot() { return std::exchange(got, {}); }

  std::vector<std::string> got;
  std::vector<std::string> cancelled;
  std::vector<size_t> frames;
  Micros last_lease = 0;
};

class BrokerTest : public ::testing::Test {
 protected:
  // A new broker that begins at kStart.
  void Restart(BrokerOptions options = {}) {
    Open(std::move(options));
    broker_->Begin(kStart);
  }
  // A new broker that has not begun.
  void Open(BrokerOptions options = {}) {
    options.quiesced = [this](const TaskToken& token, bool never_dispatched) {
      quiesced_.push_back(absl::StrCat(token.saga.saga_id, never_dispatched ? " never" : ""));
    };
    broker_ = std::make_unique<Broker>(std::move(options));
  }
  void SetUp() override { Restart(); }

  struct Connected {
    WorkerId id;
    std::shared_ptr<RecordingSink> sink;
  };
  Connected Connect(WorkerOptions options, Timestamp now = kStart) {
    auto sink = std::make_shared<RecordingSink>();
    WorkerId id = broker_->Connect(std::move(options), sink, now);
    return {id, sink};
  }
  void Enqueue(std::vector<ReadyTaskPtr> tasks, Timestamp now = kStart) {
    broker_->Enqueue(PartitionId(0), std::move(tasks), now);
  }
  void Recover(std::vector<ReadyTaskPtr> tasks, Timestamp now = kStart) {
    for (ReadyTaskPtr& task : tasks) {
      auto recovered = std::make_shared<ReadyTask>(*task);
      recovered->from_recovery = true;
      task = std::move(recovered);
    }
    broker_->Enqueue(PartitionId(0), std::move(tasks), now);
  }
  void Cancel(const TaskToken& token, Timestamp now) {
    broker_->Cancel(token, /*from_recovery=*/false, now);
  }

  std::unique_ptr<Broker> broker_;
  std::vector<std::string> quiesced_;
};

}  // namespace skald::task
