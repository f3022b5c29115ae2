#include "tests/simulation/simulated_models.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/projection/fold_pass.h"
#include "engine/projection/models/built_in.h"
#include "engine/projection/table_keys.h"
#include "storage/memory/memory_views.h"

namespace skald::simulation {
namespace {

using projection::Checkpoint;
using storage::Table;
using Rows = std::map<std::string, std::string>;

absl::StatusOr<Rows> RowsOf(const storage::Views& views, uint64_t generation) {
  Rows rows;
  for (const Table table : {Table::kModelRow, Table::kModelIndex, Table::kModelVersion}) {
    const std::string prefix = projection::GenerationPrefix(table, generation);
    SKALD_RETURN_IF_ERROR(views.Scan(prefix, storage::PrefixEnd(prefix),
                                     [&](absl::string_view key, absl::string_view value) {
                                       rows.emplace(key, value);
                                       return true;
                                     }));
  }
  return rows;
}

std::string Difference(const Rows& kept, const Rows& folded) {
  for (const auto& [key, value] : folded) {
    const auto found = kept.find(key);
    if (found == kept.end()) return absl::StrCat("a row is missing: ", value);
    if (found->second != value) return absl::StrCat(found->second, " should be ", value);
  }
  for (const auto& [key, value] : kept) {
    if (folded.count(key) == 0) return absl::StrCat("a row should not be there: ", value);
  }
  return "";
}

}  // namespace

SimulatedModels::SimulatedModels(SimulatedDisk& disk, runtime::ProgramCache& programs,
                                 Chronicle& chronicle, Scheduler& scheduler, Trace& trace,
                                 std::vector<storage::Watermark*> watermarks)
    : disk_(disk),
      chronicle_(chronicle),
      scheduler_(scheduler),
      trace_(trace),
      watermarks_(std::move(watermarks)),
      clock_(scheduler_),
      models_(projection::BuiltInModels(
          [&programs](absl::string_view hash) { return programs.Get(hash, ""); })) {}

absl::Status SimulatedModels::Open() {
  projection::ProjectorParts parts{
      .log = disk_.log(),
      .views = disk_.views(),
      .clock = clock_,
      .find_commits = [this](const SagaKey& saga, Revision) { return FindCommits(saga); },
      .watermarks = watermarks_,
      .on_fatal = [](const absl::Status&) {},
      .computed = {}};
  SKALD_ASSIGN_OR_RETURN(projector_, projection::Projector::Open({}, std::move(parts), models_));
  Check();
  return absl::OkStatus();
}

absl::Status SimulatedModels::Round() {
  CheckOrder();
  return projector_->RunRound();
}

// What came since the last round is later than all that was folded.
void SimulatedModels::CheckOrder() const {
  const projection::Cut cut = projector_->PresentCut();
  for (uint32_t id = 0; id < cut.positions.size(); ++id) {
    const std::vector<Chronicle::Commit>& commits = chronicle_.commits(PartitionId(id));
    const auto next = std::find_if(commits.rbegin(), commits.rend(), [&](const auto& commit) {
                        return commit.last() <= cut.positions[id];
                      }).base();
    if (next == commits.end() || next->time > cut.time) continue;
    trace_.Violate("models", absl::StrCat("partition ", id, " has a commit of ", next->time.value(),
                                          ", and models are folded to ", cut.time.value()));
  }
}

void SimulatedModels::Check() const {
  // What is damaged cannot be folded.
  if (disk_.is_damaged()) return;
  const absl::StatusOr<std::vector<Kept>> models = Find();
  if (!models.ok()) return trace_.Violate("models", models.status().message());
  for (const Kept& kept : *models) {
    const absl::Status status = Compare(kept);
    if (!status.ok()) {
      return trace_.Violate("models",
                            absl::StrCat(kept.model->schema.name, ": ", status.message()));
    }
  }
}

absl::StatusOr<std::vector<SimulatedModels::Kept>> SimulatedModels::Find() const {
  std::vector<Kept> found;
  for (const projection::ModelStatus& status : projector_->GetStatus()) {
    // Nothing here asks for a rebuild: rows were lost, or are not of one moment.
    if (status.build) return absl::InternalError(absl::StrCat(status.name, " is built again"));
    SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                           disk_.views().Get(projection::CheckpointKey(status.generation)));
    if (!text) return absl::InternalError(absl::StrCat(status.name, " has no checkpoint"));
    SKALD_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Decode(*text));
    for (const auto& model : models_) {
      if (model->schema.name == status.name) {
        found.push_back({model, status.generation, std::move(checkpoint)});
        break;
      }
    }
  }
  if (found.size() != models_.size()) return absl::InternalError("a model is not kept");
  return found;
}

absl::Status SimulatedModels::Compare(const Kept& kept) const {
  storage::MemoryViews views;
  projection::Cut empty{Timestamp(0), std::vector<Position>(kept.checkpoint.cut.positions.size())};
  projection::FoldPass pass(
      {.log = &disk_.log(),
       .views = &views,
       .find_commits = [this](const SagaKey& saga, Revision) { return FindCommits(saga); },
       .states_bytes_max = 64 << 20},
      empty);
  Checkpoint beginning;
  beginning.cut = empty;
  beginning.version = kept.model->version;
  projection::Folding folding{kept.model, kept.model->make_fold(), nullptr};
  folding.table = std::make_unique<projection::ModelTable>(views, kept.model->schema,
                                                           kept.generation, beginning);
  pass.Add(std::move(folding));
  const projection::Cut& cut = kept.checkpoint.cut;
  SKALD_RETURN_IF_ERROR(
      pass.Round({.through = cut.positions, .until = kNever, .time = cut.time, .events_max = ~uint64_t{0}},
                 false)
          .status());
  const Checkpoint& folded = pass.foldings().front().table->checkpoint();
  SKALD_ASSIGN_OR_RETURN(const Rows rows, RowsOf(disk_.views(), kept.generation));
  SKALD_ASSIGN_OR_RETURN(const Rows wanted, RowsOf(views, kept.generation));
  if (const std::string difference = Difference(rows, wanted); !difference.empty()) {
    return absl::InternalError(difference);
  }
  if (folded.rows != kept.checkpoint.rows || folded.hash != kept.checkpoint.hash) {
    return absl::InternalError("its checkpoint is of other rows");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Position>> SimulatedModels::FindCommits(const SagaKey& saga) const {
  std::vector<Position> commits;
  const Chronicle::Saga* const found = chronicle_.Find(saga);
  if (found == nullptr) return commits;
  for (const size_t number : found->commits) {
    commits.push_back(chronicle_.commits(found->partition)[number].first);
  }
  return commits;
}

}  // namespace skald::simulation
