// `@format`: how values are put into strings. Private to engine/expression.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "base/json.h"
#include "engine/expression/machine.h"
#include "engine/expression/program.h"

namespace skald::expression {

// The format called `name` (without the `@`), if there is one.
std::optional<Format> FindFormat(absl::string_view name);

// `value` in `format`: a string. False after having raised an error.
bool ApplyFormat(Machine& machine, Format format, const Json& value, Json& out);

}  // namespace skald::expression
