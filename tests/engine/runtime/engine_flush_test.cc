// Goal: what takes long holds up nothing that has to come in time. Method: an engine in memory on views
// whose flush waits until the test lets it go.
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "engine/runtime/engine_impl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/engine_driver.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

using runtime::Engine;
using runtime::EngineOptions;

// Views whose flush waits until it may go on.
class SlowViews : public storage::MemoryViews {
 public:
  absl::Status Flush() override {
    if (!is_slow) return absl::OkStatus();
    if (!began_.exchange(true)) began.set_value();
    go_on_.wait();
    return absl::OkStatus();
  }
  std::atomic<bool> is_slow = true;
  std::promise<void> began, go_on;

 private:
  std::atomic<bool> began_ = false;
  std::shared_future<void> go_on_ = go_on.get_future().share();
};

// A log that counts how often it was asked for the room on its disk.
class AskedLog : public storage::MemoryEventLog {
 public:
  using MemoryEventLog::MemoryEventLog;
  absl::StatusOr<uint64_t> FreeBytes() const override {
    ++asked;
    return MemoryEventLog::FreeBytes();
  }
  mutable std::atomic<uint64_t> asked = 0;
};

// A worker that takes what it gets and says nothing.
class SilentWorker : public task::WorkerSink {
 public:
  void Push(std::vector<task::ReadyTaskPtr> tasks, Micros) override { got += tasks.size(); }
  void Cancel(std::vector<saga::TaskToken>) override {}
  std::atomic<size_t> got = 0;
};

TEST(EngineFlushTest, AFlushThatTakesLongHoldsNothingUp) {
  AskedLog log({.partition_count = 2});
  SlowViews views;
  EngineOptions options;
  options.threads = 1;
  options.free_bytes_soft = options.free_bytes_hard = 0;
  options.broker.lease = 20 * kMillisecond;
  options.broker.claim_window = 0;
  ASSERT_OK_AND_ASSIGN(
      std::unique_ptr<Engine> engine,
      runtime::OpenEngine(options, {.log = &log, .views = &views, .flush_events = 1}));
  EngineDriver call(*engine);
  ASSERT_OK(call.Deploy(kOrder));
  ASSERT_OK(call.Start("s1", "order"));
  views.began.get_future().wait();
  const auto silent = std::make_shared<SilentWorker>();
  engine->broker().Connect({.name = "silent", .functions = {"reserve"}, .credit = 10, .holds = {}},
                           silent, engine->Now());
  const uint64_t asked = log.asked;
  // The lease ends, and the task is handed out again.
  const auto goes_on = [&] { return silent->got >= 2 && log.asked >= asked + 3; };
  for (int i = 0; i < 6'000 && !goes_on(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_GE(silent->got, 2u) << "leases stood still";
  EXPECT_GE(log.asked, asked + 3) << "nobody looked at the disk";
  views.is_slow = false;
  views.go_on.set_value();
  EXPECT_OK(engine->Shutdown());
}

}  // namespace
}  // namespace skald::testing
