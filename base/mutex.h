// The lock every threaded part of Skald uses: std::mutex with clang's thread-safety annotations.
// (absl::Mutex makes ThreadSanitizer report races that are none, because Debian's build of it is
// not instrumented.)
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define SKALD_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define SKALD_THREAD_ANNOTATION(x)
#endif

#define SKALD_GUARDED_BY(mutex) SKALD_THREAD_ANNOTATION(guarded_by(mutex))
#define SKALD_REQUIRES(mutex) SKALD_THREAD_ANNOTATION(requires_capability(mutex))
#define SKALD_EXCLUDES(mutex) SKALD_THREAD_ANNOTATION(locks_excluded(mutex))

namespace skald {

class SKALD_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void Lock() SKALD_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void Unlock() SKALD_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a Mutex for a block.
class SKALD_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) SKALD_THREAD_ANNOTATION(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() SKALD_THREAD_ANNOTATION(release_capability()) { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition to wait for under a Mutex. Wakes may be spurious: always wait in a loop.
class CondVar {
 public:
  void Wait(Mutex& mutex) SKALD_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // Returns false when `timeout` passed first.
  bool WaitFor(Mutex& mutex, std::chrono::microseconds timeout) SKALD_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool notified = condition_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace skald
