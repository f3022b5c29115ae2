// What `skald validate` and DefinitionService say of a definition: whether it is valid, and what
// would keep this server from running it. Reads nothing but the text: no file, no network.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "engine/definition/compile.h"

namespace skald::definition {

struct ValidateOptions {
  // Also asks whether it can run here: what else would be a warning, because this version does not
  // run it or because nobody serves it, is an error.
  bool deployable = false;
  // The worker functions that somebody serves now. Not given: not known, so nothing is said of
  // them.
  std::optional<absl::flat_hash_set<std::string>> served_functions = std::nullopt;
  DefinitionLimits limits = {};
};

struct Validation {
  bool valid = false;                   // no error among the diagnostics
  std::vector<Diagnostic> diagnostics;  // errors and warnings in order of place
};

Validation Validate(absl::string_view text, const ValidateOptions& options = {});

}  // namespace skald::definition
