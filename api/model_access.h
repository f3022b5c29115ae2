// Where services read models: the reader, and threads of their own for reads and for statements, so
// that those that wait or compute for long keep no others waiting; with a bound on how many there
// are.
#pragma once

#include <atomic>

#include "absl/strings/string_view.h"
#include "api/options.h"
#include "api/work_pool.h"
#include "engine/projection/reader.h"

namespace skald::api {

// Thread rule: every method from any thread.
class BoundedPool {
 public:
  BoundedPool(int threads, int calls_max) : calls_max_(calls_max), pool_(threads) {}

  WorkPool& pool() { return pool_; }

  // Counts a call that begins. False: there are as many as may be; then there is no End.
  bool Begin();
  void End() { under_way_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  const int calls_max_;
  std::atomic<int> under_way_ = 0;
  WorkPool pool_;
};

class ModelAccess {
 public:
  explicit ModelAccess(const ServerOptions& options);

  projection::ModelReader& reader() { return reader_; }
  BoundedPool& reads() { return reads_; }
  BoundedPool& queries() { return queries_; }

 private:
  projection::ModelReader& reader_;
  BoundedPool reads_;
  BoundedPool queries_;
};

}  // namespace skald::api
