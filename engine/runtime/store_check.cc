#include "engine/runtime/store_check.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "engine/audit/checkpoint.h"
#include "engine/audit/commit_leaf.h"
#include "engine/audit/key_file.h"
#include "engine/audit/merkle.h"
#include "engine/audit/tile_tree.h"
#include "engine/projection/declared_model.h"
#include "engine/projection/models/built_in.h"
#include "engine/projection/table_check.h"
#include "engine/runtime/program_cache.h"
#include "engine/runtime/verify.h"
#include "skald/log/v1/event.pb.h"
#include "storage/commit_record.h"

namespace skald::runtime {
namespace {

using storage::StoreFinding;
using Severity = StoreFinding::Severity;

constexpr uint64_t kCommitsPerProgress = 20'000;
constexpr size_t kFindingsPerPartition = 20;
constexpr absl::string_view kRestore = "restore the data directory from a backup or a replica";
constexpr absl::string_view kFoldAnew =
    "nothing is lost: delete views/, and the next start folds them from the log";

// The root of a growing tree, from the complete subtrees that make it up.
class RunningRoot {
 public:
  void Append(const audit::Hash& leaf) {
    peaks_.push_back(leaf);
    for (uint64_t rest = size_++; rest % 2 == 1; rest /= 2) {
      const audit::Hash right = peaks_.back();
      peaks_.pop_back();
      peaks_.back() = audit::HashChildren(peaks_.back(), right);
    }
  }
  uint64_t size() const { return size_; }
  audit::Hash root() const {
    if (peaks_.empty()) return audit::EmptyRoot();
    audit::Hash root = peaks_.back();
    for (size_t i = peaks_.size() - 1; i-- > 0;) root = audit::HashChildren(peaks_[i], root);
    return root;
  }

 private:
  std::vector<audit::Hash> peaks_;  // the largest first
  uint64_t size_ = 0;
};

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
    for (uint32_t id = 0; id < report_.partitions; ++id) CheckPartition(PartitionId(id));
    if (store_.views != nullptr) CheckModels();
    CheckKey();
    return std::move(report_);
  }

 private:
  struct PartitionState {
    PartitionId id;
    std::string where;
    bool readable = true;                          // every commit of it
    absl::flat_hash_map<uint64_t, uint64_t> next;  // revision, by hash of the stream's name
    RunningRoot tree;
    std::optional<audit::TreeHead> audited;  // what views hold
    std::optional<audit::Hash> root_then;    // of the log, at that size
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
    if (store_.views != nullptr) LoadAuditTree(state);
    ReadLog(state);
    if (store_.views != nullptr) {
      CheckAuditTree(state);
      CheckViews(state);
    }
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
    state.tree.Append(audit::CommitLeaf(commit));
    if (state.audited && state.tree.size() == state.audited->size) {
      state.root_then = state.tree.root();
    }
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

  void LoadAuditTree(PartitionState& state) {
    audit::TileTree tree(*store_.views, state.id);
    absl::Status status = tree.Load();
    absl::StatusOr<audit::Hash> root = audit::EmptyRoot();
    if (status.ok() && tree.size() > 0) {
      root = audit::RootAt(tree.size(), [&](uint32_t level, uint64_t index) {
        return tree.Subtree(level, index);
      });
      status = root.status();
    }
    if (!status.ok()) {
      return Damage(state, state.where + ", audit tree", status.message(), kFoldAnew);
    }
    if (tree.size() > 0) state.audited = audit::TreeHead{.size = tree.size(), .root = *root};
  }

  void CheckAuditTree(PartitionState& state) {
    if (!state.audited || !state.readable) return;
    const std::string where = state.where + ", audit tree";
    if (state.audited->size > state.tree.size()) {
      return Damage(state, where,
                    absl::StrCat("covers ", state.audited->size, " commits, and the log has ",
                                 state.tree.size(), ": the log lost its end"),
                    kRestore);
    }
    if (state.root_then != state.audited->root) {
      Damage(state, where, "is not of the commits that the log has", kRestore);
    }
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
    const std::string name = audit::StoreName(store_.log->store_id());
    if (keys->empty() || keys->front().verifier().name() != name) {
      Add(Severity::kDamage, path, "it is the key of another store", "restore it");
    }
  }

  const StoreCheckOptions& options_;
  storage::ExaminedStore store_;
  ProgramCache programs_;
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
