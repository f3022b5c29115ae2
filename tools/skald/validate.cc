#include "engine/definition/validate.h"

#include "absl/strings/str_cat.h"
#include "api/convert_diagnostic.h"
#include "tools/skald/render.h"
#include "tools/skald/validate_value.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

v1::Diagnostic ToProto(const definition::Diagnostic& diagnostic) {
  v1::Diagnostic proto;
  api::SetDiagnostic(diagnostic, proto);
  return proto;
}

// Prints the findings about one file.
void Report(const Invocation& call, const std::string& file,
            const definition::Validation& validation) {
  Json::ArrayBuilder diagnostics;
  for (const definition::Diagnostic& diagnostic : validation.diagnostics) {
    if (call.json()) {
      diagnostics.Add(DiagnosticToJson(ToProto(diagnostic)));
    } else {
      call.Note(DiagnosticToLine(ToProto(diagnostic), file, call.style()));
    }
  }
  if (call.json()) {
    Json::ObjectBuilder object;
    object.Add("file", Json::String(file))
        .Add("valid", Json::Bool(validation.valid))
        .Add("diagnostics", std::move(diagnostics).Build());
    call.PrintJson(std::move(object).Build());
  } else if (validation.valid) {
    call.PrintLine(absl::StrCat(file, ": valid"));
  }
}

int ValidateDefinitions(Invocation& call, const definition::ValidateOptions& options) {
  int exit_code = kExitOk;
  for (const std::string& file : call.words()) {
    const absl::StatusOr<std::string> text = ReadFile(file);
    if (!text.ok()) {
      exit_code = call.FailWith(text.status().message(), kExitUsage);
      continue;
    }
    const definition::Validation validation = definition::Validate(*text, options);
    if (!validation.valid) exit_code = kExitUsage;
    Report(call, file, validation);
  }
  return exit_code;
}

int Run(Invocation& call) {
  definition::ValidateOptions options;
  std::vector<std::string> served;
  ValueCheck check;
  call.flags()
      .Add("deployable", &options.deployable, "What this version cannot run is an error too.")
      .Add("served", &served, "FUNCTION",
           "A worker function that somebody serves; those that are called and not among them are "
           "told. May be given several times.")
      .Add("schema", &check.schema, "FILE", "A JSON Schema (JSON or YAML) to validate --input by.")
      .Add("input", &check.input, "JSON", "The value: JSON, @FILE, or - for standard input.")
      .Add("formats", &check.assert_formats, "The schema's formats must hold too.");
  if (auto exit = call.Parse({.words_min = 0, .words_max = 1'000})) return *exit;
  if (check.schema.empty() != check.input.empty()) {
    return call.BadUsage("--schema and --input belong together");
  }
  if (check.schema.empty() == call.words().empty()) {
    return call.BadUsage("expects definitions, or --schema with --input");
  }
  if (!check.schema.empty()) return ValidateValue(call, check);
  if (!served.empty()) options.served_functions.emplace(served.begin(), served.end());
  return ValidateDefinitions(call, options);
}

}  // namespace

const Verb kValidateVerb = {
    "validate", "check definitions, or a value by a schema, without a server",
    "FILE... | --schema FILE --input JSON",
    "Says everything that is wrong with a definition at once, with line, column and JSON pointer.\n"
    "What the standard allows and this version does not run, schemas and functions that would "
    "have\n"
    "to be fetched, and with --served functions that nobody serves, are warnings; --deployable\n"
    "makes them errors. Or says every way in which a value does not fit a schema, with pointers\n"
    "into both. Needs no server, fetches nothing, changes nothing.\n\n"
    "Examples:\n"
    "  skald validate examples/orders/order.yaml examples/quickstart/trip.yaml\n"
    "  skald validate --deployable order.yaml --served charge --served ship\n"
    "  skald validate --schema order-schema.yaml --input @order.json\n\n"
    "Exits with 0 when all are valid, 2 when one is not.",
    Run};

}  // namespace skald::tools
