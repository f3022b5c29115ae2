// What the search attributes of a definition (metadata.skald.attributes) give for a saga.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "base/json.h"
#include "engine/definition/program.h"
#include "engine/projection/models/built_in.h"
#include "engine/saga/state.h"

namespace skald::projection {

// Thread rule: one thread at a time.
class SagaAttributes {
 public:
  explicit SagaAttributes(ProgramFinder find_program) : find_program_(std::move(find_program)) {}

  // An object by attribute; null when the definition has none. A value that fails, or is longer than
  // 1 KiB, is null: attributes are there to be searched by.
  Json Of(const saga::SagaState& state);
  // False: Of gives null for each saga whose definition has this hash.
  bool MayHaveAny(const std::string& definition_hash);

 private:
  const definition::Program* ProgramOf(const std::string& hash);

  const ProgramFinder find_program_;
  // Definitions never change, so looking each up once is enough.
  absl::flat_hash_map<std::string, std::shared_ptr<const definition::Program>> programs_;
};

}  // namespace skald::projection
