// The saga that benchmarks decide, replay and fold: three worker tasks, four commits, ten events.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "engine/definition/compile.h"
#include "engine/saga/decide.h"

namespace skald::bench {

std::shared_ptr<const definition::Program> OrderProgram();

// Decides it from start to end, at `first` and after in its partition.
std::vector<saga::Decision> PlayOrder(const std::string& saga_id = "saga-1",
                                      Position first = Position(1));

}  // namespace skald::bench
