// What a log that is not open says without its write-ahead files: its list of tables and the
// tables. Cheap: of each partition one commit is read.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/rocksdb/wal_scan.h"

namespace skald::storage {

// The row of the family `default` that says which store the log is of.
inline constexpr absl::string_view kIdentityKey = "identity";

struct LogTables {
  // None while the store is being created: it gets into a table before anything else is written.
  std::optional<std::string> identity;
  // Where the write-ahead files go on.
  WalStart wal;
};

// Reads the log in `folder` as `env` shows it; nothing is changed.
absl::StatusOr<LogTables> ReadLogTables(rocksdb::Env& env, const std::string& folder);

}  // namespace skald::storage
