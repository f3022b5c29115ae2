#include "engine/projection/declared_model.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/errors.h"
#include "base/sha256.h"
#include "engine/definition/document.h"
#include "engine/definition/names.h"
#include "engine/definition/shape.h"
#include "engine/definition/suggest.h"
#include "engine/definition/yaml_reader.h"
#include "engine/projection/declared_fold.h"
#include "engine/saga/event_text.h"

namespace skald::projection {
namespace {

using definition::Diagnostic;
using definition::DiagnosticSink;
using definition::DocumentMember;
using definition::Shape;
using definition::Value;

constexpr absl::string_view kBuiltIn[] = {"sagas",  "attributes",  "timeline", "incidents",
                                          "queues", "definitions", "throughput"};
constexpr absl::string_view kKeyColumn = "key";
constexpr absl::string_view kValueColumn = "value";

struct TypeWord {
  absl::string_view word;
  ColumnType type;
};
constexpr TypeWord kTypeWords[] = {
    {"text", ColumnType::kText},       {"integer", ColumnType::kInteger},
    {"number", ColumnType::kNumber},   {"boolean", ColumnType::kBoolean},
    {"time", ColumnType::kTime},       {"json", ColumnType::kJson},
};

// ---- The grammar: what may stand where ----

bool IsModelName(absl::string_view text) {
  return definition::IsLabel(text) &&
         absl::c_none_of(text, [](char c) { return absl::ascii_isupper(c); });
}

bool IsTask(absl::string_view text) {
  return !text.empty() && (text[0] != '/' || definition::IsJsonPointer(text));
}

bool IsPath(absl::string_view text) {
  const std::vector<absl::string_view> names = absl::StrSplit(text, '.');
  return absl::c_none_of(names, [](absl::string_view name) { return name.empty(); });
}

void Text(Shape& shape, const Value& value) { shape.String(value, "text"); }
void Flag(Shape& shape, const Value& value) { shape.Bool(value, "a flag"); }
void Anything(Shape&, const Value&) {}

void NotEmpty(Shape& shape, const Value& value) {
  shape.StringThat(value, "a name", [](absl::string_view text) { return !text.empty(); });
}

void Name(Shape& shape, const Value& value) {
  if (!shape.StringThat(value,
                        "a name of lower-case letters, digits and dashes, at most 63, no dash at "
                        "either end",
                        IsModelName)) {
    return;
  }
  if (IsBuiltInModel(value.text())) {
    shape.Error(value, absl::StrCat("'", value.text(),
                                    "' is the name of a model that Skald itself keeps; give yours "
                                    "another"));
  }
}

void EventType(Shape& shape, const Value& value) {
  if (!shape.String(value, "an event type such as 'SagaCompleted'")) return;
  if (saga::FindEventType(value.text()) != log::v1::Event::KIND_NOT_SET) return;
  const std::vector<std::string> names = saga::EventTypeNames();
  const std::string hint = definition::DidYouMean(value.text(), names);
  shape.Error(value, absl::StrCat("'", value.text(), "' is no event type",
                                  hint.empty() ? "; docs/api.md lists them" : hint));
}

void EventTypes(Shape& shape, const Value& value) { shape.ListOf(value, "event types", EventType); }

void Task(Shape& shape, const Value& value) {
  shape.StringThat(value, "a task's name, or its JSON pointer such as /do/0/pay", IsTask);
}

void Event(Shape& shape, const Value& value) {
  shape.Object(value, "an entry of 'events'",
               {{"types", EventTypes},
                {"namespace", NotEmpty},
                {"definition", NotEmpty},
                {"task", Task}});
}

void Events(Shape& shape, const Value& value) { shape.ListOf(value, "'events'", Event, 1); }

void Jq(Shape& shape, const Value& value) {
  if (!value.is_string()) {
    shape.Error(value, absl::StrCat("expected a jq expression as text, found ",
                                    definition::DescribeValue(value.json()),
                                    "; put the expression in quotes"));
    return;
  }
  if (definition::IsWholeExpression(value.text())) {
    shape.Error(value, "here the expression stands as it is, without ${ }");
  }
}

void Type(Shape& shape, const Value& value) {
  shape.OneOf(value, "a column's type",
              {"text", "integer", "number", "boolean", "time", "json"});
}

void Path(Shape& shape, const Value& value) {
  shape.StringThat(value, "names of members with dots between them, such as 'address.city'",
                   IsPath);
}

void ColumnEntry(Shape& shape, const Value& value) {
  shape.Object(value, "a column",
               {{"type", Type, definition::kRequired}, {"path", Path}, {"description", Text}});
}

void Columns(Shape& shape, const Value& value) {
  if (!shape.MapOf(value, "'columns'", ColumnEntry)) return;
  if (value.members().size() > kModelColumnsMax) {
    shape.Error(value, absl::StrCat("at most ", kModelColumnsMax, " columns are allowed"));
  }
  for (const DocumentMember& member : value.members()) {
    const Value column = value.Of(member);
    const bool is_taken = member.key == kKeyColumn || member.key == kValueColumn;
    if (!is_taken && definition::IsVariableName(member.key) &&
        member.key.size() <= kModelNameBytesMax) {
      continue;
    }
    shape.diagnostics().Error(
        column.key_place(), column.pointer(),
        is_taken
            ? absl::StrCat("every model has a column '", member.key, "' already")
            : std::string("a column's name has letters, digits and underscores, at most 63, and "
                          "no digit first"));
  }
}

void OnError(Shape& shape, const Value& value) {
  shape.OneOf(value, "what becomes of an event that fails", {"stop", "park"});
}

void DeclarationObject(Shape& shape, const Value& value) {
  shape.Object(value, "a model's declaration",
               {{"model", Name, definition::kRequired},
                {"description", Text},
                {"events", Events, definition::kRequired},
                {"where", Jq},
                {"key", Jq, definition::kRequired},
                {"init", Anything},
                {"reduce", Jq, definition::kRequired},
                {"columns", Columns},
                {"indexes", Anything},
                {"history", Flag},
                {"onError", OnError}});
}

// ---- Expressions ----

// The names that stand behind a `$` in a text, at most a handful.
std::vector<std::string> VariablesIn(absl::string_view text) {
  constexpr size_t kNamesMax = 32;
  std::vector<std::string> names;
  for (size_t dollar = text.find('$'); dollar != absl::string_view::npos;
       dollar = text.find('$', dollar + 1)) {
    size_t end = dollar + 1;
    while (end < text.size() && (absl::ascii_isalnum(text[end]) || text[end] == '_')) ++end;
    const absl::string_view name = text.substr(dollar + 1, end - dollar - 1);
    if (definition::IsVariableName(name)) names.emplace_back(name);
    if (names.size() == kNamesMax) break;
  }
  return names;
}

// What is wrong with an expression that does not compile.
std::string Explain(absl::string_view text, const std::vector<std::string>& bound,
                    const absl::Status& error) {
  // When it compiles as soon as every variable in it is bound, a variable is all that is wrong.
  std::vector<std::string> all = bound;
  for (std::string& name : VariablesIn(text)) all.push_back(std::move(name));
  const auto anywhere = expression::Expression::Compile(text, {.variables = std::move(all)});
  if (anywhere.ok()) {
    for (const std::string& name : anywhere->variables()) {
      if (absl::c_linear_search(bound, name)) continue;
      const auto nearest = definition::NearestName(name, bound);
      if (nearest) return absl::StrCat("$", name, " is not bound; did you mean '$", *nearest, "'?");
      return absl::StrCat("$", name, " is not bound; bound are $", absl::StrJoin(bound, ", $"));
    }
  }
  return absl::StrCat("the expression does not compile: ", error.message());
}

std::optional<ModelExpression> CompileExpression(const Value& declaration, absl::string_view name,
                                                 const std::vector<std::string>& bound,
                                                 DiagnosticSink& diagnostics) {
  const Value value = declaration.Get(name);
  if (!value.is_string() || definition::IsWholeExpression(value.text())) return std::nullopt;
  auto compiled = expression::Expression::Compile(value.text(), {.variables = bound});
  if (!compiled.ok()) {
    diagnostics.Error(value.place(), value.pointer(),
                      Explain(value.text(), bound, compiled.status()));
    return std::nullopt;
  }
  return ModelExpression{*std::move(compiled), std::string(name), value.place()};
}

// ---- Well-formed parts -> Declaration ----

std::vector<EventFilter> BuildEvents(const Value& events) {
  std::vector<EventFilter> filters;
  for (size_t i = 0; i < events.size(); ++i) {
    const Value event = events.At(i);
    EventFilter filter;
    const Value types = event.Get("types");
    for (size_t t = 0; t < types.size(); ++t) {
      filter.types.push_back(saga::FindEventType(types.At(t).text()));
    }
    filter.namespace_name = std::string(event.Get("namespace").text());
    filter.definition = std::string(event.Get("definition").text());
    filter.task = std::string(event.Get("task").text());
    filters.push_back(std::move(filter));
  }
  return filters;
}

ColumnType TypeOf(absl::string_view word) {
  for (const TypeWord& each : kTypeWords) {
    if (each.word == word) return each.type;
  }
  return ColumnType::kJson;
}

std::vector<Column> BuildColumns(const Value& columns) {
  std::vector<Column> built = {
      {.name = std::string(kKeyColumn),
       .type = ColumnType::kJson,
       .description = "The row's key: a string, number or boolean",
       .path = {}},
      {.name = std::string(kValueColumn),
       .type = ColumnType::kJson,
       .description = "What 'reduce' made",
       .path = {}},
  };
  for (const DocumentMember& member : columns.members()) {
    const Value column = columns.Of(member);
    std::vector<std::string> path = {std::string(kValueColumn)};
    const std::string below =
        column.Has("path") ? std::string(column.Get("path").text()) : member.key;
    for (const absl::string_view name : absl::StrSplit(below, '.')) path.emplace_back(name);
    built.push_back({.name = member.key,
                     .type = TypeOf(column.Get("type").text()),
                     .description = std::string(column.Get("description").text()),
                     .path = std::move(path)});
  }
  return built;
}

// One entry of `indexes`: a column, or a list of them.
std::optional<Index> BuildIndex(const Value& entry, const std::vector<std::string>& columns,
                                Shape& shape) {
  std::vector<Value> names;
  if (entry.is_array()) {
    for (size_t i = 0; i < entry.size(); ++i) names.push_back(entry.At(i));
  } else {
    names.push_back(entry);
  }
  if (names.empty() || names.size() > kIndexColumnsMax) {
    shape.Error(entry, absl::StrCat("an index has 1 to ", kIndexColumnsMax, " columns"));
    return std::nullopt;
  }
  Index index;
  for (const Value& name : names) {
    if (!shape.String(name, "the name of a column")) return std::nullopt;
    if (!absl::c_linear_search(columns, name.text())) {
      const std::string hint = definition::DidYouMean(name.text(), columns);
      shape.Error(name, absl::StrCat("'", name.text(), "' is no entry of 'columns'", hint));
      return std::nullopt;
    }
    if (absl::c_linear_search(index.columns, name.text())) {
      shape.Error(name, absl::StrCat("'", name.text(), "' stands twice in one index"));
      return std::nullopt;
    }
    index.columns.emplace_back(name.text());
  }
  index.name = absl::StrJoin(index.columns, ",");
  return index;
}

std::vector<Index> BuildIndexes(const Value& declaration, Shape& shape) {
  const Value indexes = declaration.Get("indexes");
  std::vector<Index> built;
  if (!indexes) return built;
  if (!indexes.is_array()) {
    shape.Expected(indexes, "'indexes', a list of columns or of lists of columns");
    return built;
  }
  if (indexes.size() > kModelIndexesMax) {
    shape.Error(indexes, absl::StrCat("at most ", kModelIndexesMax, " indexes are allowed"));
    return built;
  }
  std::vector<std::string> columns;
  for (const DocumentMember& member : declaration.Get("columns").members()) {
    columns.push_back(member.key);
  }
  for (size_t i = 0; i < indexes.size(); ++i) {
    std::optional<Index> index = BuildIndex(indexes.At(i), columns, shape);
    if (!index) continue;
    const bool is_there = absl::c_any_of(
        built, [&](const Index& other) { return other.columns == index->columns; });
    if (is_there) {
      shape.Error(indexes.At(i), "this index stands there twice");
    } else {
      built.push_back(*std::move(index));
    }
  }
  return built;
}

std::shared_ptr<Declaration> Build(const Value& root, DiagnosticSink& diagnostics) {
  Shape shape(diagnostics);
  DeclarationObject(shape, root);
  auto declaration = std::make_shared<Declaration>();
  ModelSchema& schema = declaration->schema;
  schema.name = std::string(root.Get("model").text());
  schema.description = std::string(root.Get("description").text());
  schema.built_in = false;
  schema.columns = BuildColumns(root.Get("columns"));
  schema.indexes = BuildIndexes(root, shape);
  const Value history = root.Get("history");
  schema.history = history.json().is_bool() && history.json().AsBool();
  declaration->events = BuildEvents(root.Get("events"));
  const std::vector<std::string> bound = {"event", "saga", "model"};
  declaration->where = CompileExpression(root, "where", bound, diagnostics);
  declaration->key = CompileExpression(root, "key", bound, diagnostics);
  declaration->reduce =
      CompileExpression(root, "reduce", {"event", "saga", "model", "key"}, diagnostics);
  declaration->init = root.Get("init").json();
  if (root.Get("onError").text() == "park") declaration->on_poison = PoisonPolicy::kPark;
  return declaration;
}

}  // namespace

bool EventFilter::TakesType(log::v1::Event::KindCase type) const {
  return types.empty() ? saga::IsOfSaga(type) : absl::c_linear_search(types, type);
}

bool IsBuiltInModel(absl::string_view name) { return absl::c_linear_search(kBuiltIn, name); }

absl::Status CompiledModel::status() const {
  if (ok()) return absl::OkStatus();
  std::vector<std::string> lines;
  std::vector<std::pair<std::string, std::string>> violations;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::kWarning) continue;
    lines.push_back(diagnostic.ToString());
    const definition::Place place{diagnostic.line, diagnostic.column};
    violations.emplace_back(
        diagnostic.pointer,
        absl::StrCat(place.line > 0 ? absl::StrCat(place.ToString(), ": ") : "",
                     diagnostic.message));
  }
  return ModelInvalidError(absl::StrJoin(lines, "\n"), std::move(violations));
}

CompiledModel CompileModel(absl::string_view text) {
  const definition::DefinitionLimits limits = {.bytes_max = kDeclarationBytesMax};
  DiagnosticSink diagnostics(limits.diagnostics_max);
  definition::Document document;
  CompiledModel result;
  if (ReadDocument(text, limits, diagnostics, document)) {
    std::shared_ptr<Declaration> declaration = Build(Value(*document.root), diagnostics);
    if (diagnostics.can_run()) {
      declaration->hash = Sha256(text);
      result.declaration = std::move(declaration);
    }
  }
  result.diagnostics = std::move(diagnostics).Take();
  return result;
}

Model MakeModel(std::shared_ptr<const Declaration> declaration) {
  Model model;
  model.schema = declaration->schema;
  model.version = absl::BytesToHexString(declaration->hash);
  model.on_poison = declaration->on_poison;
  model.make_fold = [declaration = std::move(declaration)]() -> std::unique_ptr<ModelFold> {
    return std::make_unique<DeclaredFold>(declaration);
  };
  return model;
}

}  // namespace skald::projection
