// What the machine's templates ask of a value, with and without its path. Private to machine*.cc.
#pragma once

#include <utility>

#include "engine/expression/machine.h"

namespace skald::expression {

inline const Json& ValueOf(const Json& item) { return item; }
inline const Json& ValueOf(const Tracked& item) { return item.value; }

// A value that came from nowhere in the input.
template <typename Item>
Item Computed(Json value);
template <>
inline Json Computed<Json>(Json value) {
  return value;
}
template <>
inline Tracked Computed<Tracked>(Json value) {
  return Tracked{std::move(value), Json(), false};
}

// A value computed where `from` is the input. It loses the path, unless it is the very same: null
// and booleans are the same wherever they come from.
inline Json Derive(const Json&, Json value) { return value; }
inline Tracked Derive(const Tracked& from, Json value) {
  const bool same =
      from.on_path && value.kind() == from.value.kind() && (value.is_null() || value.is_bool());
  if (same) return from;
  return Computed<Tracked>(std::move(value));
}

}  // namespace skald::expression
