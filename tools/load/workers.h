// Workers that answer at once, in this process but over gRPC like any other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tools/load/definitions.h"
#include "tools/worker_client.h"

namespace skald::tools::load {

class LoadWorkers {
 public:
  // Each has a connection of its own.
  LoadWorkers(const std::string& server, const Shape& shape, uint32_t count, uint32_t credit);

 private:
  std::vector<std::unique_ptr<WorkerClient>> clients_;
};

}  // namespace skald::tools::load
