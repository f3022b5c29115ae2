// A closed loop of sagas: so many in flight, a new one for each that ends.
#pragma once

#include <memory>

#include "grpcpp/channel.h"
#include "tools/load/meter.h"

namespace skald::tools::load {

// Runs the loop to its end. Sagas still in flight then are awaited, but not counted.
FlowResult RunFlow(const std::shared_ptr<grpc::Channel>& channel, const Shape& shape,
                   const FlowOptions& options);

}  // namespace skald::tools::load
