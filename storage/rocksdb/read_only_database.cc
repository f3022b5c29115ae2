#include "storage/rocksdb/read_only_database.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "storage/rocksdb/rocksdb_options.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace skald::storage {

ReadOnlyDatabase::~ReadOnlyDatabase() {
  // Closing a handle gives memory back; it cannot lose anything.
  for (const auto& [name, family] : families_) {
    db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
}

absl::Status ReadOnlyDatabase::Open(rocksdb::Env& env, const std::string& folder) {
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

}  // namespace skald::storage
