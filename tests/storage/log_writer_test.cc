// Group commit over a log whose writes the test lets through one by one, or fails.
#include "storage/log_writer.h"

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/memory/memory_event_log.h"
#include "tests/storage/test_commits.h"
#include "tests/support/status_matchers.h"

namespace skald::storage {
namespace {

using ::skald::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::Pair;

constexpr PartitionId kFirst{0};
constexpr PartitionId kSecond{1};

// A memory log whose Append waits while a gate is closed, and fails when told to.
class GatedLog : public MemoryEventLog {
 public:
  absl::Status Append(absl::Span<const StagedCommit> commits) override {
    {
      MutexLock lock(mu_);
      ++waiting_;
      changed_.NotifyAll();
      while (closed_) changed_.Wait(mu_);
      --waiting_;
      if (!failure_.ok()) return failure_;
      batch_sizes_.push_back(commits.size());
    }
    return MemoryEventLog::Append(commits);
  }

  void Close() {
    MutexLock lock(mu_);
    closed_ = true;
  }
  void Open() {
    MutexLock lock(mu_);
    closed_ = false;
    changed_.NotifyAll();
  }
  // Returns once an Append stands at the closed gate.
  void AwaitAppend() {
    MutexLock lock(mu_);
    while (waiting_ == 0) changed_.Wait(mu_);
  }
  void Fail(absl::Status failure) {
    MutexLock lock(mu_);
    failure_ = std::move(failure);
  }
  std::vector<size_t> batch_sizes() const {
    MutexLock lock(mu_);
    return batch_sizes_;
  }

 private:
  mutable Mutex mu_;
  CondVar changed_;
  bool closed_ SKALD_GUARDED_BY(mu_) = false;
  int waiting_ SKALD_GUARDED_BY(mu_) = 0;
  absl::Status failure_ SKALD_GUARDED_BY(mu_);
  std::vector<size_t> batch_sizes_ SKALD_GUARDED_BY(mu_);
};

// Collects what the writer reports.
class Reports {
 public:
  LogWriterOptions Options() {
    return LogWriterOptions{.on_durable =
                                [this](absl::Span<const std::pair<PartitionId, Position>> durable) {
                                  MutexLock lock(mu_);
                                  durable_.insert(durable_.end(), durable.begin(), durable.end());
                                },
                            .on_fatal =
                                [this](const absl::Status& status) {
                                  MutexLock lock(mu_);
                                  fatal_.push_back(status);
                                }};
  }
  std::vector<std::pair<PartitionId, Position>> durable() const {
    MutexLock lock(mu_);
    return durable_;
  }
  std::vector<absl::Status> fatal() const {
    MutexLock lock(mu_);
    return fatal_;
  }

 private:
  mutable Mutex mu_;
  std::vector<std::pair<PartitionId, Position>> durable_ SKALD_GUARDED_BY(mu_);
  std::vector<absl::Status> fatal_ SKALD_GUARDED_BY(mu_);
};

std::vector<StagedCommit> Take(CommitMaker& maker, int commits, uint32_t count = 1) {
  std::vector<StagedCommit> taken;
  for (int i = 0; i < commits; ++i) taken.push_back(maker.Next(count));
  return taken;
}

TEST(LogWriterTest, WhatWaitsWhileOneBatchIsWrittenBecomesTheNext) {
  GatedLog log;
  Reports reports;
  LogWriter writer(log, reports.Options());
  CommitMaker first(kFirst);
  CommitMaker second(kSecond);
  log.Close();
  writer.Stage(Take(first, 1));
  log.AwaitAppend();
  for (int i = 0; i < 10; ++i) {
    writer.Stage(Take(first, 2));
    writer.Stage(Take(second, 1));
  }
  EXPECT_TRUE(reports.durable().empty());
  log.Open();
  ASSERT_OK(writer.Drain());
  EXPECT_THAT(log.batch_sizes(), ElementsAre(1, 30));
  EXPECT_THAT(reports.durable(), ElementsAre(Pair(kFirst, Position(1)), Pair(kFirst, Position(21)),
                                             Pair(kSecond, Position(10))));
  EXPECT_EQ(log.LastPosition(kFirst), Position(21));
  EXPECT_EQ(writer.stats().batches, 2u);
  EXPECT_EQ(writer.stats().commits, 31u);
  EXPECT_EQ(writer.stats().events, 31u);
}

TEST(LogWriterTest, BatchesAreBoundedInEventsAndBytes) {
  GatedLog log;
  Reports reports;
  LogWriterOptions options = reports.Options();
  options.batch_events_max = 8;
  options.batch_bytes_max = 1000;
  LogWriter writer(log, options);
  CommitMaker maker(kFirst);
  log.Close();
  writer.Stage(Take(maker, 1));
  log.AwaitAppend();
  writer.Stage(Take(maker, 3, /*count=*/3));  // 2 fit, then the third
  writer.Stage({maker.Next(20)});             // larger than a batch: alone
  const std::string payload(600, 'x');
  writer.Stage({maker.Next(1, payload), maker.Next(1, payload)});
  log.Open();
  ASSERT_OK(writer.Drain());
  EXPECT_THAT(log.batch_sizes(), ElementsAre(1, 2, 1, 1, 1, 1));
}

TEST(LogWriterTest, InlineAppendNeedsAnIdleWriter) {
  GatedLog log;
  Reports reports;
  LogWriter writer(log, reports.Options());
  CommitMaker maker(kFirst);
  EXPECT_TRUE(writer.TryAppendInline(Take(maker, 2)));
  EXPECT_EQ(log.LastPosition(kFirst), Position(2));
  EXPECT_TRUE(reports.durable().empty()) << "the caller knows by itself";
  EXPECT_EQ(writer.stats().inline_batches, 1u);

  log.Close();
  writer.Stage(Take(maker, 1));
  log.AwaitAppend();
  const std::vector<StagedCommit> later = Take(maker, 1);
  EXPECT_FALSE(writer.TryAppendInline(later));
  writer.Stage(later);
  log.Open();
  ASSERT_OK(writer.Drain());
  EXPECT_EQ(log.LastPosition(kFirst), Position(4));
  EXPECT_TRUE(writer.TryAppendInline(Take(maker, 1)));
}

TEST(LogWriterTest, WhatIsStagedDuringAnInlineAppendIsWrittenAfterIt) {
  GatedLog log;
  Reports reports;
  LogWriter writer(log, reports.Options());
  CommitMaker first(kFirst);
  CommitMaker second(kSecond);
  log.Close();
  std::thread partition([&] { EXPECT_TRUE(writer.TryAppendInline(Take(first, 1))); });
  log.AwaitAppend();
  writer.Stage(Take(second, 1));
  EXPECT_FALSE(writer.TryAppendInline(Take(second, 1)));
  log.Open();
  partition.join();
  ASSERT_OK(writer.Drain());
  EXPECT_EQ(log.LastPosition(kSecond), Position(1));
}

TEST(LogWriterTest, FailureIsReportedOnceAndNothingIsDurableAfterIt) {
  GatedLog log;
  Reports reports;
  LogWriter writer(log, reports.Options());
  CommitMaker maker(kFirst);
  writer.Stage(Take(maker, 1));
  ASSERT_OK(writer.Drain());
  log.Fail(absl::UnavailableError("disk gone"));
  writer.Stage(Take(maker, 1));
  EXPECT_THAT(writer.Drain(), StatusIs(absl::StatusCode::kUnavailable));
  log.Fail(absl::OkStatus());
  // The disk is back, but memory is ahead of it: nothing may follow.
  writer.Stage(Take(maker, 1));
  EXPECT_FALSE(writer.TryAppendInline(Take(maker, 1)));
  EXPECT_THAT(writer.Drain(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(log.LastPosition(kFirst), Position(1));
  EXPECT_THAT(reports.durable(), ElementsAre(Pair(kFirst, Position(1))));
  EXPECT_EQ(reports.fatal().size(), 1u);
}

TEST(LogWriterTest, FailureOfAnInlineAppendIsFatalToo) {
  GatedLog log;
  Reports reports;
  LogWriter writer(log, reports.Options());
  CommitMaker maker(kFirst);
  log.Fail(absl::UnavailableError("disk gone"));
  EXPECT_FALSE(writer.TryAppendInline(Take(maker, 1)));
  writer.Stage(Take(maker, 1));
  EXPECT_THAT(writer.Drain(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(reports.fatal().size(), 1u);
}

TEST(LogWriterTest, DestructionWritesWhatIsStaged) {
  GatedLog log;
  {
    LogWriter writer(log, {});
    CommitMaker maker(kFirst);
    for (int i = 0; i < 100; ++i) writer.Stage(Take(maker, 1));
  }
  EXPECT_EQ(log.LastPosition(kFirst), Position(100));
}

// Goal: nothing is lost, doubled or reordered when partitions race. Method: threads that each drive
// a partition, inline where they can, over the memory log, which checks density itself.
TEST(LogWriterTest, PartitionsMayRace) {
  MemoryEventLog log;
  std::vector<std::atomic<uint64_t>> durable(4);
  LogWriter writer(
      log, {.on_durable = [&](absl::Span<const std::pair<PartitionId, Position>> positions) {
        for (const auto& [partition, position] : positions) {
          const uint64_t before = durable[partition.value()].exchange(position.value());
          EXPECT_LT(before, position.value());
        }
      }});
  std::vector<std::thread> partitions;
  for (uint32_t number = 0; number < 4; ++number) {
    partitions.emplace_back([&, number] {
      CommitMaker maker{PartitionId(number)};
      for (int i = 0; i < 500; ++i) {
        std::vector<StagedCommit> commits = Take(maker, 1 + i % 3);
        if (i % 2 == 0 && durable[number].load() + 1 == commits.front().first.value() &&
            writer.TryAppendInline(commits)) {
          durable[number] = maker.last().value();
        } else {
          writer.Stage(std::move(commits));
        }
      }
    });
  }
  for (std::thread& partition : partitions) partition.join();
  ASSERT_OK(writer.Drain());
  for (uint32_t number = 0; number < 4; ++number) {
    EXPECT_EQ(log.LastPosition(PartitionId(number)).value(), durable[number].load());
    EXPECT_EQ(ReadAll(log, PartitionId(number)).size(), 167u * 1 + 167u * 2 + 166u * 3);
  }
}

}  // namespace
}  // namespace skald::storage
