#include "engine/definition/validate.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace skald::definition {

Validation Validate(absl::string_view text, const ValidateOptions& options) {
  CompileResult compiled = Compile(text, options.limits);
  Validation result{.diagnostics = std::move(compiled.diagnostics)};
  if (options.served_functions.has_value()) {
    for (WorkerCall& call : compiled.worker_calls) {
      if (options.served_functions->contains(call.function)) continue;
      result.diagnostics.push_back({Diagnostic::Severity::kUnsupported, call.line, call.column,
                                    std::move(call.pointer),
                                    absl::StrCat("no worker serves '", call.function, "' now")});
    }
    std::stable_sort(result.diagnostics.begin(), result.diagnostics.end(),
                     [](const Diagnostic& a, const Diagnostic& b) {
                       // What has no place, as that there are more findings, stands last.
                       return std::tuple(a.line == 0, a.line, a.column) <
                              std::tuple(b.line == 0, b.line, b.column);
                     });
  }
  using enum Diagnostic::Severity;
  result.valid = true;
  for (Diagnostic& diagnostic : result.diagnostics) {
    if (diagnostic.severity == kUnsupported) {
      diagnostic.severity = options.deployable ? kError : kWarning;
    }
    result.valid = result.valid && diagnostic.severity != kError;
  }
  return result;
}

}  // namespace skald::definition
