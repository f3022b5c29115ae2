// `skald rebuild --views`: all derived rows anew from the log, without a server.
#pragma once

#include <string>

#include "tools/skald/invocation.h"

namespace skald::tools {

int RebuildViews(Invocation& call, const std::string& data_dir);

}  // namespace skald::tools
