#include "storage/rocksdb/log_database.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "rocksdb/env.h"
#include "storage/rocksdb/log_check.h"
#include "storage/rocksdb/log_tables.h"
#include "storage/rocksdb/rocksdb_options.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/slice.h"
#include "storage/rocksdb/wal_file_system.h"

namespace skald::storage {
namespace {

constexpr uint32_t kPartitionCountDefault = 16;
constexpr uint32_t kPartitionCountMax = 4096;
constexpr absl::string_view kMend =
    ". To mend it, restore the data directory from a backup or a replica";

std::string PartitionFamily(uint32_t partition) { return absl::StrFormat("p%05d", partition); }

LogSizes SizesOf(const RocksDbEventLogOptions& options) {
  return LogSizes{.write_buffer_bytes = options.write_buffer_bytes,
                  .total_write_buffer_bytes = options.total_write_buffer_bytes,
                  .wal_bytes_max = options.wal_bytes_max};
}

// 16 bytes from the system's source of randomness.
std::string NewStoreId() {
  std::random_device random;
  std::string id;
  while (id.size() < 16) {
    const uint32_t word = random();
    id.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  return id;
}

int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// One opening of a database, step by step.
class Opening {
 public:
  Opening(const RocksDbEventLogOptions& options, std::shared_ptr<rocksdb::EventListener> listener)
      : options_(options),
        env_(options.env != nullptr ? *options.env : *rocksdb::Env::Default()),
        listener_(std::move(listener)),
        database_(std::make_unique<LogDatabase>()) {}

  absl::StatusOr<std::unique_ptr<LogDatabase>> Run() {
    if (options_.read_only) return RunReadOnly();
    SKALD_RETURN_IF_ERROR(LockFolder());
    SKALD_ASSIGN_OR_RETURN(const bool exists, Exists());
    if (!exists && !options_.create_if_missing) {
      return absl::NotFoundError(absl::StrCat("there is no event log in ", options_.path));
    }
    if (exists) {
      SKALD_RETURN_IF_ERROR(CheckFiles());
    }
    SKALD_RETURN_IF_ERROR(OpenFamilies(exists));
    SKALD_ASSIGN_OR_RETURN(const bool complete, ReadIdentity());
    if (!complete) {
      SKALD_RETURN_IF_ERROR(StartOver());
      SKALD_RETURN_IF_ERROR(Create());
    }
    SKALD_RETURN_IF_ERROR(CheckIdentity());
    return std::move(database_);
  }

 private:
  absl::StatusOr<std::unique_ptr<LogDatabase>> RunReadOnly() {
    SKALD_RETURN_IF_ERROR(OpenFamilies(/*exists=*/true));
    SKALD_ASSIGN_OR_RETURN(const bool complete, ReadIdentity());
    if (!complete) {
      return absl::NotFoundError(
          absl::StrCat("the event log in ", options_.path, " was never completely created"));
    }
    SKALD_RETURN_IF_ERROR(CheckIdentity());
    return std::move(database_);
  }

  absl::Status LockFolder() {
    if (options_.create_if_missing) {
      SKALD_RETURN_IF_ERROR(FromRocksDb(env_.CreateDirIfMissing(options_.path),
                                        absl::StrCat("create ", options_.path)));
    } else if (!env_.FileExists(options_.path).ok()) {
      return absl::NotFoundError(absl::StrCat("there is no event log in ", options_.path));
    }
    SKALD_ASSIGN_OR_RETURN(database_->lock, DatabaseLock::Acquire(env_, options_.path));
    return absl::OkStatus();
  }

  // Whether there is a database. Its remains without CURRENT are no place for a new one.
  absl::StatusOr<bool> Exists() {
    if (env_.FileExists(options_.path + "/CURRENT").ok()) return true;
    std::vector<std::string> names;
    SKALD_RETURN_IF_ERROR(
        FromRocksDb(env_.GetChildren(options_.path, &names), absl::StrCat("list ", options_.path)));
    for (const std::string& name : names) {
      if (absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".log")) {
        return absl::DataLossError(absl::StrCat(options_.path, " holds ", name,
                                                " but its file CURRENT is missing", kMend));
      }
    }
    return false;
  }

  // What is to be refused is refused here, before RocksDB changes anything.
  absl::Status CheckFiles() {
    LogCheck check(env_, options_.path);
    SKALD_RETURN_IF_ERROR(check.LookAtTables());
    if (check.identity().has_value()) {
      SKALD_RETURN_IF_ERROR(ParseIdentity(*check.identity()));
      SKALD_RETURN_IF_ERROR(CheckFormat());
    }
    SKALD_RETURN_IF_ERROR(check.LookAtWal());
    SKALD_ASSIGN_OR_RETURN(database_->report.torn_tails, check.Cut());
    return absl::OkStatus();
  }

  absl::Status OpenFamilies(bool exists) {
    rocksdb::DBOptions db_options = LogDatabaseOptions(DatabaseEnv(), SizesOf(options_), listener_);
    db_options.create_if_missing = !exists;
    std::vector<std::string> names = {rocksdb::kDefaultColumnFamilyName};
    if (exists) {
      SKALD_RETURN_IF_ERROR(
          Mendable(rocksdb::DB::ListColumnFamilies(db_options, options_.path, &names)));
    }
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) {
      families.emplace_back(name, LogPartitionOptions(SizesOf(options_)));
    }
    rocksdb::DB* db = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    if (options_.read_only) {
      UseForReadingAlone(db_options);
      SKALD_RETURN_IF_ERROR(Mendable(
          rocksdb::DB::OpenForReadOnly(db_options, options_.path, families, &handles, &db)));
    } else {
      SKALD_RETURN_IF_ERROR(
          Mendable(rocksdb::DB::Open(db_options, options_.path, families, &handles, &db)));
    }
    database_->db.reset(db);
    for (rocksdb::ColumnFamilyHandle* const handle : handles) {
      if (handle->GetName() == rocksdb::kDefaultColumnFamilyName) {
        database_->identity_family = handle;
      } else {
        database_->partitions.push_back(handle);
      }
    }
    // Their names are as long as each other, so this is the order of partitions.
    std::sort(database_->partitions.begin(), database_->partitions.end(),
              [](const auto* a, const auto* b) { return a->GetName() < b->GetName(); });
    return absl::OkStatus();
  }

  // The one that was given; to write to it, with room ahead in write-ahead files.
  rocksdb::Env* DatabaseEnv() {
    if (options_.read_only) return options_.env;
    database_->env = NewWalEnv(env_);
    return database_->env.get();
  }

  // Says what to do about damage.
  absl::Status Mendable(const rocksdb::Status& status) {
    absl::Status result = FromRocksDb(status, absl::StrCat("open the event log ", options_.path));
    if (!absl::IsDataLoss(result)) return result;
    return absl::DataLossError(absl::StrCat(result.message(), kMend));
  }

  // False when there is none because creation was interrupted.
  absl::StatusOr<bool> ReadIdentity() {
    std::string bytes;
    const rocksdb::Status status = database_->db->Get(LogReadOptions(), database_->identity_family,
                                                      ToSlice(kIdentityKey), &bytes);
    if (status.IsNotFound()) {
      for (rocksdb::ColumnFamilyHandle* const partition : database_->partitions) {
        const std::unique_ptr<rocksdb::Iterator> commits(
            database_->db->NewIterator(LogReadOptions(), partition));
        commits->SeekToFirst();
        SKALD_RETURN_IF_ERROR(Mendable(commits->status()));
        if (!commits->Valid()) continue;
        return absl::DataLossError(
            absl::StrCat(options_.path, " holds commits but no store identity", kMend));
      }
      return false;
    }
    SKALD_RETURN_IF_ERROR(Mendable(status));
    SKALD_RETURN_IF_ERROR(ParseIdentity(bytes));
    return true;
  }

  absl::Status ParseIdentity(const std::string& bytes) {
    if (database_->identity.ParseFromString(bytes)) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("the store identity in ", options_.path, " is damaged", kMend));
  }

  // A crash may have left some families of an unfinished creation: they are empty.
  absl::Status StartOver() {
    if (!options_.create_if_missing) {
      return absl::NotFoundError(
          absl::StrCat("the event log in ", options_.path, " was never completely created"));
    }
    for (rocksdb::ColumnFamilyHandle* const partition : database_->partitions) {
      SKALD_RETURN_IF_ERROR(
          FromRocksDb(database_->db->DropColumnFamily(partition), "drop an unfinished partition"));
      SKALD_RETURN_IF_ERROR(FromRocksDb(database_->db->DestroyColumnFamilyHandle(partition),
                                        "close an unfinished partition"));
    }
    database_->partitions.clear();
    return absl::OkStatus();
  }

  absl::Status Create() {
    const uint32_t count =
        options_.partition_count == 0 ? kPartitionCountDefault : options_.partition_count;
    if (count > kPartitionCountMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("a store has at most ", kPartitionCountMax, " partitions, not ", count));
    }
    std::vector<std::string> names;
    for (uint32_t partition = 0; partition < count; ++partition) {
      names.push_back(PartitionFamily(partition));
    }
    const std::string doing = absl::StrCat("create the event log ", options_.path);
    SKALD_RETURN_IF_ERROR(
        FromRocksDb(database_->db->CreateColumnFamilies(LogPartitionOptions(SizesOf(options_)),
                                                        names, &database_->partitions),
                    doing));
    log::v1::StoreIdentity& identity = database_->identity;
    identity.set_format_version(kDataFormatVersion);
    identity.set_store_id(options_.store_id.empty() ? NewStoreId() : options_.store_id);
    identity.set_partition_count(count);
    identity.set_created_us(NowMicros());
    // Written last: it says that the store is complete. In a table at once, so that damage to a
    // write-ahead file can never hide it.
    SKALD_RETURN_IF_ERROR(
        FromRocksDb(database_->db->Put(LogWriteOptions(), database_->identity_family,
                                       ToSlice(kIdentityKey), identity.SerializeAsString()),
                    doing));
    SKALD_RETURN_IF_ERROR(FromRocksDb(
        database_->db->Flush(rocksdb::FlushOptions(), database_->identity_family), doing));
    database_->report.created = true;
    return absl::OkStatus();
  }

  absl::Status CheckFormat() {
    const uint32_t version = database_->identity.format_version();
    if (version == kDataFormatVersion) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("the event log in ", options_.path, " has format version ", version,
                     ", and this build reads version ", kDataFormatVersion,
                     ". Nothing was changed: open it with a build that reads its version"));
  }

  absl::Status CheckIdentity() {
    SKALD_RETURN_IF_ERROR(CheckFormat());
    const log::v1::StoreIdentity& identity = database_->identity;
    if (identity.store_id().size() != 16 ||
        identity.partition_count() != database_->partitions.size()) {
      return absl::DataLossError(absl::StrCat(options_.path, " has ", database_->partitions.size(),
                                              " partitions, but was created with ",
                                              identity.partition_count(), kMend));
    }
    if (options_.partition_count != 0 && options_.partition_count != identity.partition_count()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the store in ", options_.path, " has ", identity.partition_count(),
                       " partitions for life, but was opened with ", options_.partition_count,
                       ": leave the number out or give the same"));
    }
    return absl::OkStatus();
  }

  const RocksDbEventLogOptions& options_;
  rocksdb::Env& env_;
  const std::shared_ptr<rocksdb::EventListener> listener_;
  std::unique_ptr<LogDatabase> database_;
};

}  // namespace

LogDatabase::~LogDatabase() {
  if (db == nullptr) return;
  // Closing a handle gives memory back; it cannot lose anything.
  for (rocksdb::ColumnFamilyHandle* const partition : partitions) {
    db->DestroyColumnFamilyHandle(partition).PermitUncheckedError();
  }
  if (identity_family != nullptr) {
    db->DestroyColumnFamilyHandle(identity_family).PermitUncheckedError();
  }
}

absl::StatusOr<std::unique_ptr<LogDatabase>> OpenLogDatabase(
    const RocksDbEventLogOptions& options, std::shared_ptr<rocksdb::EventListener> listener) {
  return Opening(options, std::move(listener)).Run();
}

}  // namespace skald::storage
