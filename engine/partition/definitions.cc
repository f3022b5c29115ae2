#include "engine/partition/definitions.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace skald::partition {
namespace {

bool IsNumber(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

int Sign(bool less, bool greater) { return less ? -1 : (greater ? 1 : 0); }

// Numbers without leading zeros compare by length, then by digits: no number is too long for that.
int CompareNumbers(absl::string_view a, absl::string_view b) {
  if (a.size() != b.size()) return Sign(a.size() < b.size(), true);
  return Sign(a < b, a > b);
}

// Identifiers of a pre-release: numbers before words.
int CompareIdentifiers(absl::string_view a, absl::string_view b) {
  const bool a_number = IsNumber(a), b_number = IsNumber(b);
  if (a_number && b_number) return CompareNumbers(a, b);
  if (a_number != b_number) return a_number ? -1 : 1;
  return Sign(a < b, a > b);
}

int CompareLists(absl::string_view a, absl::string_view b,
                 int (*compare)(absl::string_view, absl::string_view)) {
  const std::vector<absl::string_view> left = absl::StrSplit(a, '.');
  const std::vector<absl::string_view> right = absl::StrSplit(b, '.');
  for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (const int order = compare(left[i], right[i]); order != 0) return order;
  }
  return Sign(left.size() < right.size(), left.size() > right.size());
}

struct VersionParts {
  absl::string_view core, pre_release;
};

VersionParts Split(absl::string_view version) {
  version = version.substr(0, version.find('+'));
  const size_t dash = version.find('-');
  if (dash == absl::string_view::npos) return {version, {}};
  return {version.substr(0, dash), version.substr(dash + 1)};
}

}  // namespace

int CompareVersions(absl::string_view a, absl::string_view b) {
  const VersionParts left = Split(a), right = Split(b);
  if (const int order = CompareLists(left.core, right.core, CompareIdentifiers); order != 0) {
    return order;
  }
  // Without a pre-release is the release itself, which comes after all of those.
  if (left.pre_release.empty() || right.pre_release.empty()) {
    return Sign(right.pre_release.empty() && !left.pre_release.empty(),
                left.pre_release.empty() && !right.pre_release.empty());
  }
  return CompareLists(left.pre_release, right.pre_release, CompareIdentifiers);
}

void Definitions::Add(DefinitionPtr definition) {
  by_hash_.try_emplace(definition->hash, definition);
  Versions& versions = namespaces_[definition->namespace_name][definition->name];
  const auto place = std::upper_bound(versions.begin(), versions.end(), definition,
                                      [](const DefinitionPtr& a, const DefinitionPtr& b) {
                                        return CompareVersions(a->version, b->version) < 0;
                                      });
  versions.insert(place, std::move(definition));
}

const Definition* Definitions::Find(absl::string_view namespace_name, absl::string_view name,
                                    absl::string_view version) const {
  const auto names = namespaces_.find(namespace_name);
  if (names == namespaces_.end()) return nullptr;
  const auto versions = names->second.find(name);
  if (versions == names->second.end()) return nullptr;
  if (version.empty()) return versions->second.back().get();
  for (const DefinitionPtr& definition : versions->second) {
    if (definition->version == version) return definition.get();
  }
  return nullptr;
}

const Definition* Definitions::FindByHash(absl::string_view hash) const {
  const auto found = by_hash_.find(hash);
  return found == by_hash_.end() ? nullptr : found->second.get();
}

std::vector<DefinitionPtr> Definitions::All() const {
  std::vector<DefinitionPtr> all;
  for (const auto& [namespace_name, names] : namespaces_) {
    for (const auto& [name, versions] : names) {
      all.insert(all.end(), versions.begin(), versions.end());
    }
  }
  return all;
}

}  // namespace skald::partition
