// Looks at the files of a log before RocksDB opens it to write. What is to be refused is refused
// while nothing is changed; only then is cut off what a crash tore.
//
//   LogCheck check(env, folder);
//   SKALD_RETURN_IF_ERROR(check.LookAtTables());
//   if (check.identity().has_value()) ...  // is it of this format at all?
//   SKALD_RETURN_IF_ERROR(check.LookAtWal());
//   SKALD_ASSIGN_OR_RETURN(std::vector<TornTail> cuts, check.Cut());
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/rocksdb/log_tables.h"
#include "storage/rocksdb/read_only_file_system.h"
#include "storage/rocksdb/wal_scan.h"

namespace skald::storage {

class LogCheck {
 public:
  // The log in `folder`, which must have a file CURRENT. `env` outlives it.
  LogCheck(rocksdb::Env& env, std::string folder);

  // These two, in this order: DATA_LOSS when acknowledged data is damaged or missing, or would be
  // lost by what Cut does.
  absl::Status LookAtTables();
  absl::Status LookAtWal();
  // The store's identity, from its table. After LookAtTables.
  const std::optional<std::string>& identity() const { return tables_.identity; }
  // Cuts torn tails off. After both.
  absl::StatusOr<std::vector<TornTail>> Cut();

 private:
  // Files that are read as one sequence.
  struct Row {
    std::vector<std::string> files;
    std::optional<WalDamage> damage;
  };

  absl::Status Scan(Row& row, const std::optional<WalStart>& start);
  absl::Status LookForLostTables();

  rocksdb::Env& env_;
  const std::string folder_;
  // The files as they will be when torn tails are cut off.
  const std::shared_ptr<ReadOnlyFileSystem> system_;
  const std::unique_ptr<rocksdb::Env> view_;
  Row list_;
  LogTables tables_;
  Row wal_;
};

}  // namespace skald::storage
