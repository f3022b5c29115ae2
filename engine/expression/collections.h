// Sorting, grouping and entries. Private to engine/expression.
//
// Functions that answer bool answer false after having raised an error, or run out of budget, with
// the machine.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "engine/expression/machine.h"

namespace skald::expression {

// An element with what it is sorted by: one value, or the array of several.
struct Keyed {
  Json key;
  bool is_list = false;
  Json element;
  uint64_t steps = 0;  // What it takes to walk the key, once it is to be sorted.
};

int CompareKeys(const Keyed& a, const Keyed& b);
// The elements in the order of their keys; equal ones stay in their order.
bool SortKeyed(Machine& machine, std::vector<Keyed> keyed, Json& out);
// Arrays of the elements with equal keys, in the order of the keys.
bool GroupKeyed(Machine& machine, std::vector<Keyed> keyed, Json& out);
// The first element of each key, in the order of the keys.
bool UniqueKeyed(Machine& machine, std::vector<Keyed> keyed, Json& out);

// {"a": 1} to [{"key": "a", "value": 1}], and back.
bool ToEntries(Machine& machine, const Json& object, Json& out);
bool FromEntries(Machine& machine, const Json& entries, Json& out);

}  // namespace skald::expression
