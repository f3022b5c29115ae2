#include "storage/data_directory.h"

#include <cerrno>
#include <cstdio>
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

// Views are written only up to what is durable in the log: one that is ahead proves a loss.
absl::Status CheckNotAhead(const EventLog& log, PartitionId partition, Position applied,
                           const std::string& path) {
  const Position last = log.LastPosition(partition);
  if (applied <= last) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "the log in ", path, " lost its end: partition ", partition.value(), " ends at position ",
      last.value(), ", but its views were folded up to ", applied.value(),
      ". To mend it, restore the log from a backup or a replica. To go on knowingly without the ",
      "lost events, delete ", path, "/views"));
}

absl::Status CheckAppliedPositions(const EventLog& log, const Views& views,
                                   const std::string& path) {
  for (uint32_t number = 0; number < log.partition_count(); ++number) {
    const PartitionId partition(number);
    SKALD_ASSIGN_OR_RETURN(const Position applied, views.AppliedPosition(partition));
    SKALD_RETURN_IF_ERROR(CheckNotAhead(log, partition, applied, path));
  }
  return absl::OkStatus();
}

// The same of views that do not open, as far as they can be read.
absl::Status CheckSalvagedPositions(const EventLog& log, const RocksDbViewsOptions& views,
                                    const std::string& path) {
  const std::vector<Position> applied = RocksDbViews::SalvageApplied(views, log.partition_count());
  for (uint32_t number = 0; number < log.partition_count(); ++number) {
    SKALD_RETURN_IF_ERROR(CheckNotAhead(log, PartitionId(number), applied[number], path));
  }
  return absl::OkStatus();
}

RocksDbViewsOptions ViewsOptions(const DataDirectoryOptions& options, const EventLog& log) {
  return {.path = options.path + "/views",
          .create_if_missing = true,
          .store_id = std::string(log.store_id()),
          .env = options.env};
}

// Opens the views, and creates them anew when they are there but of no use.
absl::StatusOr<std::unique_ptr<Views>> OpenViews(const DataDirectoryOptions& options,
                                                 const EventLog& log,
                                                 std::vector<std::string>* notices) {
  const RocksDbViewsOptions views_options = ViewsOptions(options, log);
  absl::StatusOr<std::unique_ptr<RocksDbViews>> views = RocksDbViews::Open(views_options);
  if (absl::IsDataLoss(views.status())) {
    SKALD_RETURN_IF_ERROR(CheckSalvagedPositions(log, views_options, options.path));
    SKALD_RETURN_IF_ERROR(RocksDbViews::Destroy(views_options.path, options.env));
    notices->push_back(
        absl::StrCat("deleted the views to fold them anew: ", views.status().message()));
    views = RocksDbViews::Open(views_options);
  }
  SKALD_RETURN_IF_ERROR(views.status());
  SKALD_RETURN_IF_ERROR(CheckAppliedPositions(log, **views, options.path));
  return std::move(*views);
}

// Whether the views that are there, if any, may go.
absl::Status CheckReplaceable(const DataDirectoryOptions& options, const EventLog& log) {
  RocksDbViewsOptions views_options = ViewsOptions(options, log);
  SKALD_RETURN_IF_ERROR(RocksDbViews::CheckFolder(views_options.path));
  views_options.create_if_missing = false;
  const absl::StatusOr<std::unique_ptr<RocksDbViews>> views = RocksDbViews::Open(views_options);
  if (views.ok()) return CheckAppliedPositions(log, **views, options.path);
  if (absl::IsDataLoss(views.status())) {
    return CheckSalvagedPositions(log, views_options, options.path);
  }
  return absl::IsNotFound(views.status()) ? absl::OkStatus() : views.status();
}

// Makes views in the folder of `views_options`, which must not exist.
absl::Status FillViews(const RocksDbViewsOptions& views_options, const EventLog& log,
                       absl::FunctionRef<absl::Status(const EventLog& log, Views& views)> fold) {
  SKALD_ASSIGN_OR_RETURN(const std::unique_ptr<RocksDbViews> views,
                         RocksDbViews::Open(views_options));
  SKALD_RETURN_IF_ERROR(fold(log, *views));
  return views->Flush();
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
  SKALD_ASSIGN_OR_RETURN(directory.views, OpenViews(options, *log, &directory.notices));
  if (directory.created) SKALD_RETURN_IF_ERROR(SyncNewFolders(options.path));
  directory.log = std::move(log);
  return directory;
}

absl::StatusOr<std::vector<std::string>> DataDirectory::ReplaceViews(
    const DataDirectoryOptions& options,
    absl::FunctionRef<absl::Status(const EventLog& log, Views& views)> fold) {
  SKALD_ASSIGN_OR_RETURN(
      const std::unique_ptr<RocksDbEventLog> log,
      RocksDbEventLog::Open({.path = options.path + "/log", .env = options.env}));
  SKALD_RETURN_IF_ERROR(CheckReplaceable(options, *log));
  RocksDbViewsOptions views_options = ViewsOptions(options, *log);
  const std::string place = std::exchange(views_options.path, options.path + "/views.anew");
  const std::string& draft = views_options.path;
  // Of one that was killed.
  SKALD_RETURN_IF_ERROR(RocksDbViews::Destroy(draft, options.env));
  if (const absl::Status filled = FillViews(views_options, *log, fold); !filled.ok()) {
    RocksDbViews::Destroy(draft, options.env).IgnoreError();  // the next one deletes it
    return filled;
  }
  SKALD_RETURN_IF_ERROR(RocksDbViews::Destroy(place, options.env));
  if (std::rename(draft.c_str(), place.c_str()) != 0) {
    return absl::UnavailableError(
        absl::StrCat("rename ", draft, " to ", place, ": ", std::strerror(errno)));
  }
  SKALD_RETURN_IF_ERROR(SyncFolder(options.path));
  std::vector<std::string> notices;
  for (const TornTail& tail : log->open_report().torn_tails) notices.push_back(Notice(tail));
  return notices;
}

}  // namespace skald::storage
