// The calls that live longer than an answer takes: streams and waits. A stopping server ends each
// with a clear status.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/ids.h"
#include "base/mutex.h"

namespace skald::api {

// Implemented by reactors. Both methods: from any thread, more than once, must not block.
class OpenCall {
 public:
  virtual ~OpenCall() = default;
  // The server stops in `grace`: take nothing new, finish what is under way, then end.
  virtual void Drain(Micros grace) = 0;
  // End now with UNAVAILABLE.
  virtual void End() = 0;
};

// Thread rule: every method from any thread.
class CallRegistry {
 public:
  // False when the server is stopping: the call should end at once.
  bool Add(const std::shared_ptr<OpenCall>& call);
  void Remove(const OpenCall* call);

  // No new call is taken from here on, and all are told. Returns when none is left or `grace` has
  // passed.
  void Drain(Micros grace);
  // Ends those that are left.
  void EndAll();

  // Asked by every mutation, so it takes no lock.
  bool draining() const { return draining_.load(std::memory_order_acquire); }

 private:
  std::vector<std::shared_ptr<OpenCall>> Snapshot();

  mutable Mutex mutex_;
  CondVar removed_;
  // Changed under the lock.
  std::atomic<bool> draining_{false};
  absl::flat_hash_map<const OpenCall*, std::weak_ptr<OpenCall>> calls_ SKALD_GUARDED_BY(mutex_);
};

}  // namespace skald::api
