// Goal: checkpoints, proofs and exports of a growing log verify, across restarts and lost rows; a
// log that is no longer what its tree was made of is found out.
#include "engine/audit/auditor.h"

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "skald/log/v1/event.pb.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"
#include "tests/support/status_matchers.h"

namespace skald::audit {
namespace {

using ::skald::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr PartitionId kPartition{1};

bool Never() { return false; }

// A partition's log that can be written anew.
class Log {
 public:
  storage::MemoryEventLog& log() { return *log_; }

  void Append(const std::string& saga_id, absl::string_view payload = "{}") {
    log::v1::CommitHeader header;
    header.set_format(storage::kCommitFormat);
    header.set_partition(kPartition.value());
    header.set_first_position(log_->LastPosition(kPartition).value() + 1);
    header.set_count(1);
    header.set_namespace_("shop");
    header.set_saga_id(saga_id);
    header.set_first_revision(commits_[saga_id].size());
    log::v1::EventBodies bodies;
    bodies.add_events()->mutable_saga_completed();
    storage::StagedCommit commit{.partition = kPartition,
                                 .first = Position(header.first_position()),
                                 .count = 1,
                                 .record = {}};
    storage::EncodeCommit(header, bodies.SerializeAsString(), {payload}, &commit.record);
    ASSERT_OK(log_->Append({commit}));
    commits_[saga_id].push_back(commit.first);
  }
  const std::vector<Position>& commits(const std::string& saga_id) { return commits_[saga_id]; }

 private:
  std::unique_ptr<storage::MemoryEventLog> log_ = std::make_unique<storage::MemoryEventLog>(
      storage::MemoryEventLogOptions{.partition_count = 2});
  std::map<std::string, std::vector<Position>> commits_;
};

class AuditorTest : public ::testing::Test {
 protected:
  AuditorTest() { Restart(); }

  void Restart() { auditor_ = MakeAuditor(log_); }
  std::unique_ptr<Auditor> MakeAuditor(Log& log) {
    return std::make_unique<Auditor>(log.log(), views_, [this] { return keys_; });
  }
  void Fill(Log& log, int commits, absl::string_view payload = "{}") {
    for (int i = 0; i < commits; ++i) log.Append(absl::StrCat("s-", i % 5), payload);
  }
  absl::StatusOr<std::string> Export(const std::string& saga_id,
                                     std::optional<uint64_t> old_size = std::nullopt) {
    SKALD_ASSIGN_OR_RETURN(auto saga_export, auditor_->ExportSaga({.saga = {"shop", saga_id},
                                                                   .partition = kPartition,
                                                                   .commits = log_.commits(saga_id),
                                                                   .old_size = old_size},
                                                                  Never));
    std::string text;
    while (true) {
      SKALD_ASSIGN_OR_RETURN(const std::string piece, saga_export->Next());
      if (piece.empty()) return text;
      text += piece;
    }
  }
  // The problems of an export, told in lines.
  std::vector<std::string> Problems(const std::string& text,
                                    std::optional<Checkpoint> since = std::nullopt) {
    const auto bundle = ParseBundle(text);
    if (!bundle.ok()) return {bundle.status().ToString()};
    std::vector<std::string> lines;
    const BundleReport report =
        VerifyBundle(*bundle, {.keys = *auditor_->GetKeys(), .since = since, .ended = true});
    for (const BundleProblem& problem : report.problems) {
      lines.push_back(absl::StrCat(problem.place, ": ", problem.what));
    }
    return lines;
  }

  Log log_;
  storage::MemoryViews views_;
  std::vector<SigningKey> keys_{SigningKey::Generate(StoreName("memory-log-store"))};
  std::unique_ptr<Auditor> auditor_;
};

TEST_F(AuditorTest, CheckpointsGrowWithTheLogAndAreConsistent) {
  auto old_checkpoint = auditor_->GetCheckpoint(kPartition, Never);
  ASSERT_OK(old_checkpoint.status());
  EXPECT_EQ(old_checkpoint->checkpoint.tree, (TreeHead{0, EmptyRoot()}));
  for (const int more : {1, 3, 300, 7}) {
    Fill(log_, more);
    const uint64_t old_size = old_checkpoint->checkpoint.tree.size;
    const auto answer = auditor_->ProveConsistency(kPartition, old_size, Never);
    ASSERT_OK(answer.status());
    EXPECT_TRUE(VerifyConsistency(old_checkpoint->checkpoint.tree,
                                  answer->checkpoint.checkpoint.tree, answer->proof.path));
    EXPECT_EQ(answer->proof.old_tree, old_checkpoint->checkpoint.tree);
    const auto opened = OpenCheckpoint(answer->checkpoint.note, *auditor_->GetKeys());
    ASSERT_OK(opened.status());
    EXPECT_EQ(*opened, answer->checkpoint.checkpoint);
    EXPECT_EQ(opened->tree.size, old_size + static_cast<uint64_t>(more));
    old_checkpoint = answer->checkpoint;
    Restart();
  }
  // The other partition has a tree of its own.
  EXPECT_EQ(auditor_->GetCheckpoint(PartitionId(0), Never)->checkpoint.tree.size, 0u);
}

TEST_F(AuditorTest, ExportsVerifyAlsoAfterARestartAndWithoutRows) {
  Fill(log_, 700);
  const auto kept = auditor_->GetCheckpoint(kPartition, Never);
  ASSERT_OK(kept.status());
  Fill(log_, 40);
  const auto text = Export("s-3", kept->checkpoint.tree.size);
  ASSERT_OK(text.status());
  EXPECT_THAT(Problems(*text, kept->checkpoint), IsEmpty());
  Restart();
  EXPECT_EQ(*Export("s-3", kept->checkpoint.tree.size), *text);
  // Nothing of the rows is left: the same tree comes back from the log.
  ASSERT_OK(TileTree(views_, kPartition).Clear());
  Restart();
  EXPECT_EQ(*Export("s-3", kept->checkpoint.tree.size), *text);
}

TEST_F(AuditorTest, ARewrittenCommitIsFoundOut) {
  Fill(log_, 30);
  const auto kept = auditor_->GetCheckpoint(kPartition, Never);
  ASSERT_OK(kept.status());
  // The same log but for one payload, under the rows of the old one.
  Log rewritten;
  for (int i = 0; i < 30; ++i) {
    rewritten.Append(absl::StrCat("s-", i % 5), i == 13 ? "{\"paid\":true}" : "{}");
  }
  log_ = std::move(rewritten);
  Restart();
  const auto refused = Export("s-3");
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("14")));
  EXPECT_TRUE(HasReason(refused.status(), ErrorReason::kLogCorrupt));
  // Rows made anew hide nothing from who kept a checkpoint.
  ASSERT_OK(TileTree(views_, kPartition).Clear());
  Restart();
  const auto text = Export("s-3");
  ASSERT_OK(text.status());
  EXPECT_THAT(Problems(*text), IsEmpty());
  EXPECT_THAT(Problems(*text, kept->checkpoint),
              ::testing::Contains(HasSubstr("rewritten or forked")));
}

TEST_F(AuditorTest, ALogThatLostItsEndIsFoundOut) {
  Fill(log_, 30);
  ASSERT_OK(auditor_->GetCheckpoint(kPartition, Never).status());
  Log shorter;
  Fill(shorter, 20);
  EXPECT_OK(auditor_->CheckLog());
  log_ = std::move(shorter);
  Restart();
  EXPECT_THAT(auditor_->CheckLog(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(auditor_->GetCheckpoint(kPartition, Never), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_OK(TileTree(views_, kPartition).Clear());
  Restart();
  EXPECT_THAT(auditor_->ProveConsistency(kPartition, 30, Never),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(AuditorTest, WhoGivesUpIsNotKeptAndLosesNothing) {
  Fill(log_, 20'000);
  EXPECT_THAT(auditor_->GetCheckpoint(kPartition, [] { return true; }),
              StatusIs(absl::StatusCode::kCancelled));
  const auto checkpoint = auditor_->GetCheckpoint(kPartition, Never);
  ASSERT_OK(checkpoint.status());
  EXPECT_EQ(checkpoint->checkpoint.tree.size, 20'000u);
}

TEST_F(AuditorTest, ManyMayAskWhileTheLogGrows) {
  Fill(log_, 500);
  const std::vector<Position> commits = log_.commits("s-3");
  const std::vector<VerifierKey> keys = *auditor_->GetKeys();
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 3; ++reader) {
    readers.emplace_back([&] {
      TreeHead before;
      for (int round = 0; round < 20; ++round) {
        const auto answer = auditor_->ProveConsistency(kPartition, before.size, Never);
        ASSERT_OK(answer.status());
        const TreeHead& now = answer->checkpoint.checkpoint.tree;
        EXPECT_TRUE(round == 0 || VerifyConsistency(before, now, answer->proof.path));
        before = now;
        auto saga_export = auditor_->ExportSaga(
            {.saga = {"shop", "s-3"}, .partition = kPartition, .commits = commits}, Never);
        ASSERT_OK(saga_export.status());
        std::string text;
        for (std::string piece = *(*saga_export)->Next(); !piece.empty();
             piece = *(*saga_export)->Next()) {
          text += piece;
        }
        EXPECT_TRUE(VerifyBundle(*ParseBundle(text), {.keys = keys}).ok());
      }
    });
  }
  Fill(log_, 3'000);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(auditor_->GetCheckpoint(kPartition, Never)->checkpoint.tree.size, 3'500u);
}

TEST_F(AuditorTest, KeysMayBeRotatedMeanwhile) {
  Fill(log_, 3);
  const VerifierKey first = keys_.front().verifier();
  keys_.insert(keys_.begin(), SigningKey::Generate(auditor_->store_name()));
  const auto checkpoint = auditor_->GetCheckpoint(kPartition, Never);
  ASSERT_OK(checkpoint.status());
  EXPECT_TRUE(OpenCheckpoint(checkpoint->note, {first}).ok());
  EXPECT_TRUE(OpenCheckpoint(checkpoint->note, {keys_.front().verifier()}).ok());
  EXPECT_EQ(auditor_->GetKeys()->size(), 2u);
}

}  // namespace
}  // namespace skald::audit
