// `skald watch --model`: a read model as it changes.
#pragma once

#include <string>
#include <vector>

#include "tools/skald/invocation.h"

namespace skald::tools {

// On a terminal a table that is drawn anew as rows change; else one line of JSON a change. Goes on
// through restarts of the server, until it is interrupted.
int WatchRows(Invocation& call, const std::string& model, const std::vector<std::string>& where);

}  // namespace skald::tools
