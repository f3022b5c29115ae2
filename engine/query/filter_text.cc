#include "engine/query/filter_text.h"

#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace skald::query {
namespace {

using projection::Column;
using projection::ColumnType;

absl::Status Problem(absl::string_view text) { return absl::InvalidArgumentError(text); }

// The longer of two that begin alike comes first.
constexpr std::array<std::pair<absl::string_view, Operator>, 8> kSigns = {{
    {"!=", Operator::kNotEqual},
    {"<=", Operator::kLessOrEqual},
    {">=", Operator::kGreaterOrEqual},
    {"^=", Operator::kPrefix},
    {"==", Operator::kEqual},
    {"=", Operator::kEqual},
    {"<", Operator::kLess},
    {">", Operator::kGreater},
}};

constexpr absl::string_view kForms =
    "expected COLUMN OPERATOR VALUE, as status=running, or started>=2026-01-01; the operators: "
    "= != < <= > >= ^= (begins with), in A, B, is null, is not null";

// Takes a word (in any case) and what follows it, if the text begins with it.
bool TakeWord(absl::string_view word, absl::string_view& text) {
  if (!absl::StartsWithIgnoreCase(text, word)) return false;
  if (text.size() > word.size() &&
      !absl::ascii_isspace(static_cast<unsigned char>(text[word.size()])) &&
      text[word.size()] != '(') {
    return false;
  }
  text = absl::StripLeadingAsciiWhitespace(text.substr(word.size()));
  return true;
}

constexpr JsonLimits kValueLimits{.bytes_max = kConditionBytesMax, .depth_max = kValueDepthMax};

// As ParseValue, but texts may stand in quotation marks.
absl::StatusOr<Json> ParseQuoted(const Column& column, absl::string_view text) {
  if (!absl::StartsWith(text, "\"") || column.type == ColumnType::kJson) {
    return ParseValue(column, text);
  }
  const absl::StatusOr<Json> value = Json::Parse(text, kValueLimits);
  if (value.ok()) return CheckValue(column, *value);
  return Problem(absl::StrCat("what begins with a quotation mark must be a JSON string: ",
                              value.status().message()));
}

// The end of a list's item that begins at 0: a comma outside of quotation marks, or the end.
size_t ItemEnd(absl::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == ',' && !quoted) {
      return i;
    }
  }
  return text.size();
}

absl::StatusOr<std::vector<Json>> ParseList(const Column& column, absl::string_view text) {
  if (absl::StartsWith(text, "(")) {
    if (!absl::EndsWith(text, ")")) return Problem("the list has no closing parenthesis");
    text = text.substr(1, text.size() - 2);
  }
  std::vector<Json> values;
  while (true) {
    const size_t end = ItemEnd(text);
    const absl::string_view item = absl::StripAsciiWhitespace(text.substr(0, end));
    if (item.empty()) return Problem("an item of the list is empty; write \"\" for an empty text");
    SKALD_ASSIGN_OR_RETURN(Json value, ParseQuoted(column, item));
    values.push_back(std::move(value));
    if (values.size() > kConditionValuesMax) {
      return Problem(absl::StrCat("'in' takes at most ", kConditionValuesMax, " values"));
    }
    if (end == text.size()) return values;
    text.remove_prefix(end + 1);
  }
}

// What follows the column's name: operator and value.
absl::StatusOr<Condition> ParseRest(const Column& column, absl::string_view rest) {
  Condition condition{.column = column.name, .op = Operator::kEqual, .values = {}};
  for (const auto& [sign, op] : kSigns) {
    if (!absl::ConsumePrefix(&rest, sign)) continue;
    condition.op = op;
    rest = absl::StripAsciiWhitespace(rest);
    // A prefix of a time is no time yet.
    const Column text_column{
        .name = column.name, .type = ColumnType::kText, .description = "", .path = {}};
    SKALD_ASSIGN_OR_RETURN(Json value,
                           ParseQuoted(op == Operator::kPrefix ? text_column : column, rest));
    condition.values.push_back(std::move(value));
    return condition;
  }
  rest = absl::StripTrailingAsciiWhitespace(rest);
  if (TakeWord("is", rest)) {
    const bool negated = TakeWord("not", rest);
    if (TakeWord("null", rest) && rest.empty()) {
      condition.op = negated ? Operator::kIsNotNull : Operator::kIsNull;
      return condition;
    }
    return Problem("after 'is' expected 'null' or 'not null'; to compare, use =");
  }
  if (TakeWord("in", rest)) {
    condition.op = Operator::kIn;
    SKALD_ASSIGN_OR_RETURN(condition.values, ParseList(column, rest));
    return condition;
  }
  return Problem(kForms);
}

}  // namespace

absl::StatusOr<Condition> ParseCondition(const projection::ModelSchema& schema,
                                         absl::string_view text) {
  if (text.size() > kConditionBytesMax) {
    return Problem(
        absl::StrCat("has ", text.size(), " bytes; at most ", kConditionBytesMax, " are allowed"));
  }
  if (!IsValidUtf8(text)) return Problem("must be UTF-8");
  text = absl::StripLeadingAsciiWhitespace(text);
  const size_t end = text.find_first_of(" \t\r\n=!<>^");
  if (end == 0 || text.empty()) return Problem(kForms);
  const absl::string_view name = text.substr(0, end);
  const Column* column = schema.FindColumn(name);
  if (column == nullptr) return Problem(UnknownColumn(schema, name));
  if (end == absl::string_view::npos) return Problem(kForms);
  return ParseRest(*column, absl::StripLeadingAsciiWhitespace(text.substr(end)));
}

absl::StatusOr<Json> ParseValue(const Column& column, absl::string_view text) {
  if (text.size() > kConditionBytesMax) {
    return Problem(
        absl::StrCat("has ", text.size(), " bytes; at most ", kConditionBytesMax, " are allowed"));
  }
  if (!IsValidUtf8(text)) return Problem("must be UTF-8");
  switch (column.type) {
    case ColumnType::kText:
    case ColumnType::kTime:
      return CheckValue(column, Json::String(text));
    case ColumnType::kInteger:
    case ColumnType::kNumber:
    case ColumnType::kBoolean: {
      const absl::StatusOr<Json> value = Json::Parse(text, kValueLimits);
      return CheckValue(column, value.ok() && !value->is_null() ? *value : Json::String(text));
    }
    case ColumnType::kJson: {
      const absl::StatusOr<Json> value = Json::Parse(text, kValueLimits);
      return CheckValue(column, value.ok() ? *value : Json::String(text));
    }
  }
  return Problem(kForms);
}

}  // namespace skald::query
