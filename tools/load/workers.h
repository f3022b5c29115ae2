// Workers in this process but over gRPC like any other. They answer at once, or each task after the
// same time, as a worker does that calls a service: no thread waits for a task.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "tools/load/definitions.h"
#include "tools/worker_client.h"

namespace skald::tools::load {

// Calls back what it was given a fixed time before, in order, on a thread of its own.
class DelayLine {
 public:
  explicit DelayLine(absl::Duration delay);
  // What is waiting is dropped.
  ~DelayLine();

  void Add(std::function<void()> call);

 private:
  void Run();

  const absl::Duration delay_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::pair<absl::Time, std::function<void()>>> calls_ SKALD_GUARDED_BY(mutex_);
  bool stopping_ SKALD_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

class LoadWorkers {
 public:
  struct Options {
    uint32_t count = 1;
    uint32_t credit = 1;  // of each
    absl::Duration delay = absl::ZeroDuration();
  };

  LoadWorkers(const std::string& server, const Shape& shape, const Options& options);

 private:
  std::vector<std::unique_ptr<WorkerClient>> clients_;
  // Goes first: its calls are to the clients.
  std::unique_ptr<DelayLine> delay_;
};

}  // namespace skald::tools::load
