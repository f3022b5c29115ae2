#include "tools/skald/validate_value.h"

#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/definition/diagnostics.h"
#include "engine/definition/document.h"
#include "engine/definition/yaml_reader.h"
#include "engine/schema/schema.h"

namespace skald::tools {

namespace {

// A schema stands in YAML as definitions do.
absl::StatusOr<Json> ReadYaml(const std::string& file) {
  SKALD_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  constexpr definition::DefinitionLimits kLimits = {.bytes_max = 16 << 20};
  definition::DiagnosticSink findings(kLimits.diagnostics_max);
  definition::Document document;
  const bool read = definition::ReadDocument(text, kLimits, findings, document);
  if (read && findings.can_run()) return document.root->value;
  std::string problems;
  for (const definition::Diagnostic& finding : std::move(findings).Take()) {
    absl::StrAppend(&problems, problems.empty() ? "" : "\n", file, ": ", finding.ToString());
  }
  return absl::InvalidArgumentError(problems);
}

absl::StatusOr<schema::Schema> ReadSchema(const ValueCheck& check) {
  SKALD_ASSIGN_OR_RETURN(const Json document, ReadYaml(check.schema));
  absl::StatusOr<schema::Schema> compiled =
      schema::Schema::Compile(document, {.assert_formats = check.assert_formats});
  if (compiled.ok()) return compiled;
  return absl::InvalidArgumentError(
      absl::StrCat(check.schema, ": this is no JSON Schema: ", compiled.status().message()));
}

Json ToJson(const std::vector<schema::Violation>& violations) {
  Json::ArrayBuilder list;
  for (const schema::Violation& violation : violations) {
    Json::ObjectBuilder one;
    one.Add("instance_pointer", Json::String(violation.instance_pointer))
        .Add("schema_pointer", Json::String(violation.schema_pointer))
        .Add("keyword", Json::String(violation.keyword))
        .Add("message", Json::String(violation.message));
    list.Add(std::move(one).Build());
  }
  Json::ObjectBuilder object;
  object.Add("valid", Json::Bool(violations.empty())).Add("violations", std::move(list).Build());
  return std::move(object).Build();
}

}  // namespace

int ValidateValue(const Invocation& call, const ValueCheck& check) {
  const absl::StatusOr<schema::Schema> schema = ReadSchema(check);
  if (!schema.ok()) return call.FailWith(schema.status().message(), kExitUsage);
  const absl::StatusOr<std::string> text = ReadJsonArgument(check.input);
  if (!text.ok()) {
    return call.FailWith(absl::StrCat("--input: ", text.status().message()), kExitUsage);
  }
  const std::vector<schema::Violation> violations =
      schema->Validate(Json::Parse(*text).value(), std::numeric_limits<size_t>::max());
  if (call.json()) {
    call.PrintJson(ToJson(violations));
  } else if (violations.empty()) {
    call.PrintLine("valid");
  }
  for (const schema::Violation& violation : violations) {
    if (call.json()) break;
    const std::string place =
        violation.instance_pointer.empty() ? "the value" : violation.instance_pointer;
    call.Note(absl::StrCat(call.style().Bold(place), ": ", violation.message,
                           call.style().Dim(absl::StrCat("  [", violation.keyword, " at ",
                                                         violation.schema_pointer, "]"))));
  }
  return violations.empty() ? kExitOk : kExitUsage;
}

}  // namespace skald::tools
