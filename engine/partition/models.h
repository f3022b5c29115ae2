// The read models that users declared, as partition 0's own stream has them: the newest text of
// each name. Only their texts are known here; engine/projection knows what they mean.
//
// Thread rule: owned by its partition; what it gives out is immutable and shared.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "skald/log/v1/event.pb.h"
#include "skald/log/v1/record.pb.h"
#include "storage/delta.h"

namespace skald::partition {

// Declared models that a store may have at once.
inline constexpr size_t kModelsMax = 100;

// A declared model. Immutable, shared by reference.
struct DeployedModel {
  std::string name;
  std::string hash;   // SHA-256 of the text, 32 bytes
  std::string text;   // YAML or JSON, as it was given
  std::string actor;  // who deployed it
  Timestamp deployed;
  Position position;  // of its event, in partition 0
};
using DeployedModelPtr = std::shared_ptr<const DeployedModel>;
// In order of their names.
using DeployedModelList = std::vector<DeployedModelPtr>;

class DeployedModels {
 public:
  explicit DeployedModels(PartitionId partition) : partition_(partition) {}

  // ---- What commits say ----
  void OnDeployed(DeployedModelPtr model, storage::Delta& delta);
  void OnDropped(const std::string& name, storage::Delta& delta);
  // What a row says; for a start.
  void Add(DeployedModelPtr model);

  // Nullptr when there is none.
  const DeployedModel* Find(absl::string_view name) const;
  size_t size() const { return models_.size(); }
  DeployedModelList All() const;

 private:
  const PartitionId partition_;
  absl::btree_map<std::string, DeployedModelPtr> models_;
};

// The model that a ModelDeployed event speaks of; `text_json` is its payload slot.
DeployedModelPtr MakeDeployedModel(const log::v1::ModelDeployed& event,
                                   const log::v1::CommitHeader& header, Position position,
                                   absl::string_view text_json);

}  // namespace skald::partition
