// Goal: checkpoints are kept of what has grown, and a start finds a log that does not continue them.
// Method: a log in memory that grows, is cut and is written anew under a journal on disk.
#include "engine/audit/checkpoint_keeper.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "skald/log/v1/event.pb.h"
#include "storage/keys.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"
#include "tests/support/simulated_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::audit {
namespace {

using ::skald::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void Append(storage::MemoryEventLog& log, uint32_t partition, int commits, absl::string_view text) {
  for (int i = 0; i < commits; ++i) {
    log::v1::CommitHeader header;
    header.set_format(storage::kCommitFormat);
    header.set_partition(partition);
    header.set_first_position(log.LastPosition(PartitionId(partition)).value() + 1);
    header.set_count(1);
    storage::StagedCommit commit{.partition = PartitionId(partition),
                                 .first = Position(header.first_position()),
                                 .count = 1,
                                 .record = {}};
    storage::EncodeCommit(header, text, {}, &commit.record);
    ASSERT_OK(log.Append({commit}));
  }
}

class CheckpointKeeperTest : public ::testing::Test {
 protected:
  CheckpointKeeperTest() { NewLog(); }

  void NewLog() {
    keeper_ = nullptr;
    auditor_ = nullptr;
    log_ = std::make_unique<storage::MemoryEventLog>(
        storage::MemoryEventLogOptions{.partition_count = 3});
    if (keys_.empty()) keys_ = {SigningKey::Generate(StoreName(log_->store_id()))};
  }
  void DeleteViews() {
    keeper_ = nullptr;
    auditor_ = nullptr;
    views_ = std::make_unique<storage::MemoryViews>();
  }
  // As the start of an engine does.
  absl::Status Start(Micros interval = 0) {
    keeper_ = nullptr;
    auditor_ = std::make_unique<Auditor>(*log_, *views_, [this] { return keys_; });
    std::vector<std::string> notices;
    auto journal = CheckpointJournal::Open(
        {.path = folder_.Sub("audit_checkpoints"), .store_name = StoreName(log_->store_id())},
        &notices);
    EXPECT_OK(journal);
    journal_ = *std::move(journal);
    keeper_ = std::make_unique<CheckpointKeeper>(CheckpointKeeperParts{.log = *log_,
                                                                       .views = *views_,
                                                                       .auditor = *auditor_,
                                                                       .journal = *journal_,
                                                                       .clock = clock_},
                                                 interval);
    return keeper_->CheckKept();
  }
  // "partition:size" of each that was kept.
  std::vector<std::string> Kept() {
    std::vector<std::string> kept;
    const auto listed = journal_->List(std::nullopt, 0, 1'000);
    for (const KeptCheckpoint& each : *listed) {
      kept.push_back(absl::StrCat(each.partition.value(), ":", each.checkpoint.tree.size));
      EXPECT_OK(OpenCheckpoint(each.note, {keys_[0].verifier()}));
    }
    return kept;
  }

  testing::TempFolder folder_;
  testing::SimulatedClock clock_;
  std::vector<SigningKey> keys_;
  std::unique_ptr<storage::MemoryEventLog> log_;
  std::unique_ptr<storage::MemoryViews> views_ = std::make_unique<storage::MemoryViews>();
  std::unique_ptr<Auditor> auditor_;
  std::unique_ptr<CheckpointJournal> journal_;
  std::unique_ptr<CheckpointKeeper> keeper_;
};

TEST_F(CheckpointKeeperTest, KeepsOfWhatHasGrown) {
  ASSERT_OK(Start());
  Append(*log_, 0, 3, "a");
  Append(*log_, 2, 1, "a");
  ASSERT_OK(keeper_->Keep());
  EXPECT_THAT(Kept(), ElementsAre("0:3", "2:1"));
  ASSERT_OK(keeper_->Keep());
  EXPECT_THAT(Kept(), ElementsAre("0:3", "2:1"));
  Append(*log_, 2, 1, "b");
  ASSERT_OK(keeper_->Keep());
  EXPECT_THAT(Kept(), ElementsAre("0:3", "2:1", "2:2"));
  // A start alone is nothing new.
  ASSERT_OK(Start());
  ASSERT_OK(keeper_->Keep());
  EXPECT_THAT(Kept(), ElementsAre("0:3", "2:1", "2:2"));
}

TEST_F(CheckpointKeeperTest, AfterItsFileWasPutAwayItBeginsAnewForGood) {
  ASSERT_OK(Start());
  Append(*log_, 0, 3, "a");
  ASSERT_OK(keeper_->Keep());
  journal_ = nullptr;
  ASSERT_TRUE(std::filesystem::remove(folder_.Sub("audit_checkpoints")));
  // Twice, as the first may end before it keeps anything.
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(Start());
    EXPECT_OK(journal_->damage());
  }
  ASSERT_OK(keeper_->Keep());
  EXPECT_THAT(Kept(), ElementsAre("0:3"));
  ASSERT_OK(Start());
  EXPECT_OK(journal_->damage());
}

TEST_F(CheckpointKeeperTest, KeepsByItself) {
  ASSERT_OK(Start(10 * kMillisecond));
  Mutex mu;
  CondVar changed;
  bool kept = false;
  journal_->AddListener([&] {
    MutexLock lock(mu);
    kept = true;
    changed.NotifyAll();
  });
  keeper_->Start();
  Append(*log_, 1, 2, "a");
  {
    MutexLock lock(mu);
    for (int i = 0; i < 2'000 && !kept; ++i) changed.WaitFor(mu, std::chrono::milliseconds(10));
    EXPECT_TRUE(kept);
  }
  keeper_->Stop();
}

TEST_F(CheckpointKeeperTest, ALogThatLostItsEndDoesNotStart) {
  ASSERT_OK(Start());
  Append(*log_, 0, 300, "a");
  ASSERT_OK(keeper_->Keep());
  NewLog();
  Append(*log_, 0, 299, "a");
  // With the tree's rows, and without.
  EXPECT_THAT(Start(), StatusIs(absl::StatusCode::kDataLoss));
  DeleteViews();
  EXPECT_THAT(Start(), StatusIs(absl::StatusCode::kDataLoss,
                                HasSubstr("a checkpoint of 300 commits was signed and kept, but "
                                          "the log has 299")));
  Append(*log_, 0, 1, "a");
  EXPECT_OK(Start());
}

TEST_F(CheckpointKeeperTest, ALogThatWasRewrittenDoesNotStart) {
  ASSERT_OK(Start());
  Append(*log_, 0, 300, "a");
  ASSERT_OK(keeper_->Keep());
  NewLog();
  Append(*log_, 0, 300, "b");
  DeleteViews();
  EXPECT_THAT(Start(), StatusIs(absl::StatusCode::kDataLoss,
                                HasSubstr("first 300 commits are not those")));
}

TEST_F(CheckpointKeeperTest, WrongRowsOfTheTreeAreMendedNotBlamedOnTheLog) {
  ASSERT_OK(Start());
  Append(*log_, 0, 300, "a");
  ASSERT_OK(keeper_->Keep());
  const std::string prefix = storage::KeyBuilder(storage::Table::kAuditTree, PartitionId(0)).Build();
  std::vector<storage::RowChange> rows;
  ASSERT_OK(views_->Scan(prefix, storage::PrefixEnd(prefix),
                        [&](absl::string_view key, absl::string_view value) {
                          if (value.size() > 1'000) {
                            std::string changed(value);
                            changed[7] = static_cast<char>(changed[7] ^ 1);
                            rows.push_back({std::string(key), changed});
                          }
                          return true;
                        }));
  ASSERT_FALSE(rows.empty());
  ASSERT_OK(views_->ApplyRows(rows));
  EXPECT_OK(Start());
  EXPECT_OK(journal_->damage());
}

TEST_F(CheckpointKeeperTest, ADamagedJournalStopsNothingButItself) {
  ASSERT_OK(Start());
  Append(*log_, 0, 3, "a");
  ASSERT_OK(keeper_->Keep());
  const std::string path = folder_.Sub("audit_checkpoints");
  { std::ofstream(path, std::ios::trunc); }
  EXPECT_OK(Start());
  EXPECT_THAT(journal_->damage(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("its end was cut off")));
  EXPECT_THAT(keeper_->Keep(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_OK(auditor_->GetCheckpoint(PartitionId(0), [] { return false; }));
  // Put away, a new one begins.
  std::filesystem::remove(path);
  EXPECT_OK(Start());
  EXPECT_OK(journal_->damage());
  EXPECT_OK(keeper_->Keep());
  EXPECT_THAT(Kept(), ElementsAre("0:3"));
}

}  // namespace
}  // namespace skald::audit
