// YAML or JSON text -> Program, or every error at once with its place.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engine/definition/program.h"

namespace skald::definition {

// Bounds on a definition's text; past them it is refused with an error that names the bound.
struct DefinitionLimits {
  size_t bytes_max = 512 << 10;
  int depth_max = 100;  // of nesting in the text, and of calls from function to function
  size_t tasks_max = 5'000;
  size_t alias_nodes_max = 100'000;  // nodes that YAML aliases may expand to
  size_t diagnostics_max = 100;
};

// One finding about a definition.
struct Diagnostic {
  enum class Severity { kError, kWarning };
  Severity severity = Severity::kError;
  int line = 0;         // from 1; 0 when the text has no such place
  int column = 0;       // from 1
  std::string pointer;  // JSON pointer of the value
  std::string
      message;  // what is wrong, what was expected, and the nearest right name for a misspelt one

  // "line 12, column 7 (/do/0/charge): ..."
  std::string ToString() const;
};

struct CompileResult {
  std::shared_ptr<const Program> program;  // null when there is any error
  std::vector<Diagnostic> diagnostics;     // in order of place, errors and warnings

  bool ok() const { return program != nullptr; }
  // OK, or INVALID_ARGUMENT whose message lists the errors.
  absl::Status status() const;
};

// Parses, checks and compiles a definition. Never crashes or hangs on any input.
CompileResult Compile(absl::string_view text, const DefinitionLimits& limits = {});

}  // namespace skald::definition
