// What a YAML scalar means: YAML 1.2's core schema, cut down to what JSON has.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"

namespace skald::definition {

// The value of a plain (unquoted) scalar without tag: null, true, false, a number (0o17 and 0x1F
// too; big ones stay exact), else a string; so `on`, `yes` and `1.2.0` are strings.
// INVALID_ARGUMENT: .inf and .nan, which JSON does not have, and numbers too long to be meant.
absl::StatusOr<Json> ResolvePlainScalar(absl::string_view text);

// The value of a scalar with a tag such as "tag:yaml.org,2002:str". INVALID_ARGUMENT: an unknown
// tag, or a text that the tag does not fit.
absl::StatusOr<Json> ResolveTaggedScalar(absl::string_view tag, absl::string_view text);

}  // namespace skald::definition
