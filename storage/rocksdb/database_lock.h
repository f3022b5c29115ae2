// Holds a database folder for one process, from before its files are looked at until it is closed.
// RocksDB's own lock begins too late for that: the log's files are checked, and may be cut, before
// RocksDB opens them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace skald::storage {

class DatabaseLock {
 public:
  // Takes the lock of the folder `path`, which must exist. UNAVAILABLE when another process, or
  // another object of this one, holds it; PERMISSION_DENIED when this process may not write there.
  static absl::StatusOr<std::unique_ptr<DatabaseLock>> Acquire(rocksdb::Env& env,
                                                               const std::string& path);
  // Keeps others from taking it meanwhile, without a right to write. For when Acquire gave
  // PERMISSION_DENIED, which this may give too. UNAVAILABLE when another process holds it.
  static absl::StatusOr<std::unique_ptr<DatabaseLock>> AcquireForReading(const std::string& path);

  ~DatabaseLock() { release_(); }
  DatabaseLock(const DatabaseLock&) = delete;
  DatabaseLock& operator=(const DatabaseLock&) = delete;

 private:
  explicit DatabaseLock(std::function<void()> release) : release_(std::move(release)) {}

  const std::function<void()> release_;
};

// That the lock of the folder `path` cannot be had because of `error`, a number of the system's,
// and what to do about it: PERMISSION_DENIED.
absl::Status LockRefusedError(const std::string& path, int error);

}  // namespace skald::storage
