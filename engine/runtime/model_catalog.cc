#include "engine/runtime/model_catalog.h"

#include <utility>

#include "base/errors.h"

namespace skald::runtime {
namespace {

ModelInfo InfoOf(const partition::DeployedModel& model) {
  return {.name = model.name,
          .hash = model.hash,
          .text = model.text,
          .actor = model.actor,
          .deployed = model.deployed,
          .position = {PartitionId(0), model.position}};
}

}  // namespace

void ModelCatalog::Set(const partition::DeployedModelList& models) {
  {
    MutexLock lock(mu_);
    models_ = models;
  }
  MutexLock lock(listeners_mu_);
  for (const auto& [id, changed] : listeners_) changed();
}

absl::StatusOr<ModelInfo> ModelCatalog::Get(absl::string_view name) const {
  MutexLock lock(mu_);
  for (const partition::DeployedModelPtr& model : models_) {
    if (model->name == name) return InfoOf(*model);
  }
  return ModelNotFoundError(name);
}

std::vector<ModelInfo> ModelCatalog::List() const {
  std::vector<ModelInfo> list;
  MutexLock lock(mu_);
  for (const partition::DeployedModelPtr& model : models_) list.push_back(InfoOf(*model));
  return list;
}

uint64_t ModelCatalog::AddListener(std::function<void()> changed) {
  MutexLock lock(listeners_mu_);
  listeners_.emplace(next_id_, std::move(changed));
  return next_id_++;
}

void ModelCatalog::RemoveListener(uint64_t id) {
  MutexLock lock(listeners_mu_);
  listeners_.erase(id);
}

}  // namespace skald::runtime
