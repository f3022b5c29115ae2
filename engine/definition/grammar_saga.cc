// `metadata.saga`: strict, because a typo here would switch an undo off without a word.
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "engine/definition/grammar.h"
#include "engine/definition/suggest.h"

namespace skald::definition::grammar {
namespace {

void Order(Shape& shape, const Value& value) {
  shape.OneOf(value, "an order of undoing", {"reverse", "mirror", "parallel"});
}

void UndoOrNone(Shape& shape, const Value& value) {
  shape.OneOf(value, "what to do", {"compensate", "none"});
}

void UndoOrAbandon(Shape& shape, const Value& value) {
  shape.OneOf(value, "what to do", {"compensate", "abandon"});
}

void UndoOrKeep(Shape& shape, const Value& value) {
  shape.OneOf(value, "what to do", {"compensate", "keep"});
}

void Exhausted(Shape& shape, const Value& value) {
  shape.OneOf(value, "what to do", {"park", "continue", "fault"});
}

void Registration(Shape& shape, const Value& value) {
  shape.OneOf(value, "when the undo is registered", {"completion", "attempt"});
}

void Name(Shape& shape, const Value& value) {
  shape.StringThat(value, "a name", [](absl::string_view text) { return !text.empty(); });
}

void Arguments(Shape& shape, const Value& value) {
  if (!value.is_object() && !value.is_string()) {
    shape.Expected(value, "an object or an expression");
  }
}

void Compensate(Shape& shape, const Value& value) {
  constexpr absl::string_view kWhat = "'compensate'";
  if (value.is_string()) return Name(shape, value);
  if (!value.is_object()) {
    shape.Expected(value, "the name of a function, or { use: name } or { do: [tasks] }");
    return;
  }
  shape.Object(value, kWhat,
               {{"use", Name},
                {"do", TaskList},
                {"with", Arguments},
                {"if", ExpressionText},
                {"retry", RetryOrName},
                {"timeout", TimeoutOrName},
                {"onExhausted", Exhausted}});
  shape.ExactlyOneOf(value, kWhat, {"use", "do"});
}

constexpr Field kScopeFields[] = {{"name", Name},
                                  {"order", Order},
                                  {"onFault", UndoOrNone},
                                  {"onCancel", UndoOrAbandon},
                                  {"onTimeout", UndoOrNone},
                                  {"timeout", TimeoutOrName},
                                  {"forward", RetryOrName}};

void Scope(Shape& shape, const Value& value) {
  if (value.json().is_bool()) return;
  if (!value.is_object()) {
    shape.Expected(value, "true, false or an object of options");
    return;
  }
  shape.Object(value, "'scope'", kScopeFields);
}

void TryScope(Shape& shape, const Value& value) {
  if (!value.is_object()) return Scope(shape, value);
  std::vector<Field> fields(std::begin(kScopeFields), std::end(kScopeFields));
  fields.push_back({"onRetry", UndoOrKeep});
  shape.Object(value, "'scope'", fields);
}

bool IsScopeOption(absl::string_view key) {
  return key == "onRetry" ||
         absl::c_any_of(kScopeFields, [key](const Field& field) { return field.key == key; });
}

bool MayBeScope(const Value& task) {
  const absl::string_view keyword = TaskKeyword(task).value_or("");
  return keyword == "do" || keyword == "try" || keyword == "for" || keyword == "fork" ||
         (keyword == "run" && task.Get("run").Has("workflow"));
}

// A key that exists, at a place where it means nothing.
void Misplaced(Shape& shape, const Value& saga, absl::string_view key, absl::string_view where) {
  const Value found = saga.Get(key);
  shape.diagnostics().Error(found.key_place(), found.pointer(),
                            absl::StrCat("'", key, "' has no meaning here: ", where));
}

constexpr absl::string_view kTaskKeys[] = {"compensate", "register", "scope", "pivot", "forward"};

}  // namespace

void TaskSaga(Shape& shape, const Value& task) {
  const Value saga = task.Get("metadata").Get("saga");
  std::vector<Field> fields = {{"compensate", Compensate},
                               {"register", Registration},
                               {"pivot", Flag},
                               {"forward", RetryOrName}};
  if (!saga.is_object()) {
    shape.Expected(saga, "an object");
    return;
  }
  const std::vector<std::string> keys(std::begin(kTaskKeys), std::end(kTaskKeys));
  const absl::string_view keyword = TaskKeyword(task).value_or("");
  for (const DocumentMember& member : saga.members()) {
    const bool known = absl::c_linear_search(kTaskKeys, member.key);
    if (member.key == "scope" && !MayBeScope(task)) {
      Misplaced(shape, saga, member.key,
                absl::StrCat("a '", keyword,
                             "' task is no scope; do, try, for, fork and run.workflow can be"));
    } else if (!known && IsScopeOption(member.key)) {
      Misplaced(shape, saga, member.key, "it belongs under 'scope'");
    } else if (!known && member.key == "onExhausted") {
      Misplaced(shape, saga, member.key, "it belongs under 'compensate'");
    } else if (!known) {
      shape.UnknownKey(saga, member, "'metadata.saga' of a task", keys);
    } else if (member.key == "scope") {
      (keyword == "try" ? TryScope : Scope)(shape, saga.Of(member));
    } else {
      for (const Field& field : fields) {
        if (field.key == member.key) field.check(shape, saga.Of(member));
      }
    }
  }
}

void DocumentSaga(Shape& shape, const Value& value) {
  if (!value.is_object()) {
    shape.Expected(value, "an object");
    return;
  }
  std::vector<std::string> keys;
  for (const Field& field : kScopeFields) keys.emplace_back(field.key);
  for (const DocumentMember& member : value.members()) {
    const Value found = value.Of(member);
    bool known = false;
    for (const Field& field : kScopeFields) {
      if (field.key != member.key) continue;
      known = true;
      field.check(shape, found);
    }
    if (known) continue;
    if (member.key == "scope") {
      Misplaced(shape, value, member.key, "the options of the root's scope stand right here");
    } else if (member.key == "onRetry") {
      Misplaced(shape, value, member.key, "only a 'try' retries");
    } else if (member.key != "forward" && absl::c_linear_search(kTaskKeys, member.key)) {
      Misplaced(shape, value, member.key, "it belongs on a task");
    } else {
      shape.UnknownKey(value, member, "'metadata.saga' of the document", keys);
    }
  }
}

}  // namespace skald::definition::grammar
