// Opens and creates the RocksDB database of an event log: folder, lock, damage check, column
// families, identity. rocksdb_event_log.cc appends to it and reads it.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "skald/log/v1/record.pb.h"
#include "storage/rocksdb/database_lock.h"
#include "storage/rocksdb/rocksdb_event_log.h"

namespace skald::storage {

// The format of a data directory that this build reads and writes.
inline constexpr uint32_t kDataFormatVersion = 1;

// The open database. Closes it in order when it goes.
struct LogDatabase {
  LogDatabase() = default;
  ~LogDatabase();
  LogDatabase(const LogDatabase&) = delete;
  LogDatabase& operator=(const LogDatabase&) = delete;

  std::unique_ptr<DatabaseLock> lock;
  // What `db` sees of the operating system.
  std::unique_ptr<rocksdb::Env> env;
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* identity_family = nullptr;
  // By partition.
  std::vector<rocksdb::ColumnFamilyHandle*> partitions;
  log::v1::StoreIdentity identity;
  LogOpenReport report;
};

// As RocksDbEventLog::Open, which see. `listener` hears of flushes and compactions.
absl::StatusOr<std::unique_ptr<LogDatabase>> OpenLogDatabase(
    const RocksDbEventLogOptions& options, std::shared_ptr<rocksdb::EventListener> listener);

}  // namespace skald::storage
