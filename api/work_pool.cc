#include "api/work_pool.h"

#include <utility>

#include "base/check.h"
#include "base/this_thread.h"

namespace skald::api {

WorkPool::WorkPool(int threads) {
  SKALD_CHECK(threads > 0);
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] {
      NameThread("requests");
      Run();
    });
  }
}

WorkPool::~WorkPool() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  posted_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

void WorkPool::Post(Work work) {
  {
    MutexLock lock(mutex_);
    queue_.push_back({std::move(work)});
  }
  posted_.NotifyOne();
}

bool WorkPool::TryPost(Work work, size_t waiting_max) {
  {
    MutexLock lock(mutex_);
    if (refusable_ >= waiting_max) return false;
    ++refusable_;
    queue_.push_back({std::move(work), /*is_refusable=*/true});
  }
  posted_.NotifyOne();
  return true;
}

void WorkPool::Run() {
  for (;;) {
    Work work;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) posted_.Wait(mutex_);
      if (queue_.empty()) return;
      work = std::move(queue_.front().work);
      if (queue_.front().is_refusable) --refusable_;
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace skald::api
