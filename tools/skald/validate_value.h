// Validating a value by a schema, for `skald validate`.
#pragma once

#include <string>

#include "tools/skald/invocation.h"

namespace skald::tools {

struct ValueCheck {
  std::string schema;  // a file
  std::string input;   // JSON, @FILE or -
  bool assert_formats = false;
};

// Prints every violation. kExitOk when the value fits, else kExitUsage.
int ValidateValue(const Invocation& call, const ValueCheck& check);

}  // namespace skald::tools
