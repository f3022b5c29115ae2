// A few threads for what may block or compute for long: reading the log, listing, compiling,
// verifying. gRPC's own threads (two of them on a small machine) and the engine's are never kept
// waiting.
//
// Post from any thread, also from work. Work starts in order; with one thread it also ends in
// order.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/mutex.h"

namespace skald::api {

class WorkPool {
 public:
  using Work = absl::AnyInvocable<void()>;

  // Precondition: threads > 0.
  explicit WorkPool(int threads);
  // Does what was posted, then ends the threads. Precondition: nobody posts any more.
  ~WorkPool();

  void Post(Work work);

 private:
  void Run();

  Mutex mutex_;
  CondVar posted_;
  std::deque<Work> queue_ SKALD_GUARDED_BY(mutex_);
  bool stopping_ SKALD_GUARDED_BY(mutex_) = false;
  // Constant after construction.
  std::vector<std::thread> threads_;
};

}  // namespace skald::api
