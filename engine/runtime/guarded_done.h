// A callback that is called even if whoever should have called it is gone.
#pragma once

#include <utility>

#include "base/errors.h"
#include "engine/partition/reply.h"

namespace skald::runtime {

template <typename T>
class GuardedDone {
 public:
  GuardedDone(PartitionId partition, partition::Done<T> done)
      : partition_(partition), done_(std::move(done)) {}
  GuardedDone(GuardedDone&& other) noexcept
      : partition_(other.partition_), done_(std::exchange(other.done_, nullptr)) {}
  GuardedDone& operator=(GuardedDone&&) = delete;
  ~GuardedDone() {
    if (done_) std::move(done_)(PartitionNotServingError(partition_, "the engine is stopping"));
  }

  // The callback, which from here on somebody else looks after.
  partition::Done<T> Release() { return std::exchange(done_, nullptr); }

 private:
  const PartitionId partition_;
  partition::Done<T> done_;
};

}  // namespace skald::runtime
