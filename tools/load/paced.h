// An open loop of sagas: so many offered a second, whether others have ended or not, as many
// clients together would. Latencies count from when a saga was due, so that a stall is not told as
// one slow answer.
#pragma once

#include <memory>
#include <string>

#include "tools/load/meter.h"

namespace skald::tools::load {

// Offers options.rate sagas a second over options.streams streams.
// What cannot be written within a second of when it was due, because the server does not read, is
// dropped and counted as held back. Sagas still under way two seconds after the end are left alone.
FlowResult RunPaced(const std::string& server, const Shape& shape, const FlowOptions& options);

}  // namespace skald::tools::load
