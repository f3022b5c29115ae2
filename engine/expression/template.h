// A value of a definition with runtime expressions in it: `set`, `with`, error fields, and the
// fields whose type is an expression (`if`, `when`, `input.from`, ...).
//
// Strict mode: a string that is one whole `${ ... }` becomes the expression's typed value; a string
// with `${ ... }` inside becomes a string with each result put in as jq's `tostring` does; every
// other string is literal. `$${` writes a literal
// `${`. Loose mode: any string is first tried as an expression and is literal if it does not
// compile or fails. Arrays and objects are searched at any depth (values only; keys are literal).
// What an expression returns is data: never searched again.
//
// Thread rule: immutable after Compile.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/json.h"
#include "engine/expression/expression.h"

namespace skald::expression {

// Whether strings without `${ }` are literal (the DSL's default) or tried as expressions.
enum class Mode { kStrict, kLoose };

// What stands in the field.
enum class Field {
  kValue,       // a value position: only `${ }` is evaluated
  kExpression,  // a string here is an expression, with or without `${ }`; objects and arrays are
                // values
};

struct TemplateOptions {
  Mode mode = Mode::kStrict;
  Field field = Field::kValue;
  // Names (without `$`) that expressions may use.
  std::vector<std::string> variables = {};
};

// One expression that does not compile.
struct TemplateError {
  std::string pointer;  // JSON pointer from the template's root to the string
  std::string message;
};

class Template {
 public:
  // A constant null.
  Template();

  // Compiles every expression in `value`. All errors at once are added to `errors` (never null);
  // the result may be used only if none was added.
  static Template Compile(const Json& value, const TemplateOptions& options,
                          std::vector<TemplateError>* errors);

  // The value with every expression replaced by its first result. Errors as Expression::First; the
  // message names the place inside the template when there is more than one expression. All
  // expressions together have the environment's budget.
  absl::StatusOr<Json> Evaluate(const Json& input, const Environment& environment) const;

  // True when nothing is evaluated: Evaluate always returns source().
  bool is_constant() const;
  // The value as written.
  const Json& source() const;
  // The names used by any expression in it.
  absl::Span<const std::string> variables() const;

 private:
  struct Node;
  std::shared_ptr<const Node> root_;
};

}  // namespace skald::expression
