// Goal: a verification finds what does not follow from the log, and nothing else. Method: rows are
// planted, changed and deleted under a partition that stands still.
#include "engine/runtime/verify.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/runtime/engine_impl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "engine/partition/rows.h"
#include "storage/keys.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/engine_driver.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

using runtime::VerifyReport;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() : log_({.partition_count = 1}) {
    runtime::EngineOptions options;
    options.threads = 1;
    auto engine = runtime::OpenEngine(options, {.log = &log_, .views = &views_});
    EXPECT_OK(engine);
    engine_ = *std::move(engine);
    EngineDriver call(*engine_);
    EXPECT_OK(call.Deploy(kOrder));
    EXPECT_OK(call.Start("s1", "order"));
    EXPECT_OK(call.Start("s2", "order"));
  }

  VerifyReport Verify() {
    absl::StatusOr<VerifyReport> report = engine_->Verify(nullptr);
    EXPECT_OK(report);
    return report.ok() ? *report : VerifyReport();
  }
  void Change(std::string key, std::optional<std::string> value) {
    const Position applied = *views_.AppliedPosition(PartitionId(0));
    ASSERT_OK(views_.Apply(PartitionId(0), {{std::move(key), std::move(value)}}, applied));
  }
  static std::string SagaRow(const std::string& id) {
    return partition::SagaRowKey(PartitionId(0), {"test", id});
  }

  storage::MemoryEventLog log_;
  storage::MemoryViews views_;
  std::unique_ptr<runtime::Engine> engine_;
};

TEST_F(VerifyTest, FindsNothingWhereNothingIs) {
  const VerifyReport report = Verify();
  EXPECT_THAT(report.differences, IsEmpty());
  EXPECT_EQ(report.commits, 3u);
  EXPECT_EQ(report.sagas, 2u);
  EXPECT_EQ(report.running, 2u);
  EXPECT_GT(report.rows, 4u);
}

TEST_F(VerifyTest, FindsWhatWasChangedPlantedAndDeleted) {
  Verify();
  const std::string first = **views_.Get(SagaRow("s1"));
  Change(SagaRow("s1"), **views_.Get(SagaRow("s2")));
  EXPECT_THAT(Verify().differences, ElementsAre(HasSubstr("'test/s1' is not what the log says")));
  Change(SagaRow("s1"), std::nullopt);
  EXPECT_THAT(Verify().differences, ElementsAre(HasSubstr("'test/s1' is missing")));
  Change(SagaRow("s1"), first);
  Change(SagaRow("s3"), first);
  EXPECT_THAT(Verify().differences,
              ElementsAre(HasSubstr("'test/s3' exists, but does not follow")));
  Change(SagaRow("s3"), std::nullopt);
  Change(partition::TimerKey(PartitionId(0), {"test", "s1"},
                             {Timestamp(7), saga::FrameId(1), saga::FireTimer::Kind::kDue}),
         "");
  EXPECT_THAT(Verify().differences, ElementsAre(HasSubstr("timer")));
}

// Goal: rows are compared piece by piece, and none is missed or told of twice. Method: more than some
// pieces, and changes all over them.
TEST_F(VerifyTest, FindsEachChangeAmongManyRows) {
  constexpr int kSagas = 2'500;
  EngineDriver call(*engine_);
  for (int i = 3; i <= kSagas; ++i) ASSERT_OK(call.Start(absl::StrCat("s", i), "order"));
  const VerifyReport report = Verify();
  EXPECT_THAT(report.differences, IsEmpty());
  EXPECT_EQ(report.sagas, uint64_t{kSagas});
  const std::string row = **views_.Get(SagaRow("s1"));
  for (int i = 1; i <= kSagas; i += 499) {
    const std::string id = absl::StrCat("s", i);
    const std::string before = **views_.Get(SagaRow(id));
    Change(SagaRow(id), std::nullopt);
    EXPECT_THAT(Verify().differences,
                ElementsAre(HasSubstr(absl::StrCat("'test/", id, "' is missing"))));
    Change(SagaRow(id), before);
  }
  for (const char* id : {"a", "s1000x", "zz"}) {
    Change(SagaRow(id), row);
    EXPECT_THAT(Verify().differences, ElementsAre(HasSubstr("exists, but does not follow")));
    Change(SagaRow(id), std::nullopt);
  }
}

TEST_F(VerifyTest, FindsChangedRowsOfAuditTrees) {
  const auto never = [] { return false; };
  ASSERT_OK(engine_->auditor().GetCheckpoint(PartitionId(0), never));
  VerifyReport report = Verify();
  EXPECT_THAT(report.differences, IsEmpty());
  EXPECT_EQ(report.leaves, 3u);
  const std::string prefix =
      storage::KeyBuilder(storage::Table::kAuditTree, PartitionId(0)).Build();
  std::vector<storage::RowChange> rows;
  ASSERT_OK(views_.Scan(prefix, storage::PrefixEnd(prefix),
                        [&](absl::string_view key, absl::string_view value) {
                          rows.push_back({std::string(key), std::string(value)});
                          return true;
                        }));
  ASSERT_EQ(rows.size(), 3u);  // its end, hashes, positions
  for (const storage::RowChange& row : rows) {
    std::string changed = *row.value;
    changed.back() = static_cast<char>(changed.back() ^ 1);
    ASSERT_OK(views_.ApplyRows({{row.key, changed}}));
    EXPECT_THAT(Verify().differences, ElementsAre(HasSubstr("partition 0: audit tree, ")));
    ASSERT_OK(views_.ApplyRows({row}));
  }
  ASSERT_OK(views_.ApplyRows({{rows[1].key, std::nullopt}}));
  EXPECT_THAT(Verify().differences, ElementsAre(HasSubstr("hashes of tile 0/0 is missing")));
  ASSERT_OK(views_.ApplyRows({rows[1]}));
  ASSERT_OK(views_.ApplyRows({{rows[1].key + "x", "planted"}}));
  EXPECT_THAT(Verify().differences, ElementsAre(HasSubstr("does not follow from the log")));
}

TEST_F(VerifyTest, ComparesKeptCheckpointsWithTheLog) {
  const auto never = [] { return false; };
  ASSERT_OK_AND_ASSIGN(const audit::SignedCheckpoint good,
                       engine_->auditor().GetCheckpoint(PartitionId(0), never));
  const auto keep = [&](const audit::Checkpoint& checkpoint, const std::string& note) {
    const audit::NewCheckpoint kept{PartitionId(0), checkpoint, note};
    ASSERT_OK(engine_->checkpoints().Append({kept}, engine_->Now()));
  };
  keep(good.checkpoint, good.note);
  VerifyReport report = Verify();
  EXPECT_THAT(report.differences, IsEmpty());
  EXPECT_EQ(report.checkpoints, 1u);
  // Signed, in part by a key that is not known here, but of no log that ever was.
  const audit::SigningKey other = audit::SigningKey::Generate(engine_->auditor().store_name());
  audit::Checkpoint bad = good.checkpoint;
  bad.tree.root.bytes[0] ^= 1;
  keep(bad, audit::SignNote(bad.ToText(), {other}));
  bad = good.checkpoint;
  bad.tree.size = 17;
  keep(bad, audit::SignNote(bad.ToText(), {other}));
  EXPECT_THAT(Verify().differences,
              ElementsAre(HasSubstr("kept checkpoint 2 of 3 commits: its root is not"),
                          HasSubstr("kept checkpoint 3 of 17 commits: the log has only 3")));
}

TEST_F(VerifyTest, AForgedCheckpointSaysNothingOfTheLog) {
  const auto never = [] { return false; };
  ASSERT_OK_AND_ASSIGN(const audit::SignedCheckpoint good,
                       engine_->auditor().GetCheckpoint(PartitionId(0), never));
  audit::Checkpoint forged = good.checkpoint;
  forged.tree.root.bytes[0] ^= 1;
  const std::string note =
      absl::StrCat(forged.ToText(), good.note.substr(good.checkpoint.ToText().size()));
  ASSERT_OK(engine_->checkpoints().Append({{PartitionId(0), forged, note}}, engine_->Now()));
  EXPECT_THAT(Verify().differences,
              ElementsAre(HasSubstr("kept checkpoint 1: its signature is wrong")));
}

TEST_F(VerifyTest, TellsHowItGoes) {
  int calls = 0;
  ASSERT_OK(engine_->Verify([&](const VerifyReport&) { return ++calls > 0; }));
  EXPECT_THAT(engine_->Verify([](const VerifyReport&) { return false; }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_GT(calls, 0);
}

}  // namespace
}  // namespace skald::testing
