// Tasks: the fields all have, and those of each kind that is not a call, a run or about events.
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "engine/definition/grammar.h"
#include "engine/definition/suggest.h"

namespace skald::definition {
namespace {

// `for` before `do`: a loop has both.
constexpr absl::string_view kKeywords[] = {"call",  "for", "do",  "fork", "emit",   "listen",
                                           "raise", "run", "set", "try",  "switch", "wait"};

}  // namespace

std::optional<absl::string_view> TaskKeyword(const Value& task) {
  for (const absl::string_view keyword : kKeywords) {
    if (task.Has(keyword)) return keyword;
  }
  return std::nullopt;
}

namespace grammar {
namespace {

void TaskMetadata(Shape& shape, const Value& value) { AnyObject(shape, value); }

constexpr Field kCommonFields[] = {
    {"if", ExpressionText},     {"input", Input}, {"output", Output},        {"export", Export},
    {"timeout", TimeoutOrName}, {"then", Then},   {"metadata", TaskMetadata}};

void ForkBody(Shape& shape, const Value& value) {
  shape.Object(value, "'fork'", {{"branches", TaskList, kRequired}, {"compete", Flag}});
}

void LoopCollection(Shape& shape, const Value& value) {
  if (value.is_string()) return;
  if (value.is_array()) {
    shape.ListOf(value, "a list of objects", AnyObject);
    return;
  }
  shape.Expected(value, "an expression that gives an array, or a list of objects");
}

void ForHead(Shape& shape, const Value& value) {
  shape.Object(value, "'for'", {{"each", Text}, {"in", LoopCollection, kRequired}, {"at", Text}});
}

void RaiseBody(Shape& shape, const Value& value) {
  shape.Object(value, "'raise'", {{"error", ErrorOrName, kRequired}});
}

void SetBody(Shape& shape, const Value& value) {
  if (value.is_string()) return;
  if (!value.is_object()) {
    shape.Expected(value, "an object or an expression");
  } else if (value.members().empty()) {
    shape.Error(value, "'set' needs at least one member");
  }
}

void SwitchCase(Shape& shape, const Value& value) {
  shape.Object(value, "a case", {{"when", ExpressionText}, {"then", Then, kRequired}});
}

void SwitchBody(Shape& shape, const Value& value) {
  shape.NamedList(value, "cases", SwitchCase, 1);
}

void ErrorFilter(Shape& shape, const Value& value) {
  if (value.is_object() && value.members().empty()) {
    shape.Error(value, "an error filter needs at least one member");
  }
  shape.Object(
      value, "an error filter",
      {{"type", Text}, {"status", Whole}, {"instance", Text}, {"title", Text}, {"detail", Text}},
      OtherKeys::kWarned);
}

void CatchErrors(Shape& shape, const Value& value) {
  shape.Object(value, "'errors' of a catch", {{"with", ErrorFilter}}, OtherKeys::kWarned);
}

void CatchBody(Shape& shape, const Value& value) {
  shape.Object(value, "'catch'",
               {{"errors", CatchErrors},
                {"as", Text},
                {"when", ExpressionText},
                {"exceptWhen", ExpressionText},
                {"retry", RetryOrName},
                {"do", TaskList},
                {"then", Then}});
}

// What a kind of task has besides the common fields.
std::vector<Field> FieldsOf(absl::string_view keyword) {
  if (keyword == "call") return {{"call", Text, kRequired}, {"with", Any}};
  if (keyword == "do") return {{"do", TaskList, kRequired}};
  if (keyword == "fork") return {{"fork", ForkBody, kRequired}};
  if (keyword == "emit") return {{"emit", Emit, kRequired}};
  if (keyword == "for") {
    return {{"for", ForHead, kRequired}, {"while", ExpressionText}, {"do", TaskList, kRequired}};
  }
  if (keyword == "listen") {
    return {{"listen", Listen, kRequired}, {"foreach", SubscriptionIterator}};
  }
  if (keyword == "raise") return {{"raise", RaiseBody, kRequired}};
  if (keyword == "run") return {{"run", Run, kRequired}};
  if (keyword == "set") return {{"set", SetBody, kRequired}};
  if (keyword == "switch") return {{"switch", SwitchBody, kRequired}};
  if (keyword == "try") return {{"try", TaskList, kRequired}, {"catch", CatchBody, kRequired}};
  return {{"wait", Duration, kRequired}};
}

// A task without a keyword: most likely it is misspelt.
void NoKeyword(Shape& shape, const Value& value) {
  std::vector<std::string> keywords(std::begin(kKeywords), std::end(kKeywords));
  for (const DocumentMember& member : value.members()) {
    const bool common =
        absl::c_any_of(kCommonFields, [&](const Field& field) { return field.key == member.key; });
    if (common || !NearestName(member.key, keywords)) continue;
    const Value found = value.Of(member);
    shape.diagnostics().Error(
        found.key_place(), found.pointer(),
        absl::StrCat("'", member.key, "' is no kind of task", DidYouMean(member.key, keywords)));
    return;
  }
  shape.Error(value, absl::StrCat("a task needs one of ", ListWords(kKeywords)));
}

}  // namespace

void Then(Shape& shape, const Value& value) {
  shape.String(value, "'continue', 'exit', 'end' or the name of a task");
}

void TaskList(Shape& shape, const Value& value) { shape.NamedList(value, "tasks", Task); }

void Task(Shape& shape, const Value& value) {
  if (!value.is_object()) {
    shape.Expected(value, "a task, an object");
    return;
  }
  const std::optional<absl::string_view> keyword = TaskKeyword(value);
  if (!keyword) return NoKeyword(shape, value);
  std::vector<Field> fields = FieldsOf(*keyword);
  fields.insert(fields.end(), std::begin(kCommonFields), std::end(kCommonFields));
  shape.Object(value, absl::StrCat("a '", *keyword, "' task"), fields);
  if (*keyword == "call") CallArguments(shape, value);
  if (value.Get("metadata").Has("saga")) TaskSaga(shape, value);
}

}  // namespace grammar
}  // namespace skald::definition
