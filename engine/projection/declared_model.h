// A read model as users declare it: YAML or JSON that says which events, under which key, and how a
// row changes. docs/models.md is the reference of the language.
//
//   CompiledModel compiled = CompileModel(text);
//   if (!compiled.ok()) return compiled.status();   // MODEL_INVALID: every error with its place
//   Model model = MakeModel(compiled.declaration);
//
// Thread rule: values; a Declaration is immutable and may be shared by any number of threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "engine/definition/compile.h"
#include "engine/definition/diagnostics.h"
#include "engine/expression/expression.h"
#include "engine/projection/fold.h"
#include "engine/projection/model.h"
#include "skald/log/v1/event.pb.h"

namespace skald::projection {

// Bounds of declarations and of what they do to an event.
inline constexpr size_t kDeclarationBytesMax = 256 << 10;
inline constexpr size_t kModelNameBytesMax = 63;
inline constexpr size_t kModelColumnsMax = 50;
inline constexpr size_t kModelIndexesMax = 10;
inline constexpr size_t kIndexColumnsMax = 8;
// Keys that one event may give, and the bytes of one as it is stored.
inline constexpr size_t kKeysAnEventMax = 1'000;
inline constexpr size_t kKeyBytesMax = 1 << 10;
// Of a row's value, as JSON text.
inline constexpr size_t kRowValueBytesMax = 256 << 10;
// What one evaluation of an expression may cost: a tenth of the steps, and a quarter of the memory,
// that a definition's may, because it runs for every event again and again.
inline constexpr expression::Budget kModelBudget = {.steps_max = 200'000, .bytes_max = 16 << 20};

// Which events count: those that fit every part that is given.
struct EventFilter {
  std::vector<log::v1::Event::KindCase> types;  // empty: all of sagas
  std::string namespace_name;                   // empty: any
  std::string definition;                       // the name; empty: any
  std::string task;                             // name or JSON pointer; empty: any, or none

  // Whether an event may fit, going by its type alone.
  bool TakesType(log::v1::Event::KindCase type) const;
};

// An expression with the place in the declaration where it stands.
struct ModelExpression {
  expression::Expression expression;
  std::string name;  // "reduce"
  definition::Place place;
};

struct Declaration {
  ModelSchema schema;
  std::string hash;  // SHA-256 of the text, 32 bytes
  std::vector<EventFilter> events;
  std::optional<ModelExpression> where;
  std::optional<ModelExpression> key, reduce;  // always there
  Json init;
  PoisonPolicy on_poison = PoisonPolicy::kStop;
};

struct CompiledModel {
  std::shared_ptr<const Declaration> declaration;   // null when there is an error
  std::vector<definition::Diagnostic> diagnostics;  // in order of place

  bool ok() const { return declaration != nullptr; }
  // OK, or MODEL_INVALID with each error in its message and as a violation: pointer and place.
  absl::Status status() const;
};

// Parses, checks and compiles a declaration. Never crashes or hangs on any input.
CompiledModel CompileModel(absl::string_view text);

// The model that a declaration makes.
Model MakeModel(std::shared_ptr<const Declaration> declaration);

// Whether the engine itself has a model of this name, so that no declaration may take it.
bool IsBuiltInModel(absl::string_view name);

}  // namespace skald::projection
