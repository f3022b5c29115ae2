#include "engine/query/filter.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/json_order.h"
#include "engine/definition/suggest.h"

namespace skald::query {
namespace {

using projection::Column;
using projection::ColumnType;
using projection::ModelSchema;

// As much of a value as a message shows.
constexpr size_t kShownBytes = 60;

std::string Shown(const Json& value) {
  std::string text = value.ToText();
  if (text.size() <= kShownBytes) return text;
  size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), "…");
}

absl::Status Problem(absl::string_view text) { return absl::InvalidArgumentError(text); }

bool HasDepthAtMost(const Json& value, int depth) {
  if (depth == 0) return false;
  if (value.is_array()) {
    return std::all_of(value.AsArray().begin(), value.AsArray().end(),
                       [&](const Json& element) { return HasDepthAtMost(element, depth - 1); });
  }
  if (value.is_object()) {
    return std::all_of(
        value.AsObject().begin(), value.AsObject().end(),
        [&](const Json::Member& member) { return HasDepthAtMost(member.value, depth - 1); });
  }
  return true;
}

// "2026-01-31" or an RFC 3339 time, in the stored form.
absl::StatusOr<Json> CheckTime(absl::string_view name, const Json& value) {
  const auto refuse = [&](absl::string_view why) {
    return Problem(absl::StrCat("column '", name, "' is a time; ", why, ", not ", Shown(value)));
  };
  if (!value.is_string()) return refuse("give RFC 3339, as \"2026-01-31T12:00:00Z\"");
  std::string text(value.AsString());
  constexpr size_t kDateBytes = 10;
  if (text.size() == kDateBytes) text += "T00:00:00Z";
  absl::Time time;
  // Abseil also reads what is no RFC 3339, as "infinite-future" and years of any length.
  const bool plain = text.size() > kDateBytes && text[4] == '-' && text[7] == '-' &&
                     absl::ascii_isdigit(static_cast<unsigned char>(text[0])) && text[10] == 'T' &&
                     text.find(' ') == std::string::npos;
  if (!plain || !absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) {
    return refuse("give RFC 3339, as \"2026-01-31T12:00:00Z\" or \"2026-01-31\"");
  }
  if (absl::FromUnixMicros(absl::ToUnixMicros(time)) != time) {
    return refuse("give at most six digits of a second's fraction");
  }
  return Json::String(absl::FormatTime("%E4Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone()));
}

absl::string_view ExpectedOf(ColumnType type) {
  switch (type) {
    case ColumnType::kText:
      return "a text";
    case ColumnType::kInteger:
    case ColumnType::kNumber:
      return "a number";
    case ColumnType::kBoolean:
      return "true or false";
    case ColumnType::kTime:
      return "a time";
    case ColumnType::kJson:
      return "a JSON value";
  }
  return "a value";
}

bool Fits(ColumnType type, const Json& value) {
  switch (type) {
    case ColumnType::kText:
    case ColumnType::kTime:
      return value.is_string();
    case ColumnType::kInteger:
    case ColumnType::kNumber:
      return value.is_number();
    case ColumnType::kBoolean:
      return value.is_bool();
    case ColumnType::kJson:
      return true;
  }
  return false;
}

// What a prefix may be of; it is a text as it stands, also of a time.
absl::StatusOr<Json> CheckPrefix(const Column& column, const Json& value) {
  if (column.type != ColumnType::kText && column.type != ColumnType::kTime &&
      column.type != ColumnType::kJson) {
    return Problem(absl::StrCat("column '", column.name, "' is ", ExpectedOf(column.type),
                                "; only texts and times have a prefix"));
  }
  if (!value.is_string()) {
    return Problem(absl::StrCat("a prefix is a text, not ", Shown(value)));
  }
  if (value.AsString().size() > kValueBytesMax) {
    return Problem(absl::StrCat("a value has at most ", kValueBytesMax, " bytes"));
  }
  return value;
}

absl::Status CheckCount(Operator op, size_t count) {
  switch (op) {
    case Operator::kIsNull:
    case Operator::kIsNotNull:
      if (count == 0) return absl::OkStatus();
      return Problem(absl::StrCat("'", OperatorText(op), "' takes no value"));
    case Operator::kIn:
      if (count > 0 && count <= kConditionValuesMax) return absl::OkStatus();
      return Problem(absl::StrCat("'in' takes 1 to ", kConditionValuesMax, " values, not ", count));
    default:
      if (count == 1) return absl::OkStatus();
      return Problem(absl::StrCat("'", OperatorText(op), "' takes one value, not ", count));
  }
}

bool IsOrdering(Operator op) {
  return op == Operator::kLess || op == Operator::kLessOrEqual || op == Operator::kGreater ||
         op == Operator::kGreaterOrEqual;
}

absl::StatusOr<CheckedCondition> Check(const ModelSchema& schema, Condition condition) {
  const Column* column = schema.FindColumn(condition.column);
  if (column == nullptr) return Problem(UnknownColumn(schema, condition.column));
  CheckedCondition checked;
  checked.column = static_cast<size_t>(column - schema.columns.data());
  checked.op = condition.op;
  if (absl::Status status = CheckCount(condition.op, condition.values.size()); !status.ok()) {
    return status;
  }
  for (const Json& value : condition.values) {
    if (value.is_null() && IsOrdering(condition.op)) {
      return Problem("nothing is less or greater than null; use 'is null' or 'is not null'");
    }
    absl::StatusOr<Json> fit = condition.op == Operator::kPrefix ? CheckPrefix(*column, value)
                                                                 : CheckValue(*column, value);
    if (!fit.ok()) return fit.status();
    checked.values.push_back(*std::move(fit));
  }
  if (checked.op == Operator::kIn) {
    std::sort(checked.values.begin(), checked.values.end(),
              [](const Json& a, const Json& b) { return Json::Compare(a, b) < 0; });
    checked.values.erase(std::unique(checked.values.begin(), checked.values.end()),
                         checked.values.end());
  }
  if (checked.values.size() == 1 && checked.values[0].is_null() &&
      (checked.op == Operator::kEqual || checked.op == Operator::kIn)) {
    checked = {.column = checked.column, .op = Operator::kIsNull, .values = {}};
  } else if (checked.op == Operator::kNotEqual && checked.values[0].is_null()) {
    checked = {.column = checked.column, .op = Operator::kIsNotNull, .values = {}};
  }
  return checked;
}

}  // namespace

absl::string_view OperatorText(Operator op) {
  switch (op) {
    case Operator::kEqual:
      return "=";
    case Operator::kNotEqual:
      return "!=";
    case Operator::kLess:
      return "<";
    case Operator::kLessOrEqual:
      return "<=";
    case Operator::kGreater:
      return ">";
    case Operator::kGreaterOrEqual:
      return ">=";
    case Operator::kIn:
      return "in";
    case Operator::kIsNull:
      return "is null";
    case Operator::kIsNotNull:
      return "is not null";
    case Operator::kPrefix:
      return "^=";
  }
  return "?";
}

bool CheckedCondition::Matches(const Json& value) const {
  switch (op) {
    case Operator::kEqual:
      return value == values[0];
    case Operator::kNotEqual:
      return !(value == values[0]);
    case Operator::kLess:
      return !value.is_null() && Json::Compare(value, values[0]) < 0;
    case Operator::kLessOrEqual:
      return !value.is_null() && Json::Compare(value, values[0]) <= 0;
    case Operator::kGreater:
      return !value.is_null() && Json::Compare(value, values[0]) > 0;
    case Operator::kGreaterOrEqual:
      return !value.is_null() && Json::Compare(value, values[0]) >= 0;
    case Operator::kIn:
      return std::any_of(values.begin(), values.end(),
                         [&](const Json& wanted) { return value == wanted; });
    case Operator::kIsNull:
      return value.is_null();
    case Operator::kIsNotNull:
      return !value.is_null();
    case Operator::kPrefix:
      return value.is_string() && absl::StartsWith(value.AsString(), values[0].AsString());
  }
  return false;
}

bool CheckedCondition::ExcludesNull() const {
  switch (op) {
    case Operator::kNotEqual:
    case Operator::kIsNull:
      return false;
    case Operator::kIn:
      return !values[0].is_null();
    case Operator::kEqual:
    case Operator::kLess:
    case Operator::kLessOrEqual:
    case Operator::kGreater:
    case Operator::kGreaterOrEqual:
    case Operator::kIsNotNull:
    case Operator::kPrefix:
      return true;
  }
  return false;
}

absl::StatusOr<Filter> Filter::Make(const ModelSchema& schema, std::vector<Condition> conditions,
                                    absl::Span<const std::string> fields) {
  SKALD_CHECK(fields.empty() || fields.size() == conditions.size());
  if (conditions.size() > kConditionsMax) {
    return BadRequestError(
        "filter", absl::StrCat("has ", conditions.size(), " conditions; at most ", kConditionsMax,
                               " are allowed"));
  }
  Filter filter;
  filter.schema_ = &schema;
  Violations violations;
  for (size_t i = 0; i < conditions.size(); ++i) {
    absl::StatusOr<CheckedCondition> checked = Check(schema, std::move(conditions[i]));
    if (checked.ok()) {
      filter.conditions_.push_back(*std::move(checked));
    } else {
      violations.emplace_back(fields.empty() ? absl::StrCat("filter[", i, "]") : fields[i],
                              std::string(checked.status().message()));
    }
  }
  if (!violations.empty()) return BadRequestError(std::move(violations));
  return filter;
}

bool Filter::Matches(const Json& row) const {
  return std::all_of(
      conditions_.begin(), conditions_.end(), [&](const CheckedCondition& condition) {
        return condition.Matches(ModelSchema::ValueOf(schema_->columns[condition.column], row));
      });
}

std::string Filter::Fingerprint() const {
  std::string bytes;
  for (const CheckedCondition& condition : conditions_) {
    AppendOrdered(Json::String(schema_->columns[condition.column].name), bytes);
    bytes.push_back(static_cast<char>(condition.op));
    AppendOrdered(Json::Array(condition.values), bytes);
  }
  return bytes;
}

absl::StatusOr<Json> CheckValue(const Column& column, const Json& value) {
  if (value.is_null()) return value;
  if (value.ApproximateBytes() > kValueBytesMax + sizeof(Json) * 64 ||
      value.ToText().size() > kValueBytesMax) {
    return Problem(absl::StrCat("a value has at most ", kValueBytesMax, " bytes"));
  }
  if (!HasDepthAtMost(value, kValueDepthMax)) {
    return Problem(absl::StrCat("a value has at most ", kValueDepthMax, " levels"));
  }
  if (column.type == ColumnType::kTime) return CheckTime(column.name, value);
  if (!Fits(column.type, value)) {
    return Problem(absl::StrCat("column '", column.name, "' is ",
                                projection::ColumnTypeName(column.type), "; give ",
                                ExpectedOf(column.type), ", not ", Shown(value)));
  }
  return value;
}

std::string UnknownColumn(const ModelSchema& schema, absl::string_view name) {
  std::vector<std::string> known;
  for (const Column& column : schema.columns) known.push_back(column.name);
  std::string hint = definition::DidYouMean(name, known);
  if (hint.empty()) hint = ".";
  return absl::StrCat("there is no column '", absl::Utf8SafeCEscape(name.substr(0, kShownBytes)),
                      "'", hint, " The columns: ", absl::StrJoin(known, ", "));
}

}  // namespace skald::query
