// Goal: a partition's door hears from its thread what the disk takes. Method: one partition on a
// log whose appends sleep, driven by the real thread and writer.
#include "engine/runtime/partition_thread.h"

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/partition_world.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

constexpr std::chrono::milliseconds kAppend(5);

// Another log whose appends take a while.
class SlowLog : public storage::EventLog {
 public:
  explicit SlowLog(storage::EventLog& log) : log_(log) {}

  absl::Status Append(absl::Span<const storage::StagedCommit> commits) override {
    std::this_thread::sleep_for(kAppend);
    return log_.Append(commits);
  }
  Position LastPosition(PartitionId partition) const override {
    return log_.LastPosition(partition);
  }
  std::vector<Position> LastPositions() const override { return log_.LastPositions(); }
  std::unique_ptr<storage::LogCursor> Read(PartitionId partition, Position from) const override {
    return log_.Read(partition, from);
  }
  uint32_t partition_count() const override { return log_.partition_count(); }
  absl::string_view store_id() const override { return log_.store_id(); }
  absl::StatusOr<uint64_t> FreeBytes() const override { return log_.FreeBytes(); }

 private:
  storage::EventLog& log_;
};

TEST(PartitionThreadTest, ThePartitionsHearWhatWritesTake) {
  PartitionWorld world;
  world.MustDeploy(kNothing);
  partition::Partition& partition = world.partition();
  const Micros unknown = partition.admission().write_time();
  EXPECT_EQ(unknown, 0);

  const RealClock clock;
  SlowLog log(world.log());
  runtime::PartitionThread* told = nullptr;
  storage::LogWriter writer(log, {.on_durable = [&](const auto& positions) {
                              for (const auto& [id, position] : positions) {
                                const std::pair news(&partition, position);
                                told->Durable({&news, 1});
                              }
                            }});
  runtime::PartitionThread thread(
      {.clock = &clock,
       .writer = &writer,
       .partitions = {&partition},
       .on_durable = [] {},
       .on_fatal = [](const absl::Status& why) { ADD_FAILURE() << why; },
       .on_turn = [](const partition::Partition&) {}});
  told = &thread;
  thread.Start();
  // Long enough for two tellings.
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  for (int i = 0; std::chrono::steady_clock::now() < end; ++i) {
    std::promise<absl::Status> done;
    thread.Submit({.partition = &partition,
                   .command = PartitionWorld::Start(absl::StrCat("s", i), "nothing"),
                   .ticket = {},
                   .done = [&](absl::StatusOr<partition::CommandReply> reply) {
                     done.set_value(reply.status());
                   }});
    ASSERT_OK(done.get_future().get());
  }
  thread.Stop();
  EXPECT_GE(partition.admission().write_time(), 5 * kMillisecond);
}

// Goal: who submitted is answered, also when the thread stops. Method: its last turn is held up
// while another command comes in and it is told to stop.
TEST(PartitionThreadTest, WhatCameInWithTheStopIsAnswered) {
  PartitionWorld world;
  world.MustDeploy(kNothing);
  partition::Partition& partition = world.partition();
  const RealClock clock;
  storage::LogWriter writer(world.log(), {.on_durable = [](const auto&) {}});
  std::promise<absl::Status> late;
  std::atomic<bool> is_refused = false;
  {
    runtime::PartitionThread thread(
        {.clock = &clock,
         .writer = &writer,
         .partitions = {&partition},
         .on_durable = [] {},
         .on_fatal = [](const absl::Status& why) { ADD_FAILURE() << why; },
         .on_turn = [](const partition::Partition&) {}});
    const auto submit = [&](const std::string& saga, auto done) {
      thread.Submit(
          {.partition = &partition,
           .command = PartitionWorld::Start(saga, "nothing"),
           .ticket = {},
           .done = [done = std::move(done)](absl::StatusOr<partition::CommandReply> reply) mutable {
             done(reply.status());
           }});
    };
    thread.Start();
    std::promise<void> begun, release;
    thread.Post([&] {
      begun.set_value();
      release.get_future().wait();
    });
    begun.get_future().wait();
    submit("late", [&](const absl::Status& status) { late.set_value(status); });
    std::thread stopper([&] { thread.Stop(); });
    // Refused at once: the thread was told to stop.
    while (!is_refused) {
      submit("probe", [&](const absl::Status& status) {
        if (!status.ok()) is_refused = true;
      });
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    release.set_value();
    stopper.join();
  }
  auto answer = late.get_future();
  ASSERT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_TRUE(absl::IsUnavailable(answer.get()));
}

}  // namespace
}  // namespace skald::testing
