// Finds `${ ... }` in a string. Private to engine/expression.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skald::expression {

// A stretch of a string: literal text, or the inside of a `${ ... }`.
struct TemplatePart {
  std::string text;
  bool is_expression = false;
};

// Cuts `text` into parts; neighbouring literals are one part, and `$${` is a literal `${`. The
// closing brace is the one that closes the expression: those inside of its strings, comments,
// objects and patterns do not count. INVALID_ARGUMENT, with line and column in `text`: an
// expression is not closed.
absl::StatusOr<std::vector<TemplatePart>> ScanTemplate(absl::string_view text);

}  // namespace skald::expression
