// What saga_load prints.
#pragma once

#include <string>

#include "base/json.h"
#include "tools/load/flow.h"

namespace skald::tools::load {

// {"shape", "mode", "in_flight", "seconds", "sagas", "failed", "per_s", "p50_ms", "p90_ms",
//  "p99_ms", "max_ms"}
Json ReportJson(const Shape& shape, const FlowOptions& options, const FlowResult& result);
std::string ReportText(const Shape& shape, const FlowOptions& options, const FlowResult& result);

}  // namespace skald::tools::load
