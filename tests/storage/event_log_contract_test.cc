// What every EventLog promises, run on each implementation.
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/event_log.h"
#include "storage/memory/memory_event_log.h"
#include "storage/rocksdb/rocksdb_event_log.h"
#include "tests/storage/test_commits.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

constexpr PartitionId kFirst{0};
constexpr PartitionId kSecond{1};

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<EventLog>(const std::string& folder)> open;
};

std::unique_ptr<EventLog> OpenRocksDb(const std::string& folder) {
  auto log = RocksDbEventLog::Open(
      {.path = folder + "/log", .create_if_missing = true, .partition_count = 4});
  EXPECT_OK(log.status());
  return std::move(*log);
}

class EventLogContractTest : public ::testing::TestWithParam<Implementation> {
 protected:
  skald::testing::TempFolder folder_;
  std::unique_ptr<EventLog> log_ = GetParam().open(folder_.path());
};

TEST_P(EventLogContractTest, IsEmptyAtFirst) {
  EXPECT_EQ(log_->partition_count(), 4u);
  EXPECT_EQ(log_->store_id().size(), 16u);
  EXPECT_EQ(log_->LastPosition(kFirst), Position(0));
  EXPECT_TRUE(ReadAll(*log_, kFirst).empty());
  EXPECT_TRUE(ReadAll(*log_, kFirst, Position(0)).empty());
  EXPECT_TRUE(ReadAll(*log_, kFirst, Position(7)).empty());
  ASSERT_OK_AND_ASSIGN(const uint64_t free, log_->FreeBytes());
  EXPECT_GT(free, 0u);
}

TEST_P(EventLogContractTest, GivesCommitsBackInOrder) {
  CommitMaker first(kFirst);
  CommitMaker second(kSecond);
  std::vector<StagedCommit> of_first;
  std::vector<StagedCommit> of_second;
  for (uint32_t batch = 0; batch < 20; ++batch) {
    std::vector<StagedCommit> commits;
    for (uint32_t i = 0; i <= batch % 3; ++i) {
      of_first.push_back(first.Next(1 + i, R"({"of":"first"})"));
      commits.push_back(of_first.back());
      of_second.push_back(second.Next(2));
      commits.push_back(of_second.back());
    }
    ASSERT_OK(log_->Append(commits));
    EXPECT_EQ(log_->LastPosition(kFirst), first.last());
    EXPECT_EQ(log_->LastPosition(kSecond), second.last());
  }
  EXPECT_EQ(ReadAll(*log_, kFirst), Expected(of_first));
  EXPECT_EQ(ReadAll(*log_, kSecond), Expected(of_second));
  EXPECT_TRUE(ReadAll(*log_, PartitionId(2)).empty());
}

// Readers who ask while an append is under way see all of it or nothing.
TEST_P(EventLogContractTest, LastPositionsAreOfOneMoment) {
  CommitMaker first(kFirst);
  CommitMaker second(kSecond);
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      const std::vector<Position> last = log_->LastPositions();
      ASSERT_EQ(last.size(), 4u);
      ASSERT_EQ(last[kFirst.value()], last[kSecond.value()]);
      ASSERT_EQ(last[2], Position(0));
    }
  });
  for (int i = 0; i < 200; ++i) {
    const std::vector<StagedCommit> both = {first.Next(2), second.Next(2)};
    EXPECT_OK(log_->Append(both));
  }
  done = true;
  reader.join();
  EXPECT_EQ(log_->LastPositions()[kFirst.value()], first.last());
}

TEST_P(EventLogContractTest, NothingIsAnAppendToo) {
  EXPECT_OK(log_->Append({}));
  EXPECT_EQ(log_->LastPosition(kFirst), Position(0));
}

TEST_P(EventLogContractTest, ReadStartsAtTheCommitThatHoldsThePosition) {
  CommitMaker maker(kFirst);
  const std::vector<StagedCommit> commits = {maker.Next(3), maker.Next(1), maker.Next(4)};
  ASSERT_OK(log_->Append(commits));
  const uint64_t expected_first[] = {1, 1, 1, 1, 4, 5, 5, 5, 5};
  for (uint64_t from = 0; from <= 8; ++from) {
    const auto cursor = log_->Read(kFirst, Position(from));
    ASSERT_TRUE(cursor->Valid()) << from;
    EXPECT_EQ(cursor->first().value(), expected_first[from]) << from;
  }
  for (const uint64_t past : {9, 100}) {
    const auto cursor = log_->Read(kFirst, Position(past));
    EXPECT_FALSE(cursor->Valid());
    EXPECT_OK(cursor->status());
  }
}

TEST_P(EventLogContractTest, CursorOutlivesLaterAppends) {
  CommitMaker maker(kFirst);
  const std::vector<StagedCommit> commits = {maker.Next(1, "1"), maker.Next(1, "2")};
  ASSERT_OK(log_->Append(commits));
  const auto cursor = log_->Read(kFirst, Position(1));
  const absl::string_view record = cursor->record();
  for (int i = 0; i < 200; ++i) ASSERT_OK(log_->Append({maker.Next(1, std::string(1000, 'x'))}));
  EXPECT_EQ(record, commits[0].record);
  cursor->Next();
  ASSERT_TRUE(cursor->Valid());
  EXPECT_EQ(cursor->record(), commits[1].record);
}

// Goal: a reader never sees a gap or half a commit while another thread appends.
TEST_P(EventLogContractTest, ReadersMayRaceTheAppender) {
  constexpr uint64_t kCommits = 300;
  std::thread appender([&] {
    CommitMaker maker(kFirst);
    for (uint32_t i = 0; i < kCommits; ++i) {
      ASSERT_OK(log_->Append({maker.Next(1 + i % 3)}));
    }
  });
  Position seen;
  while (seen.value() < 2 * kCommits) {
    const Position durable = log_->LastPosition(kFirst);
    const auto cursor = log_->Read(kFirst, seen.Next());
    for (; cursor->Valid(); cursor->Next()) {
      ASSERT_EQ(cursor->first(), seen.Next());
      ASSERT_OK_AND_ASSIGN(const CommitPlace place, PeekCommitPlace(cursor->record()));
      seen = place.last();
    }
    ASSERT_OK(cursor->status());
    ASSERT_GE(seen, durable);
  }
  appender.join();
  EXPECT_EQ(log_->LastPosition(kFirst), seen);
}

using EventLogContractDeathTest = EventLogContractTest;

TEST_P(EventLogContractDeathTest, GapsAndForeignRecordsAreOurBugs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(log_->Append({MakeCommit(kFirst, Position(2), 1, "{}")}).IgnoreError(),
               "invariant broken");
  StagedCommit foreign = MakeCommit(kFirst, Position(1), 1, "{}");
  foreign.partition = kSecond;
  EXPECT_DEATH(log_->Append({foreign}).IgnoreError(), "invariant broken");
}

INSTANTIATE_TEST_SUITE_P(Implementations, EventLogContractTest,
                         ::testing::Values(Implementation{"memory",
                                                          [](const std::string&) {
                                                            return std::make_unique<MemoryEventLog>(
                                                                MemoryEventLogOptions{
                                                                    .partition_count = 4});
                                                          }},
                                           Implementation{"rocksdb", OpenRocksDb}),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Implementations, EventLogContractDeathTest,
                         ::testing::Values(Implementation{"memory",
                                                          [](const std::string&) {
                                                            return std::make_unique<MemoryEventLog>(
                                                                MemoryEventLogOptions{
                                                                    .partition_count = 4});
                                                          }},
                                           Implementation{"rocksdb", OpenRocksDb}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace skald::storage
