// A jq expression: compiled once when a definition is deployed, evaluated many times.
//
//   SKALD_ASSIGN_OR_RETURN(Expression total, Expression::Compile(".order.total > $limit",
//   {.variables = {"limit"}})); SKALD_ASSIGN_OR_RETURN(Json over, total.First(document, {.now =
//   now, .variable = bind}));
//
// The language is jq 1.7.1 without what reads the world outside its input: modules, files, the
// environment, process facts; those are compile errors. `now` is the time given with the
// evaluation. An evaluation has a budget of steps and bytes; past it, it fails with an error: never
// a hang, never a crash, deep recursion included.
//
// Thread rule: an Expression is immutable after Compile; any number of threads may evaluate it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/json.h"

namespace skald::expression {

// What one evaluation, of an expression or of a template, may cost at most.
struct Budget {
  uint64_t steps_max = 2'000'000;
  size_t bytes_max = 64 << 20;
};

// What an evaluation is given besides its input.
struct Environment {
  // What `now` answers.
  Timestamp now = {};
  // Gives the value of a variable (name without `$`). Called at most once per evaluation for each
  // name in Expression::variables(). May be null when the expression uses none.
  const absl::FunctionRef<Json(absl::string_view)>* variable = nullptr;
  Budget budget = {};
  // What is left for several evaluations together, which counts instead of `budget`: each takes
  // from it what it cost. Null when the evaluation is alone.
  Budget* shared = nullptr;
};

// Where in an expression's text an error lies, from 1; columns count characters.
struct ErrorPlace {
  size_t offset = 0;  // in bytes, from 0
  int line = 1;
  int column = 1;
};

// The place that a status of Compile, First or ForEach carries; nothing when it lies nowhere in the
// text.
std::optional<ErrorPlace> PlaceOfError(const absl::Status& status);

struct CompileOptions {
  // Names (without `$`) that may be used; any other is a compile error.
  std::vector<std::string> variables = {};
};

class Expression {
 public:
  // INVALID_ARGUMENT: the text does not compile; the message says what, with line and column in the
  // expression, which PlaceOfError gives too.
  static absl::StatusOr<Expression> Compile(absl::string_view text,
                                            const CompileOptions& options = {});

  // The first result. INVALID_ARGUMENT: there was none, or evaluation failed (message as jq words
  // it, with the expression and the place in it that failed, which PlaceOfError gives too).
  // RESOURCE_EXHAUSTED: the budget was used up.
  absl::StatusOr<Json> First(const Json& input, const Environment& environment) const;

  // Calls `result` for each result in order until it returns false. Errors as First; results before
  // an error have been delivered.
  absl::Status ForEach(const Json& input, const Environment& environment,
                       absl::FunctionRef<bool(Json)> result) const;

  // The source text.
  const std::string& text() const;
  // The names of CompileOptions::variables that the expression really uses.
  absl::Span<const std::string> variables() const;

 private:
  struct Code;
  explicit Expression(std::shared_ptr<const Code> code);
  std::shared_ptr<const Code> code_;
};

}  // namespace skald::expression
