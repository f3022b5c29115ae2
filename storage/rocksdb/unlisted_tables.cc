#include "storage/rocksdb/unlisted_tables.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/sst_file_reader.h"
#include "storage/rocksdb/rocksdb_options.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace skald::storage {
namespace {

// A database with all its column families, opened for reading alone.
class ReadOnlyDatabase {
 public:
  ReadOnlyDatabase() = default;
  ~ReadOnlyDatabase() {
    // Closing a handle gives memory back; it cannot lose anything.
    for (const auto& [name, family] : families_) {
      db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
    }
  }
  ReadOnlyDatabase(const ReadOnlyDatabase&) = delete;
  ReadOnlyDatabase& operator=(const ReadOnlyDatabase&) = delete;

  absl::Status Open(rocksdb::Env& env, const std::string& folder) {
    const std::string doing = absl::StrCat("open ", folder, " for reading");
    rocksdb::DBOptions options = LogDatabaseOptions(&env, LogSizes(), nullptr);
    UseForReadingAlone(options);
    std::vector<std::string> names;
    SKALD_RETURN_IF_ERROR(
        FromRocksDb(rocksdb::DB::ListColumnFamilies(options, folder, &names), doing));
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    rocksdb::DB* db = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    SKALD_RETURN_IF_ERROR(
        FromRocksDb(rocksdb::DB::OpenForReadOnly(options, folder, families, &handles, &db), doing));
    db_.reset(db);
    for (rocksdb::ColumnFamilyHandle* const handle : handles) {
      families_[handle->GetName()] = handle;
    }
    return absl::OkStatus();
  }

  // The names of its tables' files.
  std::set<std::string> Listed() const {
    std::vector<rocksdb::LiveFileMetaData> files;
    db_->GetLiveFilesMetaData(&files);
    std::set<std::string> names;
    for (const rocksdb::LiveFileMetaData& file : files) names.insert(file.relative_filename);
    return names;
  }

  // Whether a key of `table` is missing in the family that it was written for.
  absl::StatusOr<bool> Lacks(rocksdb::SstFileReader& table) const {
    const auto family = families_.find(table.GetTableProperties()->column_family_name);
    const std::unique_ptr<rocksdb::Iterator> rows(table.NewIterator(LogReadOptions()));
    rocksdb::PinnableSlice value;
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
      if (family == families_.end()) return true;
      value.Reset();
      const rocksdb::Status status =
          db_->Get(LogReadOptions(), family->second, rows->key(), &value);
      if (status.IsNotFound()) return true;
      SKALD_RETURN_IF_ERROR(FromRocksDb(status, "look for a table's rows"));
    }
    SKALD_RETURN_IF_ERROR(FromRocksDb(rows->status(), "read a table that is not listed"));
    return false;
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*> families_;
};

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
  SKALD_ASSIGN_OR_RETURN(found.holds_more, database.Lacks(table));
  return found;
}

}  // namespace

absl::StatusOr<std::vector<UnlistedTable>> FindUnlistedTables(rocksdb::Env& env,
                                                              const std::string& folder) {
  ReadOnlyDatabase database;
  SKALD_RETURN_IF_ERROR(database.Open(env, folder));
  const std::set<std::string> listed = database.Listed();
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
