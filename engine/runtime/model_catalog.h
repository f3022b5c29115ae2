// The declared read models as callers may look them up: those of partition 0.
//
// Thread rule: all methods from any thread. Listeners are called on the thread that brings the
// change, and must not block.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "engine/partition/models.h"
#include "engine/runtime/engine.h"

namespace skald::runtime {

class ModelCatalog {
 public:
  // These are the models from now on.
  void Set(const partition::DeployedModelList& models);

  // NOT_FOUND.
  absl::StatusOr<ModelInfo> Get(absl::string_view name) const;
  // In order of their names.
  std::vector<ModelInfo> List() const;

  // Calls `changed` after each Set until the id is removed.
  uint64_t AddListener(std::function<void()> changed);
  void RemoveListener(uint64_t id);

 private:
  mutable Mutex mu_;
  partition::DeployedModelList models_ SKALD_GUARDED_BY(mu_);

  // Held while listeners are called, so that none is called once it is removed.
  Mutex listeners_mu_;
  absl::btree_map<uint64_t, std::function<void()>> listeners_ SKALD_GUARDED_BY(listeners_mu_);
  uint64_t next_id_ SKALD_GUARDED_BY(listeners_mu_) = 1;
};

}  // namespace skald::runtime
