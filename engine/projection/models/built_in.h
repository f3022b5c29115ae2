// The models that every store has (docs/reading.md lists their columns).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/definition/program.h"
#include "engine/projection/fold.h"

namespace skald::projection {

// The program of a definition by the hash of its text; null when it is not known or does not compile
// any more. From any thread.
using ProgramFinder =
    std::function<std::shared_ptr<const definition::Program>(absl::string_view hash)>;

// sagas, incidents, definitions, throughput, attributes: those that are folded from the log.
std::vector<std::shared_ptr<const Model>> BuiltInModels(ProgramFinder find_program);

Model SagasModel(ProgramFinder find_program);
Model AttributesModel(ProgramFinder find_program);
Model IncidentsModel();
Model DefinitionsModel();
Model ThroughputModel();

}  // namespace skald::projection
