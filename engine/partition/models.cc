#include "engine/partition/models.h"

#include <utility>

#include "base/check.h"
#include "base/json.h"
#include "engine/partition/rows.h"

namespace skald::partition {

void DeployedModels::OnDeployed(DeployedModelPtr model, storage::Delta& delta) {
  delta.Put(ModelKey(partition_, model->name), EncodeDefinition(model->position, model->hash));
  Add(std::move(model));
}

void DeployedModels::OnDropped(const std::string& name, storage::Delta& delta) {
  delta.Delete(ModelKey(partition_, name));
  models_.erase(name);
}

void DeployedModels::Add(DeployedModelPtr model) {
  std::string name = model->name;
  models_.insert_or_assign(std::move(name), std::move(model));
}

const DeployedModel* DeployedModels::Find(absl::string_view name) const {
  const auto found = models_.find(std::string(name));
  return found == models_.end() ? nullptr : found->second.get();
}

DeployedModelList DeployedModels::All() const {
  DeployedModelList all;
  for (const auto& [name, model] : models_) all.push_back(model);
  return all;
}

DeployedModelPtr MakeDeployedModel(const log::v1::ModelDeployed& event,
                                   const log::v1::CommitHeader& header, Position position,
                                   absl::string_view text_json) {
  const absl::StatusOr<Json> text = Json::Parse(text_json, kStoredJson);
  SKALD_CHECK(text.ok() && text->is_string());
  auto model = std::make_shared<DeployedModel>();
  model->name = event.name();
  model->hash = event.hash();
  model->text = std::string(text->AsString());
  model->actor = header.actor();
  model->deployed = Timestamp(header.time_us());
  model->position = position;
  return model;
}

}  // namespace skald::partition
