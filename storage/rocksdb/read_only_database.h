// A database with all its column families, opened for reading alone.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "rocksdb/db.h"

namespace skald::storage {

class ReadOnlyDatabase {
 public:
  ReadOnlyDatabase() = default;
  ~ReadOnlyDatabase();
  ReadOnlyDatabase(const ReadOnlyDatabase&) = delete;
  ReadOnlyDatabase& operator=(const ReadOnlyDatabase&) = delete;

  // Opens the one in `folder` as `env`, which outlives it, shows it. Once.
  absl::Status Open(rocksdb::Env& env, const std::string& folder);

  // Of an open one.
  rocksdb::DB& db() const { return *db_; }
  const std::map<std::string, rocksdb::ColumnFamilyHandle*>& families() const { return families_; }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  // By name.
  std::map<std::string, rocksdb::ColumnFamilyHandle*> families_;
};

}  // namespace skald::storage
