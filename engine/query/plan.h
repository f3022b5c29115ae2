// How the rows of a query are found: which order of a model (its key's or an index's) is gone
// through, and between which places of it.
//
// A plan never sorts: rows come in the order of the path that is taken. So an order can be asked
// for only when the key or an index has it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/projection/model.h"
#include "engine/projection/reader.h"
#include "engine/query/filter.h"

namespace skald::query {

// An order that is asked for. Without columns: whatever is cheapest, the same each time.
struct Order {
  std::vector<std::string> columns;
  bool descending = false;

  friend bool operator==(const Order&, const Order&) = default;
};

inline constexpr size_t kOrderColumnsMax = 8;

// Places of a path: from `begin` up to, not with, `end`; empty: to the last.
struct PlaceRange {
  std::string begin;
  std::string end;
};

// A stretch of the answer. The rows of the answer are those of the first part, then of the second.
struct PlanPart {
  std::string index;               // empty: in key order
  std::vector<PlaceRange> ranges;  // disjoint, ascending; gone through in the plan's direction
  // Only rows whose column is null: those an index leaves out.
  std::optional<size_t> null_column;
};

struct Plan {
  std::vector<PlanPart> parts;
  bool descending = false;
  // The ranges hold exactly the rows that match: nothing has to be read to know that they do.
  bool is_exact = false;
  // The columns whose conditions chose the ranges. For tests, and for estimates.
  std::vector<size_t> equal_columns;
  std::optional<size_t> range_column;
};

struct PlanOptions {
  // Rows of the past are known in key order only.
  bool key_order_only = false;
};

// BAD_REQUEST (field "order") when the order is neither the key's nor an index's; names those there
// are.
absl::StatusOr<Plan> MakePlan(const projection::ModelSchema& schema, const Filter& filter,
                              const Order& order, const PlanOptions& options = {});

// The first string after all that begin with `prefix`; empty when there is none.
std::string AfterPrefix(std::string prefix);

}  // namespace skald::query
