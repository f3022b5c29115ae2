#include "storage/rocksdb/unlisted_tables.h"

#include <algorithm>
#include <memory>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rocksdb/env.h"
#include "rocksdb/sst_file_reader.h"
#include "storage/rocksdb/read_only_database.h"
#include "storage/rocksdb/rocksdb_options.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace skald::storage {
namespace {

// The names of the tables' files that the list names.
std::set<std::string> Listed(const ReadOnlyDatabase& database) {
  std::vector<rocksdb::LiveFileMetaData> files;
  database.db().GetLiveFilesMetaData(&files);
  std::set<std::string> names;
  for (const rocksdb::LiveFileMetaData& file : files) names.insert(file.relative_filename);
  return names;
}

// Whether `database` lacks a key of `table` in the family that it was written for.
absl::StatusOr<bool> Lacks(const ReadOnlyDatabase& database, rocksdb::SstFileReader& table) {
  const auto& families = database.families();
  const auto family = families.find(table.GetTableProperties()->column_family_name);
  const std::unique_ptr<rocksdb::Iterator> rows(table.NewIterator(LogReadOptions()));
  rocksdb::PinnableSlice value;
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    if (family == families.end()) return true;
    value.Reset();
    const rocksdb::Status status =
        database.db().Get(LogReadOptions(), family->second, rows->key(), &value);
    if (status.IsNotFound()) return true;
    SKALD_RETURN_IF_ERROR(FromRocksDb(status, "look for a table's rows"));
  }
  SKALD_RETURN_IF_ERROR(FromRocksDb(rows->status(), "read a table that is not listed"));
  return false;
}

absl::StatusOr<UnlistedTable> LookAt(const ReadOnlyDatabase& database, rocksdb::Env& env,
                                     const std::string& file) {
  UnlistedTable found{.file = file};
  rocksdb::Options options;
  options.env = &env;
  rocksdb::SstFileReader table(options);
  rocksdb::Status status = table.Open(file);
  if (status.ok()) status = table.VerifyChecksum();
  // What the device refuses says nothing of the table.
  if (status.IsIOError()) return FromRocksDb(status, absl::StrCat("read ", file));
  found.is_whole = status.ok();
  if (!found.is_whole) return found;
  SKALD_ASSIGN_OR_RETURN(found.holds_more, Lacks(database, table));
  return found;
}

}  // namespace

absl::StatusOr<std::vector<UnlistedTable>> FindUnlistedTables(rocksdb::Env& env,
                                                              const std::string& folder) {
  ReadOnlyDatabase database;
  SKALD_RETURN_IF_ERROR(database.Open(env, folder));
  const std::set<std::string> listed = Listed(database);
  std::vector<std::string> names;
  SKALD_RETURN_IF_ERROR(
      FromRocksDb(env.GetChildren(folder, &names), absl::StrCat("list ", folder)));
  std::sort(names.begin(), names.end());
  std::vector<UnlistedTable> unlisted;
  for (const std::string& name : names) {
    if (!absl::EndsWith(name, ".sst") || listed.count(name) > 0) continue;
    SKALD_ASSIGN_OR_RETURN(UnlistedTable table,
                           LookAt(database, env, absl::StrCat(folder, "/", name)));
    unlisted.push_back(std::move(table));
  }
  return unlisted;
}

}  // namespace skald::storage
