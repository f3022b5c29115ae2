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
  size_t bytes_max = 512 << 10;  // of the text, and of what YAML aliases expand to
  int depth_max = 100;  // of nesting in the text, and of calls from function to function
  size_t tasks_max = 5'000;
  size_t alias_nodes_max = 100'000;  // nodes that YAML aliases may expand to
  size_t diagnostics_max = 100;
};

// One finding about a definition.
struct Diagnostic {
  enum class Severity {
    kError,        // not valid
    kUnsupported,  // valid, but this version cannot run it: not to be deployed
    kWarning,
  };
  Severity severity = Severity::kError;
  int line = 0;         // from 1; 0 when the text has no such place
  int column = 0;       // from 1
  std::string pointer;  // JSON pointer of the value
  std::string
      message;  // what is wrong, what was expected, and the nearest right name for a misspelt one

  // "line 12, column 7 (/do/0/charge): ..."
  std::string ToString() const;
};

// Where a definition first calls a worker function.
struct WorkerCall {
  std::string function;
  int line = 0;
  int column = 0;
  std::string pointer;
};

struct CompileResult {
  std::shared_ptr<const Program> program;  // null when it is not valid or cannot run
  std::vector<Diagnostic> diagnostics;     // in order of place
  std::vector<WorkerCall> worker_calls;    // one a function, by name; of what is valid

  // It can be deployed and run.
  bool ok() const { return program != nullptr; }
  // There is no error. What is valid may still be more than this version runs.
  bool valid() const;
  // OK, or DEFINITION_INVALID with each error, and each thing that cannot run, in its message and as
  // a violation: pointer and place.
  absl::Status status() const;
};

// Parses, checks and compiles a definition. Never crashes or hangs on any input.
CompileResult Compile(absl::string_view text, const DefinitionLimits& limits = {});

}  // namespace skald::definition
