// Tables in a database's folder that its MANIFEST, the list of tables, does not name. RocksDB
// deletes them when it opens the database to write.
//
// A crash leaves such a table when it comes before the table is written or listed: what it holds
// then still stands in a write-ahead file. A list that lost its end leaves one too, and then its
// rows may be nowhere else: the write-ahead file may have gone on the strength of the lost entry.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace skald::storage {

struct UnlistedTable {
  std::string file;
  // Whether every block of it can be read. One that was being written ends too early.
  bool is_whole = false;
  // Whether it holds keys that the database does not. Only of a whole one.
  bool holds_more = false;
};

// Opens the database in `folder` as `env` shows it, reading alone, and compares. DATA_LOSS when it
// cannot be opened.
absl::StatusOr<std::vector<UnlistedTable>> FindUnlistedTables(rocksdb::Env& env,
                                                              const std::string& folder);

}  // namespace skald::storage
