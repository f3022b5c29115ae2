// What saga_load prints.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "tools/load/meter.h"
#include "tools/load/row_watcher.h"

namespace skald::tools::load {

// {"shape", "mode", "in_flight", "seconds", "sagas", "failed", "per_s", "p50_ms", "p90_ms",
//  "p99_ms", "max_ms"}; of a given rate also "rate", "offered_per_s" and "others", by what became
//  of
// them; of a watcher, if there was one, "seen", "seen_p50_ms", "seen_p99_ms" and "seen_max_ms".
Json ReportJson(const Shape& shape, const FlowOptions& options, const FlowResult& result,
                const std::optional<RowWatcher::Result>& seen);
std::string ReportText(const Shape& shape, const FlowOptions& options, const FlowResult& result,
                       const std::optional<RowWatcher::Result>& seen);

}  // namespace skald::tools::load
