// The parts that tasks are made of: expressions, durations, retry policies, errors and schemas,
// with their references into `use` resolved.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "engine/definition/diagnostics.h"
#include "engine/definition/document.h"
#include "engine/definition/program.h"
#include "engine/definition/variables.h"

namespace skald::definition {

// Where an expression stands and what enclosing tasks bind there.
struct Standpoint {
  Site site;
  Locals locals;

  // The same place with one more variable.
  Standpoint With(std::string local) const {
    Standpoint more = *this;
    more.locals.push_back(std::move(local));
    return more;
  }
};

// Compiles parts. Each function takes an absent value as "not given", and a value whose form is
// wrong (the grammar has said so) the same way.
class PartCompiler {
 public:
  PartCompiler(const Value& root, DiagnosticSink& diagnostics);

  // A field whose type is an expression, or an object with expressions in it.
  std::optional<Template> Expression(const Value& value, const Standpoint& from);
  // A value position: only ${ } is evaluated.
  std::optional<Template> Data(const Value& value, const Standpoint& from);

  std::optional<DurationTemplate> Duration(const Value& value, const Standpoint& from);
  // These three may be names of entries in `use`.
  std::optional<DurationTemplate> Timeout(const Value& value, const Standpoint& from);
  std::optional<RetryPolicy> Retry(const Value& value, const Standpoint& from);
  std::optional<ErrorTemplate> Error(const Value& value, const Standpoint& from);

  // The schema of an `input`, `output` or `export`.
  std::optional<schema::Schema> Schema(const Value& holder);

  // Compiles the reusable parts that nothing has used, so that mistakes in them are found too. To
  // be called last.
  void CheckUnused();

 private:
  std::optional<Template> Compile(const Value& value, expression::Field field,
                                  const Standpoint& from);
  // What to say of an expression that does not compile.
  std::string Explain(const Value& at, const expression::TemplateError& error,
                      expression::Field field, const Standpoint& from) const;
  void CheckSecrets(const Value& value, const Template& compiled, Site site);
  // What a name refers to in `use`, or the value itself when it is no name.
  Value Resolve(const Value& value, absl::string_view section, absl::string_view what);

  const Value use_;
  DiagnosticSink& diagnostics_;
  expression::Mode mode_ = expression::Mode::kStrict;
  bool language_known_ = true;
  absl::flat_hash_set<std::string> used_;  // pointers of entries of `use`
};

}  // namespace skald::definition
