// Where services read models: the reader, threads of their own, so that reads that wait or compute
// for long keep no other waiting, and a bound on how many there are.
#pragma once

#include <atomic>

#include "absl/strings/string_view.h"
#include "api/options.h"
#include "api/work_pool.h"
#include "engine/projection/reader.h"

namespace skald::api {

// Thread rule: every method from any thread.
class ModelAccess {
 public:
  explicit ModelAccess(const ServerOptions& options);

  projection::ModelReader& reader() { return reader_; }
  WorkPool& pool() { return pool_; }

  // Counts a read that begins. False: there are as many as may be; then there is no End.
  bool Begin();
  void End() { under_way_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  projection::ModelReader& reader_;
  const int reads_max_;
  std::atomic<int> under_way_ = 0;
  WorkPool pool_;
};

}  // namespace skald::api
