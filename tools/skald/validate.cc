#include "absl/strings/str_cat.h"
#include "engine/definition/compile.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

v1::Diagnostic ToProto(const definition::Diagnostic& diagnostic) {
  v1::Diagnostic proto;
  proto.set_severity(diagnostic.severity == definition::Diagnostic::Severity::kError
                         ? v1::Diagnostic::SEVERITY_ERROR
                         : v1::Diagnostic::SEVERITY_WARNING);
  proto.set_line(static_cast<uint32_t>(diagnostic.line));
  proto.set_column(static_cast<uint32_t>(diagnostic.column));
  proto.set_pointer(diagnostic.pointer);
  proto.set_message(diagnostic.message);
  return proto;
}

int Run(Invocation& call) {
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1'000})) return *exit;
  int exit_code = kExitOk;
  for (const std::string& file : call.words()) {
    absl::StatusOr<std::string> text = ReadFile(file);
    if (!text.ok()) return call.FailWith(text.status().message(), kExitUsage);
    const definition::CompileResult result = definition::Compile(*text);
    if (!result.ok()) exit_code = kExitUsage;
    Json::ArrayBuilder diagnostics;
    for (const definition::Diagnostic& diagnostic : result.diagnostics) {
      if (call.json()) {
        diagnostics.Add(DiagnosticToJson(ToProto(diagnostic)));
      } else {
        call.Note(DiagnosticToLine(ToProto(diagnostic), file, call.style()));
      }
    }
    if (call.json()) {
      Json::ObjectBuilder object;
      object.Add("file", Json::String(file))
          .Add("valid", Json::Bool(result.ok()))
          .Add("diagnostics", std::move(diagnostics).Build());
      call.PrintJson(std::move(object).Build());
    } else if (result.ok()) {
      call.PrintLine(absl::StrCat(file, ": valid"));
    }
  }
  return exit_code;
}

}  // namespace

const Verb kValidateVerb = {
    "validate", "check definitions without a server", "FILE...",
    "Says everything that is wrong with a definition at once, with line, column and JSON pointer.\n"
    "Needs no server and changes nothing.\n\n"
    "Example:\n"
    "  skald validate examples/*/*.yaml\n\n"
    "Exits with 0 when all are valid, 2 when one is not.",
    Run};

}  // namespace skald::tools
