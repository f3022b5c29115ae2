// The deployed definitions as callers may look them up: those of partition 0, from where they are
// sent to all others.
//
// Thread rule: all methods from any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "engine/partition/definitions.h"
#include "engine/runtime/engine.h"

namespace skald::runtime {

class DefinitionCatalog {
 public:
  void Add(partition::DefinitionPtr definition);

  // NOT_FOUND. An empty version is the newest.
  absl::StatusOr<DefinitionInfo> Get(absl::string_view namespace_name, absl::string_view name,
                                     absl::string_view version) const;
  // Of one namespace, or of all when it is empty, in order of namespace, name and version;
  // without their texts.
  std::vector<DefinitionInfo> List(absl::string_view namespace_name) const;
  // Empty when there is none.
  std::string NameOf(absl::string_view hash) const;

 private:
  struct VersionOrder {
    bool operator()(const std::string& a, const std::string& b) const {
      const int order = partition::CompareVersions(a, b);
      return order != 0 ? order < 0 : a < b;
    }
  };
  using Versions = absl::btree_map<std::string, partition::DefinitionPtr, VersionOrder>;

  mutable Mutex mu_;
  absl::btree_map<std::pair<std::string, std::string>, Versions> definitions_ SKALD_GUARDED_BY(mu_);
};

}  // namespace skald::runtime
