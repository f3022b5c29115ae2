// Holds a database folder for one process, from before its files are looked at until it is closed.
// RocksDB's own lock begins too late for that: the log's files are checked, and may be cut, before
// RocksDB opens them.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
class FileLock;
}  // namespace rocksdb

namespace skald::storage {

class DatabaseLock {
 public:
  // Takes the lock of the folder `path`, which must exist. UNAVAILABLE when another process, or
  // another object of this one, holds it.
  static absl::StatusOr<std::unique_ptr<DatabaseLock>> Acquire(rocksdb::Env& env,
                                                               const std::string& path);
  ~DatabaseLock();
  DatabaseLock(const DatabaseLock&) = delete;
  DatabaseLock& operator=(const DatabaseLock&) = delete;

 private:
  DatabaseLock(rocksdb::Env& env, rocksdb::FileLock* lock) : env_(env), lock_(lock) {}

  rocksdb::Env& env_;
  rocksdb::FileLock* const lock_;
};

}  // namespace skald::storage
