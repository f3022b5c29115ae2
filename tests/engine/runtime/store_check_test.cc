// Goal: an examined store is told to be whole exactly when it is, and examining it changes no byte of
// it. Method: a store with everything in it (commits in tables and in a write-ahead file, views, an
// audit tree, a key); on copies, one bit is flipped at many places of every kind of file, or the file
// is cut or gone. Each copy is examined, then opened: whatever is not told about must be answered as
// before the damage.
#include "engine/runtime/store_check.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/projection/table_keys.h"
#include "engine/runtime/engine_impl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "skald/log/v1/event.pb.h"
#include "storage/commit_record.h"
#include "storage/data_directory.h"
#include "storage/keys.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/engine_driver.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::testing {
namespace {

namespace fs = std::filesystem;

using runtime::CheckStore;
using runtime::StoreReport;
using storage::StoreFinding;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kSagas = 60;

runtime::EngineOptions Options(const std::string& path) {
  runtime::EngineOptions options;
  options.data_dir = path;
  options.partition_count = 2;
  options.threads = 1;
  options.free_bytes_soft = options.free_bytes_hard = 0;
  options.broker.claim_window = 0;
  options.checkpoint_interval = 10 * kMillisecond;
  return options;
}

std::map<std::string, std::string> Contents(const std::string& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    contents[entry.path().string()].assign(std::istreambuf_iterator<char>(file), {});
  }
  return contents;
}

constexpr char kKinds[] = R"(model: kinds
events: [{}]
key: .type
init: {count: 0}
reduce: .count += 1
columns: {count: {type: integer}}
indexes: [count]
)";

class StoreCheckTest : public ::testing::Test {
 protected:
  // Twice, so that the first half is in tables.
  void SetUp() override {
    Fill(0);
    Fill(kSagas / 2);
    ASSERT_OK(Answers(Copy(), &whole_));
  }

  void Fill(int first) {
    auto engine = runtime::Engine::Open(Options(store_));
    ASSERT_OK(engine);
    EngineDriver driver(**engine);
    ASSERT_OK(driver.Deploy(kOrder));
    Awaited<runtime::DeployModelReply> deployed;
    (*engine)->DeployModel(kKinds, "ann", deployed.Callback());
    ASSERT_OK(deployed.Get());
    const auto worker = InstantWorker::Join(**engine, {"reserve", "charge", "release", "refund"});
    for (int i = first; i < first + kSagas / 2; ++i) {
      ASSERT_OK(driver.Start(absl::StrCat("s", i), "order"));
    }
    for (int i = first; i < first + kSagas / 2; ++i) {
      ASSERT_OK(driver.Wait({"test", absl::StrCat("s", i)}));
    }
    worker->Leave();
    // Rows come a moment after what they tell of, and the store is to have them.
    ASSERT_OK((*engine)->models().Open(
        "kinds", {.wait_until = After((*engine)->Now(), 60 * kSecond)}));
    AwaitCheckpoints(**engine);
    ASSERT_OK((*engine)->Shutdown());
  }

  // Until one of all that is in the log was kept of each partition.
  static void AwaitCheckpoints(runtime::Engine& engine) {
    for (uint32_t id = 0; id < 2; ++id) {
      const auto live = engine.auditor().GetCheckpoint(PartitionId(id), [] { return false; });
      ASSERT_OK(live.status());
      while (true) {
        const auto kept = engine.checkpoints().Newest(PartitionId(id));
        ASSERT_OK(kept.status());
        if (*kept && (*kept)->checkpoint.tree.size >= live->checkpoint.tree.size) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  }

  std::string Copy() {
    const std::string copy = folder_.Sub("copy");
    fs::remove_all(copy);
    fs::copy(store_, copy, fs::copy_options::recursive);
    return copy;
  }

  // What the store says of every saga, or why it does not open or answer.
  static absl::Status Answers(const std::string& path, std::vector<std::string>* answers) {
    absl::Status fatal;
    auto engine = runtime::OpenEngine(
        Options(path), {.clock = nullptr,
                        .fatal = [&](const absl::Status& status) { fatal = status; },
                        .log = nullptr,
                        .views = nullptr});
    if (!engine.ok()) return engine.status();
    EngineDriver driver(**engine);
    for (int i = 0; i < kSagas; ++i) {
      const SagaKey key{"test", absl::StrCat("s", i)};
      const auto view = driver.Get(key);
      if (!view.ok()) return view.status();
      std::string answer = absl::StrCat(saga::StatusName(view->status), view->output.ToText());
      absl::Status read;
      (*engine)->ReadHistory(
          key, Revision(0),
          [&](const runtime::RecordedEvent& event) {
            absl::StrAppend(&answer, " ", event.event->SerializeAsString());
            return true;
          },
          [&](absl::Status status) { read = std::move(status); });
      if (!read.ok()) return read;
      answers->push_back(std::move(answer));
    }
    if (!fatal.ok()) return fatal;
    return (*engine)->Shutdown();
  }

  // Examines a damaged copy and opens it.
  void Examine(const std::string& copy, const std::string& damage, bool* told) {
    SCOPED_TRACE(damage);
    const auto before = Contents(copy);
    const absl::StatusOr<StoreReport> report = CheckStore({.path = copy, .progress = {}});
    ASSERT_EQ(before, Contents(copy)) << "examining it changed it";
    ASSERT_OK(report);
    *told = !report->findings.empty();
    for (const StoreFinding& finding : report->findings) {
      EXPECT_NE(finding.where, "");
      EXPECT_NE(finding.what, "");
      EXPECT_NE(finding.mend, "");
    }
    std::vector<std::string> answers;
    const absl::Status opened = Answers(copy, &answers);
    // What is answered is right, whatever was damaged, unless the very end was cut off and told.
    if (opened.ok() && report->is_whole() && *told && answers != whole_) return;
    for (size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i], whole_[i]);
    if (!opened.ok()) {
      EXPECT_TRUE(*told) << opened << ", and nothing was said";
    }
  }

  TempFolder folder_{TempFolder::MemoryParent()};
  const std::string store_ = folder_.Sub("store");
  std::vector<std::string> whole_;
};

void Flip(const std::string& path, uint64_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const char byte = static_cast<char>(file.get() ^ 0x10);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(byte);
}

TEST_F(StoreCheckTest, AWholeStoreIsWhole) {
  const absl::StatusOr<StoreReport> report = CheckStore({.path = store_, .progress = {}});
  ASSERT_OK(report);
  EXPECT_THAT(report->findings, IsEmpty());
  EXPECT_EQ(report->partitions, 2u);
  EXPECT_EQ(report->sagas, static_cast<uint64_t>(kSagas));
  EXPECT_GT(report->events, report->commits);
  EXPECT_GT(report->rows, static_cast<uint64_t>(kSagas));
  EXPECT_GT(report->files, 2u);
}

TEST_F(StoreCheckTest, OneThatRunsOrIsNotThereIsNotExamined) {
  EXPECT_THAT(CheckStore({.path = folder_.Sub("none"), .progress = {}}),
              StatusIs(absl::StatusCode::kNotFound));
  auto engine = runtime::Engine::Open(Options(store_));
  ASSERT_OK(engine);
  EXPECT_THAT(CheckStore({.path = store_, .progress = {}}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("in use")));
}

// Every kind of file with data in it, at places all over it.
TEST_F(StoreCheckTest, AFlippedBitIsToldOrMeansNothing) {
  int flips = 0, told = 0;
  for (const auto& [name, content] : Contents(store_)) {
    const std::string base = fs::path(name).filename().string();
    const bool data = absl::EndsWith(base, ".sst") || absl::EndsWith(base, ".log") ||
                      absl::StartsWith(base, "MANIFEST") || base == "CURRENT" ||
                      base == "audit.key" || base == "audit_checkpoints";
    if (!data || content.empty()) continue;
    constexpr uint64_t kPlaces = 8;
    for (uint64_t place = 0; place < kPlaces; ++place) {
      const std::string copy = Copy();
      const std::string file = copy + name.substr(store_.size());
      const uint64_t at = place + 1 < kPlaces ? content.size() * place / kPlaces
                                              : content.size() - 1;
      Flip(file, at);
      bool is_told = false;
      Examine(copy, absl::StrCat(name, " at ", at), &is_told);
      ++flips;
      told += is_told ? 1 : 0;
      if (HasFailure()) return;
    }
  }
  // Some bits mean nothing: padding of a table's end, a key's line end.
  EXPECT_GT(told, flips * 3 / 4);
  std::printf("%d of %d flipped bits were told\n", told, flips);
}

TEST_F(StoreCheckTest, AFileThatIsCutOrGoneIsToldOrMeansNothing) {
  for (const auto& [name, content] : Contents(store_)) {
    const std::string base = fs::path(name).filename().string();
    if (base == "SKALD_LOCK" || base == "LOCK" || content.empty()) continue;
    const uint64_t lengths[] = {content.size() - 1, content.size() / 2, 0, UINT64_MAX};
    for (const uint64_t length : lengths) {
      const std::string copy = Copy();
      const std::string file = copy + name.substr(store_.size());
      if (length == UINT64_MAX) {
        fs::remove(file);
      } else {
        fs::resize_file(file, length);
      }
      bool is_told = false;
      Examine(copy, absl::StrCat(name, " cut to ", length), &is_told);
      if (HasFailure()) return;
    }
  }
}

TEST_F(StoreCheckTest, WhatIsWrongIsNamed) {
  const auto findings_with = [&](const auto& damage) {
    const std::string copy = Copy();
    damage(copy);
    const auto report = CheckStore({.path = copy, .progress = {}});
    EXPECT_OK(report);
    EXPECT_FALSE(report->is_whole());
    return report->findings;
  };
  const auto only = [](const std::string& folder, const std::string& end) {
    std::string found;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (absl::EndsWith(entry.path().string(), end) && fs::file_size(entry) > 0) {
        found = entry.path().string();
      }
    }
    return found;
  };
  EXPECT_THAT(findings_with([&](const std::string& copy) {
                const std::string file = only(copy + "/log", ".log");
                Flip(file, fs::file_size(file) / 2);
              }),
              Contains(Field(&StoreFinding::what, HasSubstr("what was acknowledged is lost"))));
  EXPECT_THAT(findings_with([&](const std::string& copy) {
                const std::string file = only(copy + "/views", ".sst");
                Flip(file, fs::file_size(file) / 3);
              }),
              Contains(Field(&StoreFinding::mend, HasSubstr("delete views/"))));
  EXPECT_THAT(findings_with([&](const std::string& copy) {
                fs::permissions(copy + "/audit.key", fs::perms::others_read,
                                fs::perm_options::add);
              }),
              Contains(Field(&StoreFinding::mend, HasSubstr("600"))));
  EXPECT_THAT(findings_with([&](const std::string& copy) {
                fs::remove(only(copy + "/log", ".log"));
              }),
              Contains(Field(&StoreFinding::what, HasSubstr("the log lost its end"))));
  EXPECT_THAT(
      findings_with([&](const std::string& copy) {
        const std::string file = copy + "/audit_checkpoints";
        Flip(file, fs::file_size(file) / 2);
      }),
      AllOf(Contains(Field(&StoreFinding::what, HasSubstr(", byte "))),
            Each(AllOf(Field(&StoreFinding::where, HasSubstr("audit_checkpoints")),
                       Field(&StoreFinding::mend, HasSubstr("put audit_checkpoints* away"))))));
  EXPECT_THAT(
      findings_with([&](const std::string& copy) { fs::remove(copy + "/audit_checkpoints"); }),
      ElementsAre(Field(&StoreFinding::what, HasSubstr("are gone with their file"))));
}

// Goal: a log that is not the one that checkpoints were signed of is found out, also without views.
// Method: the checkpoints of one store beside a log of the same name that has other commits.
TEST_F(StoreCheckTest, KeptCheckpointsAreComparedWithTheLog) {
  const std::string copy = Copy();
  Fill(kSagas);
  fs::copy_file(store_ + "/audit_checkpoints", copy + "/audit_checkpoints",
                fs::copy_options::overwrite_existing);
  fs::remove_all(copy + "/views");
  auto report = CheckStore({.path = copy, .progress = {}});
  ASSERT_OK(report);
  EXPECT_THAT(report->findings,
              Contains(AllOf(Field(&StoreFinding::severity, StoreFinding::Severity::kDamage),
                             Field(&StoreFinding::what, HasSubstr("kept checkpoint ")),
                             Field(&StoreFinding::what, HasSubstr(": the log has only ")))));
  // Half a checkpoint at the end is what a crash leaves.
  const std::string torn = Copy();
  const std::string file = torn + "/audit_checkpoints";
  const auto before = Contents(torn)[file];
  std::ofstream(file, std::ios::app) << before.substr(0, 100);
  report = CheckStore({.path = torn, .progress = {}});
  ASSERT_OK(report);
  EXPECT_TRUE(report->is_whole());
  EXPECT_THAT(report->findings, ElementsAre(Field(&StoreFinding::what, HasSubstr("was torn"))));
}

TEST_F(StoreCheckTest, RowsOfAuditTreesAreExamined) {
  const auto findings_with = [&](const std::string& row, std::optional<std::string> value) {
    const std::string copy = Copy();
    {
      auto store = storage::DataDirectory::Open({.path = copy, .create_if_missing = false});
      EXPECT_OK(store);
      EXPECT_OK(store->views->ApplyRows({{row, std::move(value)}}));
      EXPECT_OK(store->views->Flush());
    }
    const auto report = CheckStore({.path = copy, .progress = {}});
    EXPECT_OK(report);
    return report->findings;
  };
  std::map<std::string, std::string> rows;
  {
    auto store = storage::DataDirectory::Open({.path = Copy(), .create_if_missing = false});
    ASSERT_OK(store);
    const std::string prefix =
        storage::KeyBuilder(storage::Table::kAuditTree, PartitionId(1)).Build();
    ASSERT_OK(store->views->Scan(prefix, storage::PrefixEnd(prefix),
                                 [&](absl::string_view key, absl::string_view value) {
                                   rows.emplace(std::string(key), std::string(value));
                                   return true;
                                 }));
  }
  ASSERT_GE(rows.size(), 3u);  // its end, hashes, positions
  for (const auto& [row, value] : rows) {
    std::string changed = value;
    changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
    EXPECT_THAT(findings_with(row, changed),
                ElementsAre(AllOf(Field(&StoreFinding::where, HasSubstr("partition 1")),
                                  Field(&StoreFinding::what, HasSubstr("audit tree")))));
  }
  EXPECT_THAT(findings_with(rows.rbegin()->first, std::nullopt),
              ElementsAre(Field(&StoreFinding::what, HasSubstr("is missing"))));
}

// Goal: rows of read models are examined too. Method: rows are changed, taken and planted where RocksDB
// sees nothing wrong.
TEST_F(StoreCheckTest, RowsOfReadModelsAreExamined) {
  const auto findings_with = [&](const auto& change) {
    const std::string copy = Copy();
    {
      auto store = storage::DataDirectory::Open({.path = copy, .create_if_missing = false});
      EXPECT_OK(store);
      EXPECT_OK(store->views->ApplyRows(change(*store->views)));
      EXPECT_OK(store->views->Flush());
    }
    const auto report = CheckStore({.path = copy, .progress = {}});
    EXPECT_OK(report);
    return report->findings;
  };
  const auto first = [](const storage::Views& views, storage::Table table) {
    std::pair<std::string, std::string> found;
    const std::string prefix = storage::KeyBuilder(table, PartitionId(0)).Build();
    EXPECT_OK(views.Scan(prefix + '\0', storage::PrefixEnd(prefix),
                         [&](absl::string_view key, absl::string_view value) {
                           found = {std::string(key), std::string(value)};
                           return key == absl::string_view(prefix);  // the registry's own row
                         }));
    EXPECT_NE(found.first, "");
    return found;
  };
  using Changes = std::vector<storage::RowChange>;
  const auto is_damage = Field(&StoreFinding::severity, StoreFinding::Severity::kDamage);
  EXPECT_THAT(findings_with([&](const storage::Views& views) {
                const auto [key, value] = first(views, storage::Table::kModelRow);
                return Changes{{key, value.substr(0, value.size() - 1) + ",\"more\":1}"}};
              }),
              Contains(AllOf(is_damage, Field(&StoreFinding::what, HasSubstr("sum up to")),
                             Field(&StoreFinding::where, HasSubstr("read model '")))));
  EXPECT_THAT(findings_with([&](const storage::Views& views) {
                return Changes{{first(views, storage::Table::kModelRow).first, std::nullopt}};
              }),
              Contains(AllOf(is_damage, Field(&StoreFinding::what, HasSubstr("sum up to")))));
  EXPECT_THAT(findings_with([&](const storage::Views& views) {
                return Changes{{first(views, storage::Table::kModelRow).first, "{"}};
              }),
              Contains(AllOf(is_damage, Field(&StoreFinding::what, HasSubstr("cannot be read")))));
  EXPECT_THAT(findings_with([&](const storage::Views& views) {
                return Changes{{first(views, storage::Table::kModelIndex).first, std::nullopt}};
              }),
              Contains(AllOf(is_damage, Field(&StoreFinding::what, HasSubstr("; its rows make ")))));
  EXPECT_THAT(findings_with([&](const storage::Views& views) {
                const std::string entry = first(views, storage::Table::kModelIndex).first;
                return Changes{{entry, std::nullopt}, {entry + "x", ""}};
              }),
              Contains(AllOf(is_damage, Field(&StoreFinding::what,
                                              HasSubstr("entries that its rows do not make")))));
  EXPECT_THAT(findings_with([&](const storage::Views& views) {
                std::string last;
                const std::string prefix =
                    storage::KeyBuilder(storage::Table::kModelIndex, PartitionId(0)).Build();
                EXPECT_OK(views.Scan(prefix, storage::PrefixEnd(prefix),
                                     [&](absl::string_view key, absl::string_view) {
                                       last = std::string(key);
                                       return true;
                                     }));
                return Changes{{last, std::nullopt}};
              }),
              Contains(AllOf(is_damage, Field(&StoreFinding::where, HasSubstr("'kinds'")),
                             Field(&StoreFinding::what, HasSubstr("its index 'count' has ")))));
  EXPECT_THAT(findings_with([&](const storage::Views& views) {
                const std::string entry = first(views, storage::Table::kModelIndex).first;
                const uint64_t generation = storage::KeyParser(entry).Number();
                return Changes{{projection::IndexPrefix(generation, 1'000) + "x", ""}};
              }),
              Contains(AllOf(is_damage, Field(&StoreFinding::what, HasSubstr("of no index")))));
  EXPECT_THAT(findings_with([&](const storage::Views& views) {
                return Changes{{first(views, storage::Table::kModelCheckpoint).first, "?"}};
              }),
              Contains(AllOf(is_damage, Field(&StoreFinding::what, HasSubstr("checkpoint")))));
  EXPECT_THAT(findings_with([&](const storage::Views& views) {
                return Changes{{first(views, storage::Table::kModelRegistry).first, "[]"}};
              }),
              Contains(AllOf(is_damage, Field(&StoreFinding::what, HasSubstr("registry")))));
  const std::string left = projection::RowKey(1'000'000, "x");
  EXPECT_THAT(findings_with([&](const storage::Views&) { return Changes{{left, "{}"}}; }),
              Contains(AllOf(is_damage, Field(&StoreFinding::what, HasSubstr("no checkpoint")))));
  const auto [live, checkpoint] = [&] {
    const auto store = storage::DataDirectory::Open({.path = Copy(), .create_if_missing = false});
    return first(*store->views, storage::Table::kModelCheckpoint);
  }();
  EXPECT_THAT(findings_with([&, text = checkpoint](const storage::Views&) {
                return Changes{{left, "{}"}, {projection::CheckpointKey(1'000'000), text}};
              }),
              ElementsAre(AllOf(Not(is_damage), Field(&StoreFinding::what, HasSubstr("left over")))));
}

// Goal: what the next start could not fold is told of, though every byte is right. Method: a commit
// of a kind that this build does not know, behind views and without any.
TEST_F(StoreCheckTest, WhatCannotBeFoldedIsToldWhateverViewsHave) {
  for (const bool has_views : {true, false}) {
    SCOPED_TRACE(has_views);
    const std::string copy = Copy();
    Position position;
    {
      ASSERT_OK_AND_ASSIGN(const storage::DataDirectory store,
                           storage::DataDirectory::Open({.path = copy}));
      position = store.log->LastPosition(PartitionId(1)).Next();
      log::v1::CommitHeader header;
      header.set_format(storage::kCommitFormat);
      header.set_partition(1);
      header.set_first_position(position.value());
      header.set_count(1);
      header.set_namespace_("test");
      header.set_saga_id("of tomorrow");
      log::v1::EventBodies bodies;
      bodies.add_events();
      storage::StagedCommit commit{.partition = PartitionId(1), .first = position, .count = 1};
      storage::EncodeCommit(header, bodies.SerializeAsString(), {}, &commit.record);
      ASSERT_OK(store.log->Append({commit}));
    }
    if (!has_views) fs::remove_all(copy + "/views");
    ASSERT_OK_AND_ASSIGN(const StoreReport report, CheckStore({.path = copy, .progress = {}}));
    EXPECT_FALSE(report.is_whole());
    const std::string place = absl::StrCat("partition 1 is damaged at position ", position.value());
    EXPECT_THAT(report.findings, Contains(Field(&StoreFinding::what, HasSubstr(place))));
    std::vector<std::string> answers;
    EXPECT_THAT(Answers(copy, &answers),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(place), HasSubstr("If a newer build of Skald wrote it"))));
  }
}

}  // namespace
}  // namespace skald::testing
