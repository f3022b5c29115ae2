#include "storage/data_directory.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "storage/rocksdb/rocksdb_event_log.h"
#include "storage/rocksdb/rocksdb_views.h"

namespace skald::storage {
namespace {

std::string Notice(const TornTail& tail) {
  return absl::StrCat("cut ", tail.bytes_cut, " bytes off ", tail.file, " at byte ", tail.offset,
                      ": the last record was torn while it was written and was never acknowledged. "
                      "The bytes are kept in ",
                      tail.copy);
}

absl::Status CreateFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("create ", path, ": ", error.message()));
}

absl::Status SyncFolder(const std::string& path) {
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && ::fsync(folder) == 0;
  const int error = errno;
  if (folder >= 0) ::close(folder);
  if (synced) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("sync ", path, ": ", std::strerror(error)));
}

// RocksDB syncs what is in its folders. That the folders themselves are there is ours to make last.
absl::Status SyncNewFolders(const std::string& path) {
  SKALD_RETURN_IF_ERROR(SyncFolder(path));
  const std::string parent = std::filesystem::absolute(path).parent_path().string();
  return SyncFolder(parent);
}

// Opens the views, and creates them anew when they are there but of no use.
absl::StatusOr<std::unique_ptr<Views>> OpenViews(const RocksDbViewsOptions& options,
                                                 std::vector<std::string>* notices) {
  absl::StatusOr<std::unique_ptr<RocksDbViews>> views = RocksDbViews::Open(options);
  if (absl::IsDataLoss(views.status())) {
    SKALD_RETURN_IF_ERROR(RocksDbViews::Destroy(options.path, options.env));
    notices->push_back(
        absl::StrCat("deleted the views to fold them anew: ", views.status().message()));
    views = RocksDbViews::Open(options);
  }
  SKALD_RETURN_IF_ERROR(views.status());
  return std::move(*views);
}

// Views are written only up to what is durable in the log: one that is ahead proves a loss.
absl::Status CheckAppliedPositions(const EventLog& log, const Views& views,
                                   const std::string& path) {
  for (uint32_t number = 0; number < log.partition_count(); ++number) {
    const PartitionId partition(number);
    SKALD_ASSIGN_OR_RETURN(const Position applied, views.AppliedPosition(partition));
    const Position last = log.LastPosition(partition);
    if (applied <= last) continue;
    return absl::DataLossError(absl::StrCat(
        "the log in ", path, " lost its end: partition ", number, " ends at position ",
        last.value(), ", but its views were folded up to ", applied.value(),
        ". To mend it, restore the log from a backup or a replica. To go on knowingly without the ",
        "lost events, delete ", path, "/views"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DataDirectory> DataDirectory::Open(const DataDirectoryOptions& options) {
  DataDirectory directory;
  if (options.create_if_missing) {
    SKALD_RETURN_IF_ERROR(CreateFolder(options.path));
  }
  SKALD_ASSIGN_OR_RETURN(std::unique_ptr<RocksDbEventLog> log,
                         RocksDbEventLog::Open({.path = options.path + "/log",
                                                .create_if_missing = options.create_if_missing,
                                                .partition_count = options.partition_count,
                                                .store_id = options.store_id,
                                                .env = options.env}));
  directory.created = log->open_report().created;
  directory.created_at = log->created_at();
  for (const TornTail& tail : log->open_report().torn_tails) {
    directory.notices.push_back(Notice(tail));
  }
  const RocksDbViewsOptions views_options{.path = options.path + "/views",
                                          .create_if_missing = true,
                                          .store_id = std::string(log->store_id()),
                                          .env = options.env};
  SKALD_ASSIGN_OR_RETURN(directory.views, OpenViews(views_options, &directory.notices));
  SKALD_RETURN_IF_ERROR(CheckAppliedPositions(*log, *directory.views, options.path));
  if (directory.created) SKALD_RETURN_IF_ERROR(SyncNewFolders(options.path));
  directory.log = std::move(log);
  return directory;
}

}  // namespace skald::storage
