// Every RocksDB option that Skald's two databases rest on, each with its reason.
#pragma once

#include <cstddef>
#include <memory>

#include "rocksdb/options.h"

namespace rocksdb {
class EventListener;
}  // namespace rocksdb

namespace skald::storage {

// Sizes of the log's database.
struct LogSizes {
  size_t write_buffer_bytes = 0;
  size_t total_write_buffer_bytes = 0;
  size_t wal_bytes_max = 0;
};

// log/: the database, and the column family of one partition (also used for `default`).
rocksdb::DBOptions LogDatabaseOptions(rocksdb::Env* env, const LogSizes& sizes,
                                      std::shared_ptr<rocksdb::EventListener> listener);
rocksdb::ColumnFamilyOptions LogPartitionOptions(const LogSizes& sizes);
// A durable write to the log.
rocksdb::WriteOptions LogWriteOptions();
// A read of the log in order.
rocksdb::ReadOptions LogReadOptions();

// views/: one column family.
rocksdb::Options ViewsDatabaseOptions(rocksdb::Env* env, size_t write_buffer_bytes,
                                      size_t block_cache_bytes);
// Makes options of either database those of one that is opened for reading alone.
void UseForReadingAlone(rocksdb::DBOptions& options);
// A write that survives a crash only after a flush.
rocksdb::WriteOptions ViewsWriteOptions();

}  // namespace skald::storage
