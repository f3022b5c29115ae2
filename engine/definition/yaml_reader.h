// YAML or JSON text -> document tree.
#pragma once

#include "absl/strings/string_view.h"
#include "engine/definition/compile.h"
#include "engine/definition/diagnostics.h"
#include "engine/definition/document.h"

namespace skald::definition {

// Reads one YAML 1.2 document (JSON is one too) by the core schema. Refused with their places:
// broken text, more than one document, keys that are no strings or stand twice, unknown tags and
// aliases, aliases to what encloses them, and what passes the limits. Anchors, aliases and merge
// keys (`<<`) work; libyaml's known gaps in JSON (escaped surrogate pairs) are closed.
//
// Errors go to `diagnostics`. True when `document` has a root that further checks may walk, which
// may be so even after errors (a duplicate key); walking it by recursion is safe up to
// limits.depth_max.
bool ReadDocument(absl::string_view text, const DefinitionLimits& limits,
                  DiagnosticSink& diagnostics, Document& document);

}  // namespace skald::definition
