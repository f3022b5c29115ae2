// Where rocksdb::Status ends: nothing above storage/rocksdb sees one.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rocksdb/status.h"

namespace skald::storage {

// OK for OK. Otherwise the code says what the caller can do (DATA_LOSS: damaged;
// RESOURCE_EXHAUSTED: the device is full; UNAVAILABLE: the device or the system refuses; INTERNAL:
// we used RocksDB wrongly), and the text starts with what was being done, as in "append to the
// log".
absl::Status FromRocksDb(const rocksdb::Status& status, absl::string_view doing);

}  // namespace skald::storage
