// The definitions that a partition decides with: those in its own log, so that it replays, moves
// and is audited alone.
//
// Thread rule: owned by its partition.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "engine/definition/program.h"

namespace skald::partition {

// A deployed definition. Immutable, shared by reference.
struct Definition {
  std::string namespace_name, name, version;
  std::string hash;  // SHA-256 of the text, 32 bytes
  std::string text;
  Timestamp deployed;
  Position position;  // of its event
  // Null when the text, good when it was deployed, does not compile any more.
  std::shared_ptr<const definition::Program> program;
};
using DefinitionPtr = std::shared_ptr<const Definition>;

// Gives the program of a text. Partitions share one, so that a definition is compiled once.
class ProgramSource {
 public:
  virtual ~ProgramSource() = default;
  // Null when the text does not compile. From any thread.
  virtual std::shared_ptr<const definition::Program> Get(absl::string_view hash,
                                                         absl::string_view text) = 0;
};

// < 0, 0, > 0 by the precedence of semver.org: 1.0.0-rc.1 < 1.0.0 < 1.0.1; build metadata does not
// count. A text that is no version sorts before all that are.
int CompareVersions(absl::string_view a, absl::string_view b);

class Definitions {
 public:
  // Precondition: Find says that this version is not known yet.
  void Add(DefinitionPtr definition);

  // Nullptr when there is none. An empty version is the newest: the highest.
  const Definition* Find(absl::string_view namespace_name, absl::string_view name,
                         absl::string_view version) const;
  // The definition whose text has this hash, or nullptr.
  const Definition* FindByHash(absl::string_view hash) const;

  // In no particular order.
  std::vector<DefinitionPtr> All() const;

 private:
  // By rising version.
  using Versions = std::vector<DefinitionPtr>;
  using Names = absl::flat_hash_map<std::string, Versions>;

  absl::flat_hash_map<std::string, Names> namespaces_;
  absl::flat_hash_map<std::string, DefinitionPtr> by_hash_;
};

}  // namespace skald::partition
