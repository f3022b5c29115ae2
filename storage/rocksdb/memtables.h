// What a database holds in memory and has not written to tables.
#pragma once

#include <cstdint>

#include "rocksdb/db.h"

namespace skald::storage {

// Memtables of all column families, those that are being written too. Tables are compressed, so
// they take no more. Takes the database's mutex: not for every write.
inline uint64_t MemtableBytes(rocksdb::DB& db) {
  uint64_t bytes = 0;
  // A database that does not know its memtables has none.
  if (!db.GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes)) return 0;
  return bytes;
}

}  // namespace skald::storage
