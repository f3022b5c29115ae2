// A few threads for what may block or compute for long: reading the log, listing, compiling,
// verifying. gRPC's own threads (two of them on a small machine) and the engine's are never kept
// waiting.
//
// Post from any thread, also from work. Work starts in order; with one thread it also ends in
// order.
#pragma once

#include <cstddef>
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
  // The same of work that may be refused: false, and nothing happens, when so much of it waits.
  bool TryPost(Work work, size_t waiting_max);

 private:
  void Run();

  Mutex mutex_;
  CondVar posted_;
  struct Item {
    Work work;
    bool is_refusable = false;
  };
  std::deque<Item> queue_ SKALD_GUARDED_BY(mutex_);
  size_t refusable_ SKALD_GUARDED_BY(mutex_) = 0;  // in the queue
  bool stopping_ SKALD_GUARDED_BY(mutex_) = false;
  // Constant after construction.
  std::vector<std::thread> threads_;
};

}  // namespace skald::api
