// Which rows of a read model are wanted: all conditions hold.
//
//   SKALD_ASSIGN_OR_RETURN(Filter filter, Filter::Make(schema, {
//       {.column = "status", .op = Operator::kEqual, .values = {Json::String("running")}}}));
//   if (filter.Matches(row)) ...
//
// Values compare in jq's order (Json::Compare). A row whose column is null matches only kIsNull,
// kNotEqual, and kEqual and kIn with null: to be less than something, a value has to be there.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/json.h"
#include "engine/projection/model.h"

namespace skald::query {

// Bounds on a filter, so that checking a row against it stays cheap.
inline constexpr size_t kConditionsMax = 32;
inline constexpr size_t kConditionValuesMax = 100;
inline constexpr size_t kValueBytesMax = 4'096;
inline constexpr int kValueDepthMax = 16;

enum class Operator : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kIn,
  kIsNull,
  kIsNotNull,
  kPrefix,  // texts and times that begin with the value
};
absl::string_view OperatorText(Operator op);  // "<="

struct Condition {
  std::string column;
  Operator op = Operator::kEqual;
  // One; of kIn one or more; of kIsNull and kIsNotNull none.
  std::vector<Json> values;
};

// What is wrong with a request: field, and problem.
using Violations = std::vector<std::pair<std::string, std::string>>;

// A condition that was checked against a schema.
struct CheckedCondition {
  size_t column = 0;  // place in schema.columns
  Operator op = Operator::kEqual;
  std::vector<Json> values;  // times are in their stored form; of kIn sorted, each once

  bool Matches(const Json& value) const;
  // No row whose column is null matches.
  bool ExcludesNull() const;
};

class Filter {
 public:
  // Lets everything through.
  Filter() = default;
  // `schema` must outlive the filter. BAD_REQUEST lists every violation; `fields` names the
  // conditions in it, "filter[0]" and so on when there are none.
  static absl::StatusOr<Filter> Make(const projection::ModelSchema& schema,
                                     std::vector<Condition> conditions,
                                     absl::Span<const std::string> fields = {});

  bool Matches(const Json& row) const;
  const std::vector<CheckedCondition>& conditions() const { return conditions_; }
  bool empty() const { return conditions_.empty(); }
  // Bytes that are equal for equal filters, for tokens.
  std::string Fingerprint() const;

 private:
  const projection::ModelSchema* schema_ = nullptr;
  std::vector<CheckedCondition> conditions_;
};

// The value that a column of that type holds for `value`: times in their stored form. An error is
// a sentence that goes on after the field's name.
absl::StatusOr<Json> CheckValue(const projection::Column& column, const Json& value);

// "no column 'stat'; did you mean 'status'? The columns: a, b".
std::string UnknownColumn(const projection::ModelSchema& schema, absl::string_view name);

}  // namespace skald::query
