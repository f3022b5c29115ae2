// How the engine keeps its read models.
#include <cstdio>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/projection/declared_model.h"
#include "engine/projection/models/built_in.h"
#include "engine/runtime/engine_impl.h"
#include "engine/runtime/queues_model.h"
#include "engine/runtime/timeline_model.h"

namespace skald::runtime {

absl::Status EngineImpl::MakeProjector() {
  std::vector<storage::Watermark*> watermarks;
  for (const auto& partition : partitions_) watermarks.push_back(&partition->watermark());
  projection::ProjectorParts parts{
      .log = *log_,
      .views = *views_,
      .clock = *clock_,
      .find_commits = [this](const SagaKey& key,
                             Revision before) { return FindCommitsToFold(key, before); },
      .watermarks = std::move(watermarks),
      .on_fatal = [this](const absl::Status& status) { OnFatal(status); },
      .computed = {QueuesModel(*broker_, projector_), TimelineModel(*this)}};
  SKALD_ASSIGN_OR_RETURN(projector_, projection::Projector::Open(options_.projection,
                                                                 std::move(parts), WantedModels()));
  return absl::OkStatus();
}

std::vector<std::shared_ptr<const projection::Model>> EngineImpl::WantedModels() const {
  // Not from the catalog: it hears of a definition after sagas of it may be durable, and folded.
  std::vector<std::shared_ptr<const projection::Model>> wanted =
      projection::BuiltInModels([this](absl::string_view hash) { return programs_.Find(hash); });
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

}  // namespace skald::runtime
