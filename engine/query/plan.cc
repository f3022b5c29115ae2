#include "engine/query/plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/errors.h"
#include "base/json_order.h"
#include "base/status_macros.h"

namespace skald::query {
namespace {

using projection::ColumnType;
using projection::Index;
using projection::ModelSchema;

// Ranges that a plan may have, of columns that are one of several values.
constexpr size_t kRangesMax = 256;
// The first byte of whatever is not null (base/json_order.h).
constexpr char kAfterNull = '\2';
constexpr size_t kStringEndBytes = 2;

std::string Ordered(const Json& value) {
  std::string bytes;
  AppendOrdered(value, bytes);
  return bytes;
}

// An order that the model is kept in.
struct Path {
  std::string index;  // empty: the key
  std::vector<size_t> columns;
  bool leaves_out_null = false;  // rows whose first column is null are not in it
};

std::vector<Path> PathsOf(const ModelSchema& schema, const PlanOptions& options) {
  Path key;
  for (size_t i = 0; i < schema.key_columns; ++i) key.columns.push_back(i);
  std::vector<Path> paths = {key};
  if (options.key_order_only) return paths;
  for (const Index& index : schema.indexes) {
    Path path{.index = index.name, .columns = {}, .leaves_out_null = true};
    for (const std::string& name : index.columns) {
      const projection::Column* column = schema.FindColumn(name);
      if (column == nullptr) break;
      path.columns.push_back(static_cast<size_t>(column - schema.columns.data()));
    }
    if (path.columns.empty()) continue;
    if (path.columns[0] < schema.key_columns) path.leaves_out_null = false;  // a key is never null
    path.columns.insert(path.columns.end(), key.columns.begin(), key.columns.end());
    paths.push_back(std::move(path));
  }
  return paths;
}

// Whether the path is in this order, where columns that are equal to one value count for nothing.
bool HasOrder(const Path& path, absl::Span<const size_t> order,
              const std::vector<bool>& is_equal_column) {
  size_t at = 0;
  for (const size_t wanted : order) {
    while (at < path.columns.size() && path.columns[at] != wanted &&
           is_equal_column[path.columns[at]]) {
      ++at;
    }
    if (at == path.columns.size() || path.columns[at] != wanted) return false;
    ++at;
  }
  return true;
}

// What of a filter a path makes use of.
struct Use {
  std::vector<const CheckedCondition*> equal;  // of its first columns: kEqual, kIn or kIsNull
  std::vector<const CheckedCondition*> range;  // of the one after them
  size_t range_column = 0;
  bool is_complete = false;  // no row that matches is left out of the path

  // What narrows more counts more.
  size_t Score() const {
    size_t score = 0;
    for (const CheckedCondition* condition : equal) {
      score += condition->op == Operator::kIn ? 7 : 8;
    }
    return score + std::min<size_t>(range.size(), 2) * 2;
  }
  // A column may stand in a path twice: in the index, and in the key after it.
  size_t Conditions() const {
    std::vector<const CheckedCondition*> used = equal;
    used.insert(used.end(), range.begin(), range.end());
    std::sort(used.begin(), used.end());
    return static_cast<size_t>(std::unique(used.begin(), used.end()) - used.begin());
  }
};

bool IsEquality(const CheckedCondition& condition) {
  return condition.op == Operator::kEqual || condition.op == Operator::kIn ||
         condition.op == Operator::kIsNull;
}

Use UseOf(const Path& path, const Filter& filter) {
  Use use;
  use.is_complete =
      !path.leaves_out_null ||
      std::any_of(filter.conditions().begin(), filter.conditions().end(), [&](const auto& other) {
        return other.column == path.columns[0] && other.ExcludesNull();
      });
  size_t ranges = 1;
  for (size_t i = 0; i < path.columns.size(); ++i) {
    const size_t column = path.columns[i];
    const CheckedCondition* equal = nullptr;
    std::vector<const CheckedCondition*> range;
    for (const CheckedCondition& condition : filter.conditions()) {
      if (condition.column != column) continue;
      const bool fits = IsEquality(condition) &&
                        (i > 0 || condition.ExcludesNull() || !path.leaves_out_null) &&
                        ranges * std::max<size_t>(1, condition.values.size()) <= kRangesMax;
      if (fits && (equal == nullptr || condition.values.size() < equal->values.size())) {
        equal = &condition;
      } else if (!IsEquality(condition) && condition.op != Operator::kNotEqual) {
        range.push_back(&condition);
      }
    }
    if (equal == nullptr) {
      use.range = std::move(range);
      use.range_column = column;
      break;
    }
    ranges *= std::max<size_t>(1, equal->values.size());
    use.equal.push_back(equal);
  }
  return use;
}

// The places of one column's values that match, after a prefix.
PlaceRange RangeAfter(const std::string& prefix,
                      const std::vector<const CheckedCondition*>& conditions) {
  PlaceRange range{.begin = prefix, .end = AfterPrefix(prefix)};
  const auto raise = [&range](std::string begin) {
    if (begin > range.begin) range.begin = std::move(begin);
  };
  const auto lower = [&range](std::string end) {
    if (!end.empty() && (range.end.empty() || end < range.end)) range.end = std::move(end);
  };
  for (const CheckedCondition* condition : conditions) {
    raise(prefix + kAfterNull);
    const std::string place =
        condition->values.empty() ? prefix : prefix + Ordered(condition->values[0]);
    switch (condition->op) {
      case Operator::kLess:
        lower(place);
        break;
      case Operator::kLessOrEqual:
        lower(AfterPrefix(place));
        break;
      case Operator::kGreater:
        raise(AfterPrefix(place));
        break;
      case Operator::kGreaterOrEqual:
        raise(place);
        break;
      case Operator::kPrefix: {
        const std::string open = place.substr(0, place.size() - kStringEndBytes);
        raise(open);
        lower(AfterPrefix(open));
        break;
      }
      case Operator::kIsNotNull:
      case Operator::kEqual:
      case Operator::kNotEqual:
      case Operator::kIn:
      case Operator::kIsNull:
        break;
    }
  }
  return range;
}

std::vector<PlaceRange> RangesOf(const Use& use) {
  std::vector<std::string> prefixes = {""};
  for (const CheckedCondition* condition : use.equal) {
    std::vector<std::string> longer;
    for (const std::string& prefix : prefixes) {
      if (condition->op == Operator::kIsNull) longer.push_back(prefix + Ordered(Json::Null()));
      for (const Json& value : condition->values) longer.push_back(prefix + Ordered(value));
    }
    prefixes = std::move(longer);
  }
  std::vector<PlaceRange> ranges;
  for (const std::string& prefix : prefixes) {
    PlaceRange range = RangeAfter(prefix, use.range);
    if (range.end.empty() || range.begin < range.end) ranges.push_back(std::move(range));
  }
  return ranges;
}

absl::Status RefuseOrder(const ModelSchema& schema, const PlanOptions& options,
                         absl::string_view why) {
  std::vector<std::string> known;
  std::vector<std::string> key;
  for (size_t i = 0; i < schema.key_columns; ++i) key.push_back(schema.columns[i].name);
  known.push_back(absl::StrCat("(", absl::StrJoin(key, ", "), "), the key"));
  if (!options.key_order_only) {
    for (const Index& index : schema.indexes) {
      known.push_back(absl::StrCat("(", absl::StrJoin(index.columns, ", "), ")"));
    }
  }
  return BadRequestError("order",
                         absl::StrCat(why, ". Model '", schema.name, "' is kept in these orders",
                                      options.key_order_only ? " as of the past" : "", ": ",
                                      absl::StrJoin(known, "; ")));
}

absl::StatusOr<std::vector<size_t>> ResolveOrder(const ModelSchema& schema, const Order& order) {
  if (order.columns.size() > kOrderColumnsMax) {
    return BadRequestError("order", absl::StrCat("has ", order.columns.size(), " columns; at most ",
                                                 kOrderColumnsMax, " are allowed"));
  }
  std::vector<size_t> columns;
  for (const std::string& name : order.columns) {
    const projection::Column* column = schema.FindColumn(name);
    if (column == nullptr) return BadRequestError("order", UnknownColumn(schema, name));
    columns.push_back(static_cast<size_t>(column - schema.columns.data()));
  }
  return columns;
}

// Columns that one value is asked of: they are the same in all rows of the answer.
std::vector<bool> EqualColumns(const ModelSchema& schema, const Filter& filter) {
  std::vector<bool> equal(schema.columns.size());
  for (const CheckedCondition& condition : filter.conditions()) {
    if (IsEquality(condition) && condition.values.size() <= 1) equal[condition.column] = true;
  }
  return equal;
}

Plan PlanOf(const Path& path, const Use& use, const Filter& filter, bool descending) {
  Plan plan;
  plan.descending = descending;
  plan.parts.push_back({.index = path.index, .ranges = RangesOf(use), .null_column = std::nullopt});
  for (const CheckedCondition* condition : use.equal) {
    plan.equal_columns.push_back(condition->column);
  }
  if (!use.range.empty()) plan.range_column = use.range_column;
  plan.is_exact = use.Conditions() == filter.conditions().size();
  return plan;
}

// Adds the rows that the path leaves out: before all others, since null is the least.
void AddNullPart(const std::vector<Path>& paths, size_t column, const Filter& filter, Plan& plan) {
  const Use use = UseOf(paths[0], filter);
  PlanPart nulls{.index = "", .ranges = RangesOf(use), .null_column = column};
  plan.parts.insert(plan.descending ? plan.parts.end() : plan.parts.begin(), std::move(nulls));
  plan.is_exact = false;
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const ModelSchema& schema, const Filter& filter, const Order& order,
                              const PlanOptions& options) {
  SKALD_ASSIGN_OR_RETURN(std::vector<size_t> wanted, ResolveOrder(schema, order));
  const std::vector<bool> is_equal_column = EqualColumns(schema, filter);
  wanted.erase(std::remove_if(wanted.begin(), wanted.end(),
                              [&](size_t column) { return is_equal_column[column]; }),
               wanted.end());
  const std::vector<Path> paths = PathsOf(schema, options);
  const Path* best = nullptr;
  Use best_use;
  bool is_left_out = false;  // a path has the order, but not the rows without its first column
  for (const Path& path : paths) {
    if (!HasOrder(path, wanted, is_equal_column)) continue;
    Use use = UseOf(path, filter);
    if (!use.is_complete) {
      // Without an order there is no need of such a path. Rows without a value are in key order
      // among themselves, so no second column can be asked for.
      if (wanted.empty()) continue;
      if (wanted.size() > 1 || path.columns[0] != wanted[0]) {
        is_left_out = true;
        continue;
      }
    }
    const bool better = best == nullptr || (use.is_complete && !best_use.is_complete) ||
                        (use.is_complete == best_use.is_complete && use.Score() > best_use.Score());
    if (!better) continue;
    best = &path;
    best_use = std::move(use);
  }
  if (best == nullptr) {
    return RefuseOrder(
        schema, options,
        is_left_out ? absl::StrCat("rows without a value are not in that index; ask for rows where "
                                   "its first column 'is not null'")
                    : absl::StrCat("there is no index on ", absl::StrJoin(order.columns, ", ")));
  }
  Plan plan = PlanOf(*best, best_use, filter, order.descending);
  if (!best_use.is_complete) AddNullPart(paths, best->columns[0], filter, plan);
  return plan;
}

std::string AfterPrefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace skald::query
