#include "engine/runtime/store_check.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "engine/audit/checkpoint.h"
#include "engine/audit/checkpoint_journal.h"
#include "engine/audit/checkpoint_keeper.h"
#include "engine/audit/key_file.h"
#include "engine/projection/declared_model.h"
#include "engine/projection/models/built_in.h"
#include "engine/projection/table_check.h"
#include "engine/runtime/fold_store.h"
#include "engine/runtime/program_cache.h"
#include "engine/runtime/verify.h"
#include "engine/runtime/verify_audit.h"
#include "skald/log/v1/event.pb.h"
#include "storage/commit_record.h"
#include "storage/memory/memory_views.h"

namespace skald::runtime {
namespace {

using storage::StoreFinding;
using Severity = StoreFinding::Severity;

constexpr uint64_t kCommitsPerProgress = 20'000;
constexpr size_t kFindingsPerPartition = 20;
constexpr absl::string_view kRestore = "restore the data directory from a backup or a replica";
constexpr absl::string_view kFoldAnew =
    "nothing is lost: delete views/, and the next start folds them from the log";
constexpr absl::string_view kMendTree =
    "show with a checkpoint that an auditor keeps that the log is right (skald audit verify "
    "--since); if it is, delete views/, and the tree is made anew; if not, restore the data "
    "directory";
constexpr absl::string_view kMendJournal =
    "restore the file from a backup, or put audit_checkpoints* away: the next start begins anew";

class StoreCheck {
 public:
  StoreCheck(const StoreCheckOptions& options, storage::ExaminedStore store)
      : options_(options), store_(std::move(store)), programs_({}) {
    report_.findings = std::move(store_.findings);
    report_.files = store_.files;
    report_.bytes = store_.bytes;
  }

  StoreReport Run() {
    if (store_.log == nullptr) return std::move(report_);
    report_.store_id = std::string(store_.log->store_id());
    report_.created = store_.created;
    report_.partitions = store_.log->partition_count();
    CheckKey();
    CheckJournal();
    for (uint32_t id = 0; id < report_.partitions; ++id) CheckPartition(PartitionId(id));
    if (store_.views != nullptr) CheckModels();
    return std::move(report_);
  }

 private:
  struct PartitionState {
    PartitionId id;
    std::string where;
    bool readable = true;                          // every commit of it
    absl::flat_hash_map<uint64_t, uint64_t> next;  // revision, by hash of the stream's name
    std::unique_ptr<AuditCheck> audit;
    size_t findings = 0;
  };

  void Add(Severity severity, absl::string_view where, absl::string_view what,
           absl::string_view mend) {
    report_.findings.push_back(
        {severity, std::string(where), std::string(what), std::string(mend)});
  }
  void Damage(PartitionState& state, absl::string_view where, absl::string_view what,
              absl::string_view mend) {
    if (++state.findings <= kFindingsPerPartition) Add(Severity::kDamage, where, what, mend);
  }
  void Progress(absl::string_view what) {
    if (options_.progress) options_.progress(what);
  }

  void CheckPartition(PartitionId id) {
    PartitionState state;
    state.id = id;
    state.where = absl::StrCat("partition ", id.value());
    const std::unique_ptr<storage::ViewSnapshot> rows =
        store_.views != nullptr ? store_.views->Snapshot() : no_views_.Snapshot();
    state.audit = std::make_unique<AuditCheck>(id, *rows, kept_);
    ReadLog(state);
    CheckAudit(state);
    if (store_.views != nullptr) CheckViews(state);
    CheckTail(state);
  }

  // ---- The log ----

  void ReadLog(PartitionState& state) {
    storage::CommitView commit;
    log::v1::EventBodies bodies;
    const auto cursor = store_.log->Read(state.id, Position(1));
    for (uint64_t read = 0; cursor->Valid(); cursor->Next()) {
      if (read++ % kCommitsPerProgress == 0) {
        Progress(absl::StrCat(state.where, ", position ", cursor->first().value()));
      }
      const std::string where = absl::StrCat(state.where, ", position ", cursor->first().value());
      const absl::Status decoded = storage::DecodeCommit(cursor->record(), &commit);
      if (!decoded.ok()) {
        state.readable = false;
        Damage(state, where, decoded.message(), kRestore);
        continue;
      }
      TakeCommit(state, where, commit, bodies);
    }
    const absl::Status end = cursor->status();
    if (end.ok()) return;
    state.readable = false;
    Damage(state, state.where, end.message(), kRestore);
  }

  void TakeCommit(PartitionState& state, const std::string& where,
                  const storage::CommitView& commit, log::v1::EventBodies& bodies) {
    ++report_.commits;
    report_.events += commit.header.count();
    if (!bodies.ParseFromArray(commit.bodies.data(), static_cast<int>(commit.bodies.size())) ||
        static_cast<uint32_t>(bodies.events_size()) != commit.header.count()) {
      state.readable = false;
      Damage(state, where, "its events cannot be read", kRestore);
    }
    // Two streams whose names have one hash would look like a gap; at a billion sagas that is one
    // chance in thirty.
    const uint64_t stream = absl::HashOf(commit.header.namespace_(), commit.header.saga_id());
    const auto [next, is_new] = state.next.try_emplace(stream, 0);
    if (is_new && !commit.header.saga_id().empty()) ++report_.sagas;
    if (commit.header.first_revision() != next->second) {
      state.readable = false;
      Damage(state, where,
             absl::StrCat("saga '", commit.header.namespace_(), "/", commit.header.saga_id(),
                          "' goes on at revision ", commit.header.first_revision(), " after ",
                          next->second, " events"),
             kRestore);
    }
    next->second = commit.header.first_revision() + commit.header.count();
    if (commit.header.saga_id().empty()) TakeDeclarations(commit, bodies);
    if (state.audit == nullptr) return;
    const absl::Status audited = state.audit->Add(commit);
    if (audited.ok()) return;
    state.audit.reset();
    Damage(state, state.where + ", audit tree", audited.message(), kFoldAnew);
  }

  void TakeDeclarations(const storage::CommitView& commit, const log::v1::EventBodies& bodies) {
    for (int i = 0; i < bodies.events_size(); ++i) {
      const log::v1::Event& event = bodies.events(i);
      if (event.has_model_dropped()) declared_.erase(event.model_dropped().name());
      if (!event.has_model_deployed()) continue;
      const log::v1::ModelDeployed& model = event.model_deployed();
      if (model.text_slot() == 0 || model.text_slot() > commit.slots.size()) continue;
      const absl::StatusOr<Json> text =
          Json::Parse(commit.slots[model.text_slot() - 1], kStoredJson);
      if (text.ok() && text->is_string()) declared_[model.name()] = std::string(text->AsString());
    }
  }

  // Those of which this program knows how their rows are ordered.
  std::vector<std::shared_ptr<const projection::Model>> KnownModels() const {
    std::vector<std::shared_ptr<const projection::Model>> known =
        projection::BuiltInModels([](absl::string_view) { return nullptr; });
    for (const auto& [name, text] : declared_) {
      const projection::CompiledModel compiled = projection::CompileModel(text);
      if (!compiled.ok()) continue;
      known.push_back(
          std::make_shared<const projection::Model>(projection::MakeModel(compiled.declaration)));
    }
    return known;
  }

  // ---- What is derived ----

  // Of a log that cannot be read whole no tree can be made.
  void CheckAudit(PartitionState& state) {
    if (!state.readable || state.audit == nullptr) return;
    std::vector<std::string> tree, kept;
    absl::Status status = state.audit->FinishTree(tree);
    if (status.ok()) status = state.audit->CompareKept(kept);
    if (!status.ok()) Damage(state, state.where + ", audit tree", status.message(), kFoldAnew);
    for (const std::string& each : tree) {
      Damage(state, state.where, each, state.audit->is_log_short() ? kRestore : kMendTree);
    }
    for (const std::string& each : kept) Damage(state, state.where, each, kRestore);
  }

  void CheckViews(PartitionState& state) {
    const std::string where = state.where + ", views";
    const absl::StatusOr<Position> applied = store_.views->AppliedPosition(state.id);
    if (!applied.ok()) return Damage(state, where, applied.status().message(), kFoldAnew);
    const Position last = store_.log->LastPosition(state.id);
    if (*applied > last) {
      return Damage(state, where,
                    absl::StrCat("were folded through position ", applied->value(),
                                 ", and the log ends at ", last.value(), ": the log lost its end"),
                    absl::StrCat(kRestore, "; or delete views/ to go on without what is lost"));
    }
    if (!state.readable) return;
    VerifyReport verified;
    const auto progress = [&](const VerifyReport& so_far) {
      Progress(absl::StrCat(where, ", ", so_far.events, " events folded"));
      return true;
    };
    const absl::Status status =
        VerifyPartition({state.id, *applied, store_.views->Snapshot()}, *store_.log, programs_,
                        progress, verified);
    report_.rows += verified.rows;
    if (!status.ok()) return Damage(state, where, status.message(), kFoldAnew);
    for (const std::string& difference : verified.differences) {
      Damage(state, where, difference, kFoldAnew);
    }
  }

  // What views do not have yet is folded by the next start, so that must be possible.
  void CheckTail(PartitionState& state) {
    if (!state.readable || state.findings > 0) return;
    const absl::Status status = FoldTail(state.id, *store_.log, store_.views.get(), programs_);
    if (!status.ok()) Damage(state, state.where, status.message(), kRestore);
  }

  void CheckModels() {
    Progress("read models");
    const auto checked = projection::CheckModelTables(*store_.views->Snapshot(),
                                                      store_.log->LastPositions(), KnownModels());
    if (!checked.ok()) {
      return Add(Severity::kDamage, "read models", checked.status().message(), kFoldAnew);
    }
    report_.rows += checked->rows;
    size_t told = 0;
    for (const projection::TableFinding& finding : checked->findings) {
      if (++told > kFindingsPerPartition) break;
      Add(finding.is_damage ? Severity::kDamage : Severity::kNotice, finding.where, finding.what,
          finding.is_damage ? kFoldAnew : "none is needed");
    }
  }

  void CheckKey() {
    const std::string path = audit::KeyFilePath(options_.path);
    const auto keys = audit::ReadKeyFile(path);
    if (absl::IsNotFound(keys.status())) {
      return Add(Severity::kNotice, path, "there is none",
                 "restore it; without it the next start makes a new key, which auditors have to be "
                 "told");
    }
    if (!keys.ok()) {
      return Add(Severity::kDamage, path, keys.status().message(),
                 "set its mode to 600, or restore it");
    }
    for (const audit::SigningKey& key : *keys) keys_.push_back(key.verifier());
    const std::string name = audit::StoreName(store_.log->store_id());
    if (keys_.empty() || keys_.front().name() != name) {
      Add(Severity::kDamage, path, "it is the key of another store", "restore it");
    }
  }

  // The checkpoints that were kept: their files here, what they say with each partition's log.
  void CheckJournal() {
    const std::string path = audit::JournalPath(options_.path);
    std::vector<std::string> notices;
    const auto journal =
        audit::CheckpointJournal::Open({.path = path,
                                        .store_name = audit::StoreName(store_.log->store_id()),
                                        .is_read_only = true},
                                       &notices);
    if (!journal.ok())
      return Add(Severity::kDamage, path, journal.status().message(), kMendJournal);
    for (const std::string& notice : notices) {
      Add(Severity::kNotice, path, notice, "none is needed: the next start cuts it off");
    }
    absl::StatusOr<audit::JournalEnd> anchor = audit::JournalEnd();
    if (store_.views != nullptr) anchor = audit::ReadJournalAnchor(*store_.views);
    if (!anchor.ok()) {
      return Add(Severity::kDamage, "views", anchor.status().message(), kFoldAnew);
    }
    if (!(*journal)->existed()) {
      if (anchor->number == 0) return;
      return Add(Severity::kDamage, path,
                 absl::StrCat("the ", anchor->number,
                              " checkpoints that were kept are gone with their file"),
                 "restore it from a backup; without it the next start begins a new one");
    }
    (*journal)->CheckEnd(*anchor);
    std::vector<std::string> differences;
    kept_ = ReadKept(**journal, keys_, differences);
    differences.resize(std::min(differences.size(), kFindingsPerPartition));
    for (const std::string& each : differences) {
      Add(Severity::kDamage, path, each, kMendJournal);
    }
  }

  const StoreCheckOptions& options_;
  storage::ExaminedStore store_;
  ProgramCache programs_;
  std::vector<audit::VerifierKey> keys_;
  KeptCheckpoints kept_;
  const storage::MemoryViews no_views_;
  absl::btree_map<std::string, std::string> declared_;  // texts of read models, by name
  StoreReport report_;
};

}  // namespace

bool StoreReport::is_whole() const {
  return std::none_of(findings.begin(), findings.end(), [](const StoreFinding& finding) {
    return finding.severity == Severity::kDamage;
  });
}

absl::StatusOr<StoreReport> CheckStore(const StoreCheckOptions& options) {
  absl::StatusOr<storage::ExaminedStore> store =
      storage::ExamineStore({.path = options.path, .progress = options.progress});
  if (!store.ok()) return store.status();
  return StoreCheck(options, *std::move(store)).Run();
}

}  // namespace skald::runtime
