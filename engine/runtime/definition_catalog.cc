#include "engine/runtime/definition_catalog.h"

#include <utility>

#include "base/errors.h"

namespace skald::runtime {
namespace {

DefinitionInfo InfoOf(const partition::Definition& definition) {
  DefinitionInfo info{.namespace_name = definition.namespace_name,
                      .name = definition.name,
                      .version = definition.version,
                      .hash = definition.hash,
                      .text = {},
                      .title = {},
                      .summary = {},
                      .deployed = definition.deployed,
                      .position = {PartitionId(0), definition.position}};
  if (definition.program != nullptr) {
    info.title = definition.program->title;
    info.summary = definition.program->summary;
  }
  return info;
}

DefinitionInfo WithText(const partition::Definition& definition) {
  DefinitionInfo info = InfoOf(definition);
  info.text = definition.text;
  return info;
}

}  // namespace

void DefinitionCatalog::Add(partition::DefinitionPtr definition) {
  MutexLock lock(mu_);
  Versions& versions = definitions_[{definition->namespace_name, definition->name}];
  versions.try_emplace(definition->version, std::move(definition));
}

absl::StatusOr<DefinitionInfo> DefinitionCatalog::Get(absl::string_view namespace_name,
                                                      absl::string_view name,
                                                      absl::string_view version) const {
  MutexLock lock(mu_);
  const auto named = definitions_.find({std::string(namespace_name), std::string(name)});
  if (named == definitions_.end()) return DefinitionNotFoundError(namespace_name, name, version);
  const Versions& versions = named->second;
  if (version.empty()) return WithText(*versions.rbegin()->second);
  const auto found = versions.find(std::string(version));
  if (found == versions.end()) return DefinitionNotFoundError(namespace_name, name, version);
  return WithText(*found->second);
}

std::vector<DefinitionInfo> DefinitionCatalog::List(absl::string_view namespace_name) const {
  std::vector<partition::DefinitionPtr> found;
  {
    MutexLock lock(mu_);
    for (const auto& [named, versions] : definitions_) {
      if (!namespace_name.empty() && absl::string_view(named.first) != namespace_name) continue;
      for (const auto& [version, definition] : versions) found.push_back(definition);
    }
  }
  std::vector<DefinitionInfo> list;
  list.reserve(found.size());
  for (const partition::DefinitionPtr& definition : found) list.push_back(InfoOf(*definition));
  return list;
}

std::string DefinitionCatalog::NameOf(absl::string_view hash) const {
  MutexLock lock(mu_);
  for (const auto& [named, versions] : definitions_) {
    for (const auto& [version, definition] : versions) {
      if (definition->hash == hash) return definition->name;
    }
  }
  return {};
}

}  // namespace skald::runtime
