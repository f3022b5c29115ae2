#include "storage/rocksdb/log_tables.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "rocksdb/env.h"
#include "storage/commit_record.h"
#include "storage/rocksdb/read_only_database.h"
#include "storage/rocksdb/read_only_file_system.h"
#include "storage/rocksdb/rocksdb_options.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/slice.h"

namespace skald::storage {
namespace {

// Where the tables of a partition end. None when the last commit cannot be read: whoever needs it
// says so.
std::optional<Position> LastPosition(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* partition) {
  const std::unique_ptr<rocksdb::Iterator> commits(db.NewIterator(LogReadOptions(), partition));
  commits->SeekToLast();
  if (!commits->Valid()) {
    if (!commits->status().ok()) return std::nullopt;
    return Position(0);
  }
  const absl::StatusOr<CommitPlace> place = PeekCommitPlace(FromSlice(commits->value()));
  if (!place.ok()) return std::nullopt;
  return place->last();
}

}  // namespace

absl::StatusOr<LogTables> ReadLogTables(rocksdb::Env& env, const std::string& folder) {
  // Empty write-ahead files cost nothing to recover.
  const auto system = std::make_shared<ReadOnlyFileSystem>(env.GetFileSystem());
  SKALD_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListWalFiles(env, folder));
  for (const std::string& file : files) system->Shorten(file, 0);
  const std::unique_ptr<rocksdb::Env> view = rocksdb::NewCompositeEnv(system);

  ReadOnlyDatabase database;
  SKALD_RETURN_IF_ERROR(database.Open(*view, folder));
  rocksdb::DB& db = database.db();
  LogTables tables;
  for (const auto& [name, family] : database.families()) {
    if (name == rocksdb::kDefaultColumnFamilyName) {
      std::string identity;
      const rocksdb::Status read =
          db.Get(LogReadOptions(), family, ToSlice(kIdentityKey), &identity);
      if (read.IsNotFound()) continue;
      SKALD_RETURN_IF_ERROR(FromRocksDb(read, absl::StrCat("read the identity in ", folder)));
      tables.identity = std::move(identity);
    } else if (const std::optional<Position> last = LastPosition(db, family); last.has_value()) {
      tables.wal.last_positions[family->GetID()] = *last;
    }
  }
  SKALD_CHECK(
      db.GetIntProperty(rocksdb::DB::Properties::kMinLogNumberToKeep, &tables.wal.oldest_file));
  tables.wal.last_sequence = db.GetLatestSequenceNumber();
  return tables;
}

}  // namespace skald::storage
