// Comparing values, at costs that the budget knows. Private to engine/expression.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/json.h"
#include "engine/expression/machine.h"
#include "engine/expression/program.h"

namespace skald::expression {

// left op right, for == != < <= > >=.
bool CompareBy(Machine& machine, BinaryOp op, const Json& left, const Json& right, Json& out);

// A value that is put in order with others, with what it takes to walk it; 0 for scalars.
bool StepsOf(Machine& machine, const Json& value, uint64_t& steps);
// Accounts for finding which of two is less, of which each has been walked once. Objects have their
// keys sorted for it, so that one which is much larger than all others is what each of them costs.
bool SpendOrder(Machine& machine, const Json& a, uint64_t steps_a, const Json& b, uint64_t steps_b);

// A value that is compared with many others. Those that differ have different prints, but for rare
// chances, so that only values that are very likely equal are compared in full.
struct Printed {
  const Json* value = nullptr;
  uint64_t print = 0;
  uint64_t steps = 0;  // What it takes to walk it.
};

// The values with their prints, in order; `out` points to them. Each is walked once.
bool TakePrints(Machine& machine, absl::Span<const Json> values, std::vector<Printed>& out);
// Whether two are equal, not-a-number to itself too.
bool SamePrinted(Machine& machine, const Printed& a, const Printed& b, bool& same);

}  // namespace skald::expression
