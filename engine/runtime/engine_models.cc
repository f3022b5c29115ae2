// How the engine keeps its read models.
#include <algorithm>
#include <cstdio>
#include <future>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/projection/declared_model.h"
#include "engine/projection/models/built_in.h"
#include "engine/runtime/engine_impl.h"
#include "engine/runtime/guarded_done.h"
#include "engine/runtime/queues_model.h"
#include "engine/runtime/timeline_model.h"

namespace skald::runtime {
namespace {

// What one partition answers to a raised floor.
struct PartitionFloor {
  Position staged;
  Timestamp latest;
};

}  // namespace

absl::Status EngineImpl::MakeProjector() {
  projection::ProjectorParts parts{
      .log = *log_,
      .views = *views_,
      .clock = *clock_,
      .find_commits = [this](const SagaKey& key) { return FindCommitsToFold(key); },
      .raise_floor = [this](Timestamp floor) { return RaiseFloor(floor); },
      .on_fatal = [this](const absl::Status& status) { OnFatal(status); },
      .computed = {QueuesModel(*broker_, projector_), TimelineModel(*this)}};
  SKALD_ASSIGN_OR_RETURN(projector_, projection::Projector::Open(
                                         options_.projection, std::move(parts), WantedModels()));
  // Whatever the clock says after the restart, what is folded stays the past.
  for (const auto& partition : partitions_) partition->RaiseFloor(projector_->floor());
  return absl::OkStatus();
}

std::vector<std::shared_ptr<const projection::Model>> EngineImpl::WantedModels() const {
  std::vector<std::shared_ptr<const projection::Model>> wanted = projection::BuiltInModels(
      [this](absl::string_view hash) -> std::shared_ptr<const definition::Program> {
        const partition::DefinitionPtr definition = catalog_.FindByHash(hash);
        return definition == nullptr ? nullptr : definition->program;
      });
  for (const ModelInfo& info : models_.List()) {
    const projection::CompiledModel compiled = projection::CompileModel(info.text);
    if (!compiled.ok()) {
      // It did when it was deployed; its rows stay away until it is deployed again.
      std::fprintf(stderr, "skald: read model '%s' cannot be used: %s\n", info.name.c_str(),
                   std::string(compiled.status().message()).c_str());
      continue;
    }
    wanted.push_back(
        std::make_shared<const projection::Model>(projection::MakeModel(compiled.declaration)));
  }
  return wanted;
}

void EngineImpl::ModelsChanged(const partition::DeployedModelList& models) {
  models_.Set(models);
  if (projector_ != nullptr) projector_->SetModels(WantedModels());
}

absl::StatusOr<projection::Floor> EngineImpl::RaiseFloor(Timestamp floor) {
  using Answer = absl::StatusOr<PartitionFloor>;
  std::vector<std::promise<Answer>> answers(partitions_.size());
  for (size_t thread = 0; thread < threads_.size(); ++thread) {
    // One errand for all partitions of a thread.
    std::vector<std::pair<partition::Partition*, GuardedDone<PartitionFloor>>> asked;
    for (size_t id = thread; id < partitions_.size(); id += threads_.size()) {
      partition::Done<PartitionFloor> done = [&answer = answers[id]](Answer given) {
        answer.set_value(std::move(given));
      };
      asked.emplace_back(partitions_[id].get(),
                         GuardedDone<PartitionFloor>(partitions_[id]->id(), std::move(done)));
    }
    threads_[thread]->Post([floor, asked = std::move(asked)]() mutable {
      for (auto& [partition, done] : asked) {
        const Position staged = partition->RaiseFloor(floor);
        done.Release()(PartitionFloor{staged, partition->last_time()});
      }
    });
  }
  projection::Floor raised;
  absl::Status stopped;
  for (std::promise<Answer>& answer : answers) {
    const Answer given = answer.get_future().get();
    stopped.Update(given.status());
    if (!given.ok()) continue;
    raised.staged.push_back(given->staged);
    raised.latest = std::max(raised.latest, given->latest);
  }
  SKALD_RETURN_IF_ERROR(stopped);
  return raised;
}

}  // namespace skald::runtime
