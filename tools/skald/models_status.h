// skald models status.
#pragma once

#include <string>

#include "tools/skald/invocation.h"

namespace skald::tools {

// Says how each read model stands, or the one of that name. Returns the exit code: 1 when a model stands
// still or is not what the log says.
int ShowModelStatus(Invocation& call, const std::string& name);

}  // namespace skald::tools
