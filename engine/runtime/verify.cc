#include "engine/runtime/verify.h"

#include <future>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/partition/dedup.h"
#include "engine/partition/fold.h"
#include "engine/partition/rows.h"
#include "engine/runtime/engine_impl.h"
#include "engine/runtime/guarded_done.h"
#include "engine/runtime/verify_audit.h"
#include "storage/memory/memory_views.h"

namespace skald::runtime {
namespace {

using storage::Table;

constexpr uint64_t kSealEvents = 10'000;
constexpr size_t kDifferencesMax = 100;
// Rows that are compared at a time; all rows of one saga's stream index are.
constexpr size_t kRowsAtOnce = 1'000;
// At the end of a key of the stream index.
constexpr size_t kRevisionBytes = 8;

// Every table that is folded from the log.
constexpr Table kTables[] = {Table::kSaga,      Table::kStreamIndex, Table::kTimer,
                             Table::kReadyTask, Table::kDedup,       Table::kDedupExpiry,
                             Table::kMailboxIn, Table::kMailboxOut,  Table::kDefinition,
                             Table::kModel};

absl::string_view NameOf(Table table) {
  switch (table) {
    case Table::kSaga: return "saga";
    case Table::kStreamIndex: return "stream index";
    case Table::kTimer: return "timer";
    case Table::kReadyTask: return "ready task";
    case Table::kDedup: return "remembered request";
    case Table::kDedupExpiry: return "expiry of a remembered request";
    case Table::kMailboxIn:
    case Table::kMailboxOut: return "mailbox mark";
    case Table::kDefinition: return "definition";
    case Table::kModel: return "read model";
    case Table::kApplied:
    case Table::kDefinitionHash:
    case Table::kIncident:
    case Table::kIdentity:
    case Table::kAuditTree:
    case Table::kModelRegistry:
    case Table::kModelCheckpoint:
    case Table::kModelRow:
    case Table::kModelIndex:
    case Table::kModelVersion:
    case Table::kModelPoison: break;
  }
  return "row";
}

std::string Describe(const ComparableRow& row) {
  const storage::KeyParser parser(row.key);
  std::string name = absl::CHexEscape(row.key.substr(5));
  if (parser.table() == Table::kSaga) {
    const absl::StatusOr<SagaKey> saga = partition::ParseSagaRowKey(row.key);
    if (saga.ok()) name = absl::StrCat("'", saga->namespace_name, "/", saga->saga_id, "'");
  }
  return absl::StrCat("partition ", parser.partition().value(), ": ", NameOf(parser.table()), " ",
                      name);
}

bool IsExpired(Table table, absl::string_view key, absl::string_view value, Timestamp now) {
  Timestamp time = now;
  if (table == Table::kDedup) {
    const auto row = partition::DecodeDedup(value);
    if (row.ok()) time = row->time;
  } else if (table == Table::kDedupExpiry) {
    const auto row = partition::ParseDedupExpiryKey(key);
    if (row.ok()) time = row->time;
  }
  return After(time, partition::kRequestsRemembered) <= now;
}

// Appends a window's row of the stream index to the row of its saga.
absl::Status MergeIndex(absl::string_view key, absl::string_view value, std::string& saga_key,
                        partition::History& commits, std::vector<ComparableRow>& out) {
  const absl::string_view saga = key.substr(0, key.size() - kRevisionBytes);
  if (saga != absl::string_view(saga_key)) {
    if (!commits.empty()) out.push_back({saga_key, partition::EncodeStreamIndex(commits)});
    commits.clear();
    saga_key = std::string(saga);
  }
  return partition::DecodeStreamIndex(key, value, &commits);
}

void Differ(std::string sentence, VerifyReport& report) {
  if (report.differences.size() < kDifferencesMax)
    report.differences.push_back(std::move(sentence));
}

void Compare(const std::vector<ComparableRow>& replayed, const std::vector<ComparableRow>& live,
             VerifyReport& report) {
  const auto differ = [&](const ComparableRow& row, absl::string_view how) {
    Differ(absl::StrCat(Describe(row), " ", how), report);
  };
  auto mine = live.begin();
  for (const ComparableRow& row : replayed) {
    for (; mine != live.end() && mine->key < row.key; ++mine) {
      differ(*mine, "exists, but does not follow from the log");
    }
    ++report.rows;
    if (mine == live.end() || mine->key != row.key) {
      differ(row, "is missing");
      continue;
    }
    if (mine->value != row.value) differ(row, "is not what the log says");
    ++mine;
  }
  for (; mine != live.end(); ++mine) differ(*mine, "exists, but does not follow from the log");
}

// Rows of a table with begin <= key < end.
struct RowRange {
  Table table;
  std::string begin, end;
};

absl::Status AddComparable(const storage::ViewSnapshot& rows, const RowRange& range, Timestamp now,
                           std::vector<ComparableRow>& out) {
  absl::Status malformed;
  std::string saga_key;
  partition::History commits;
  SKALD_RETURN_IF_ERROR(
      rows.Scan(range.begin, range.end, [&](absl::string_view key, absl::string_view value) {
        if (range.table == Table::kStreamIndex) {
          malformed = MergeIndex(key, value, saga_key, commits, out);
        } else if (!IsExpired(range.table, key, value, now)) {
          out.push_back({std::string(key), std::string(value)});
        }
        return malformed.ok();
      }));
  SKALD_RETURN_IF_ERROR(malformed);
  if (!commits.empty()) out.push_back({saga_key, partition::EncodeStreamIndex(commits)});
  return absl::OkStatus();
}

// Cuts the range where kRowsAtOnce of its rows end.
absl::Status Cut(const storage::ViewSnapshot& rows, RowRange& range) {
  size_t count = 0;
  std::string end = range.end;
  SKALD_RETURN_IF_ERROR(
      rows.Scan(range.begin, range.end, [&](absl::string_view key, absl::string_view) {
        if (count++ < kRowsAtOnce) return true;
        if (range.table == Table::kStreamIndex) key.remove_suffix(kRevisionBytes);
        if (key <= absl::string_view(range.begin)) return true;
        end = std::string(key);
        return false;
      }));
  range.end = std::move(end);
  return absl::OkStatus();
}

absl::Status CountSagas(const std::vector<ComparableRow>& rows, VerifyReport& report) {
  for (const ComparableRow& row : rows) {
    if (storage::KeyParser(row.key).table() != Table::kSaga) continue;
    SKALD_ASSIGN_OR_RETURN(const saga::SagaState state, saga::DecodeState(row.value));
    ++report.sagas;
    const saga::Status status = saga::StatusOf(state);
    if (saga::IsEnded(status)) {
      ++report.ended;
    } else if (status == saga::Status::kSuspended) {
      ++report.suspended;
    } else {
      ++report.running;
    }
  }
  return absl::OkStatus();
}

// Compares a piece of each table at a time, so that rows are not all copied at once.
absl::Status CompareTables(const CapturedRows& captured, const storage::ViewSnapshot& replayed_rows,
                           Timestamp now, const std::function<bool(const VerifyReport&)>& progress,
                           VerifyReport& report) {
  std::vector<ComparableRow> replayed, live;
  for (const Table table : kTables) {
    std::string begin = partition::TablePrefix(table, captured.partition);
    const std::string table_end = storage::PrefixEnd(begin);
    while (begin != table_end) {
      RowRange range{table, begin, table_end};
      SKALD_RETURN_IF_ERROR(Cut(replayed_rows, range));
      replayed.clear();
      live.clear();
      SKALD_RETURN_IF_ERROR(AddComparable(replayed_rows, range, now, replayed));
      SKALD_RETURN_IF_ERROR(AddComparable(*captured.rows, range, now, live));
      SKALD_RETURN_IF_ERROR(CountSagas(replayed, report));
      Compare(replayed, live, report);
      if (progress && !progress(report))
        return absl::CancelledError("nobody waits for it any more");
      begin = range.end;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ComparableRow>> ComparableRows(const storage::ViewSnapshot& rows,
                                                          PartitionId partition, Timestamp now) {
  std::vector<ComparableRow> out;
  for (const Table table : kTables) {
    const std::string prefix = partition::TablePrefix(table, partition);
    SKALD_RETURN_IF_ERROR(
        AddComparable(rows, {table, prefix, storage::PrefixEnd(prefix)}, now, out));
  }
  return out;
}

absl::Status VerifyPartition(const CapturedRows& captured, const storage::EventLog& log,
                             partition::ProgramSource& programs,
                             const std::function<bool(const VerifyReport&)>& progress,
                             VerifyReport& report, AuditCheck* audit) {
  storage::MemoryViews views;
  partition::Fold fold({.partition = captured.partition}, views, programs);
  const auto seal = [&]() -> absl::Status {
    report.events += fold.unsealed_events();
    SKALD_RETURN_IF_ERROR(fold.Seal());
    if (progress && !progress(report)) return absl::CancelledError("nobody waits for it any more");
    return fold.WriteSealed(views);
  };
  const auto cursor = log.Read(captured.partition, Position(1));
  for (; fold.last_position() < captured.position && cursor->Valid(); cursor->Next()) {
    SKALD_RETURN_IF_ERROR(fold.Replay(cursor->record()));
    if (audit != nullptr) SKALD_RETURN_IF_ERROR(audit->Add(cursor->record()));
    ++report.commits;
    if (fold.unsealed_events() >= kSealEvents) SKALD_RETURN_IF_ERROR(seal());
  }
  SKALD_RETURN_IF_ERROR(cursor->status());
  if (fold.last_position() != captured.position) {
    return LogCorruptError(captured.partition, fold.last_position().Next(), "the log ends early");
  }
  SKALD_RETURN_IF_ERROR(seal());
  SKALD_RETURN_IF_ERROR(
      CompareTables(captured, *views.Snapshot(), fold.last_time(), progress, report));
  if (audit == nullptr) return absl::OkStatus();
  std::vector<std::string> audited;
  SKALD_RETURN_IF_ERROR(audit->FinishTree(audited));
  SKALD_RETURN_IF_ERROR(audit->CompareKept(audited));
  report.leaves += audit->leaves();
  for (const std::string& each : audited) {
    Differ(absl::StrCat("partition ", captured.partition.value(), ": ", each), report);
  }
  return absl::OkStatus();
}

// ---- The engine's side ----

absl::StatusOr<VerifyReport> EngineImpl::Verify(
    std::function<bool(const VerifyReport&)> progress) {
  using Rows = CapturedRows;
  SKALD_RETURN_IF_ERROR(CheckServing(PartitionId(0)));
  VerifyReport report;
  // Before the rows: what was kept by now is durable in each partition's rows that follow.
  // Without keys signatures stay unchecked; whoever asks for a checkpoint is told what is wrong.
  std::vector<std::string> of_journal;
  const KeptCheckpoints kept = ReadKept(
      *journal_, auditor_->GetKeys().value_or(std::vector<audit::VerifierKey>()), of_journal);
  for (const auto& [partition, heads] : kept) report.checkpoints += heads.size();
  for (std::string& each : of_journal) Differ(std::move(each), report);
  std::vector<std::promise<absl::StatusOr<Rows>>> promises(partitions_.size());
  for (size_t i = 0; i < partitions_.size(); ++i) {
    const PartitionId id(static_cast<uint32_t>(i));
    partition::Done<Rows> done = [&promise = promises[i]](absl::StatusOr<Rows> rows) {
      promise.set_value(std::move(rows));
    };
    ThreadOf(id).Post([&partition = *partitions_[i],
                       guarded = GuardedDone<Rows>(id, std::move(done))]() mutable {
      partition.Capture([id = partition.id(), finish = guarded.Release()](
                            std::unique_ptr<storage::ViewSnapshot> rows,
                            Position position) mutable {
        if (rows == nullptr) {
          return std::move(finish)(PartitionNotServingError(id, "it was rebuilt meanwhile"));
        }
        std::move(finish)(Rows{id, position, std::move(rows)});
      });
    });
  }
  // All of them first: the partitions' rows are then as of about the same moment.
  std::vector<absl::StatusOr<Rows>> captured;
  for (auto& promise : promises) captured.push_back(promise.get_future().get());
  for (absl::StatusOr<Rows>& rows : captured) {
    SKALD_RETURN_IF_ERROR(rows.status());
    AuditCheck audit(rows->partition, *rows->rows, kept);
    SKALD_RETURN_IF_ERROR(VerifyPartition(*rows, *log_, programs_, progress, report, &audit));
    rows->rows.reset();
  }
  SKALD_RETURN_IF_ERROR(VerifyModels(progress, report));
  return report;
}

// Each model's rows must be what folding came to, and a second folding must come to the same.
absl::Status EngineImpl::VerifyModels(const std::function<bool(const VerifyReport&)>& progress,
                                      VerifyReport& report) {
  SKALD_ASSIGN_OR_RETURN(const std::vector<std::string> damaged, projector_->CheckRows());
  report.differences.insert(report.differences.end(), damaged.begin(), damaged.end());
  for (const projection::ModelStatus& model : projector_->GetStatus()) {
    // One that stands still, or is being built, has nothing to be compared with; nor has a copy. A
    // check in the background makes way.
    const bool is_built = model.build && !model.build->is_check;
    if (model.generation == 0 || model.stopped || is_built || model.copy_as_of) continue;
    const absl::StatusOr<projection::RebuildResult> rebuilt = projector_->Rebuild(
        model.name, {.check_only = true}, [&] { return progress && !progress(report); });
    if (absl::IsCancelled(rebuilt.status())) return rebuilt.status();
    if (HasReason(rebuilt.status(), ErrorReason::kModelNotFound) ||
        HasReason(rebuilt.status(), ErrorReason::kModelRebuilding)) {
      continue;
    }
    SKALD_RETURN_IF_ERROR(rebuilt.status());
    report.rows += rebuilt->rows;
    if (rebuilt->previous_hash.empty() || rebuilt->hash == rebuilt->previous_hash) continue;
    report.differences.push_back(absl::StrCat("read model '", model.name,
                                              "': its rows are not what the log says; rebuild it"));
  }
  return absl::OkStatus();
}

}  // namespace skald::runtime
