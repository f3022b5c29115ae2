// A closed loop of sagas: so many in flight, a new one for each that ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "grpcpp/channel.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "tools/load/definitions.h"

namespace skald::tools::load {

struct FlowOptions {
  uint32_t in_flight = 64;
  absl::Duration warmup = absl::Seconds(1);
  absl::Duration duration = absl::Seconds(10);
  uint64_t sagas_max = 0;  // 0: as many as fit the duration
  // Each saga by a call of its own instead of over one stream.
  bool unary = false;
  // Count a saga when its start is durable, instead of when it has ended.
  bool starts_only = false;
  size_t input_bytes = 64;
};

struct FlowResult {
  uint64_t completed = 0;  // ended (or started) within the measured span, as they should
  uint64_t failed = 0;     // ended otherwise, or was refused
  std::string first_failure;
  absl::Duration span;
  std::vector<double> latencies_ms;  // sorted
};

// Runs the loop to its end. Sagas still in flight then are awaited, but not counted.
FlowResult RunFlow(const std::shared_ptr<grpc::Channel>& channel, const Shape& shape,
                   const FlowOptions& options);

}  // namespace skald::tools::load
