// Which variables an expression may name, by where it stands.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace skald::definition {

// The places of the table of variables that expressions see.
enum class Site : uint8_t {
  kWorkflowInput,     // input.from of the definition
  kWorkflowOutput,    // output.as of the definition, its timeout
  kTaskIf,            // if
  kTaskInput,         // input.from
  kTaskBody,          // what the task does
  kBuiltInArguments,  // `with` of a standard call: the body, and secrets
  kTaskOutput,        // output.as
  kTaskExport,        // export.as
  kUndoIf,            // `if` of a compensation
  kUndoBody,          // its `with`, retry and timeouts
  kAttribute,         // document.metadata.skald.attributes, which the read side evaluates
};

// Variables that enclosing tasks bind: the error of a catch, item and index of a loop.
using Locals = std::vector<std::string>;

// The names bound at `site`, without those of secrets.
std::vector<std::string> VariablesAt(Site site, const Locals& locals);

// All names that are bound at some site.
std::vector<std::string> AllVariables(const Locals& locals);

// Whether an expression there may read secrets: only where a worker evaluates it, so that no secret
// gets into the log.
bool MayReadSecrets(Site site);

// "secret" and "secrets".
bool IsSecretVariable(absl::string_view name);

// Whether the language itself uses `name`, so that no catch or loop may bind it.
bool IsReservedVariable(absl::string_view name);

}  // namespace skald::definition
