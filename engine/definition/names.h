// The small vocabularies of the DSL: labels, versions, variable names, URIs, JSON pointers.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace skald::definition {

// A name as in DNS (RFC 1123): letters, digits and hyphens, at most 63, no hyphen at either end.
bool IsLabel(absl::string_view text);

// A semantic version 2.0: "1.2.0", "1.0.0-rc.1+build.5".
bool IsSemanticVersion(absl::string_view text);

// A name that jq accepts after `$`: a letter or underscore, then letters, digits and underscores.
bool IsVariableName(absl::string_view text);

// A string that is one `${ ... }` as a whole.
bool IsWholeExpression(absl::string_view text);

// A URI, a reference relative to one, or a URI template, as loosely as the standard's schema takes
// them.
bool IsUriTemplate(absl::string_view text);

// A JSON pointer (RFC 6901).
bool IsJsonPointer(absl::string_view text);

// The name of a host as the standard's schema takes it for gRPC services.
bool IsHost(absl::string_view text);

// What keeps the name of a task or a worker function from being used as one in requests, or empty:
// such names are at most 256 bytes and have no control characters.
std::string ProblemOfName(absl::string_view text);

// `pointer` with one more token, escaped.
std::string AppendPointer(absl::string_view pointer, absl::string_view token);
std::string AppendPointer(absl::string_view pointer, size_t index);

}  // namespace skald::definition
