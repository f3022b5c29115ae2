// Comparing values, at costs that the budget knows. Private to engine/expression.
#pragma once

#include "base/json.h"
#include "engine/expression/machine.h"
#include "engine/expression/program.h"

namespace skald::expression {

// left op right, for == != < <= > >=.
bool CompareBy(Machine& machine, BinaryOp op, const Json& left, const Json& right, Json& out);

}  // namespace skald::expression
