// skald log import: a new data directory from a whole export.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#ifdef SKALD_WITH_ENGINE
#include "engine/runtime/fold_store.h"
#endif
#include "storage/data_directory.h"
#include "storage/log_export.h"
#include "tools/skald/log.h"

namespace skald::tools {

namespace {

namespace fs = std::filesystem;

// What one synced write of the log holds.
constexpr size_t kBatchBytes = 4 << 20;
// As skaldd makes them.
constexpr uint32_t kPartitionsMax = 1'024;

// What is at the end of links, without dots.
std::string Resolved(const std::string& path) {
  std::error_code error;
  const fs::path resolved = fs::weakly_canonical(path, error);
  return error ? path : resolved.string();
}

// Nothing can be put in the place of a mount point.
bool IsMountPoint(const std::string& path) {
  struct statx place = {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_BASIC_STATS, &place) != 0) return false;
  if ((place.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0) {
    return (place.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  }
  struct statx parent = {};
  const std::string above = fs::path(path).parent_path().string();
  return ::statx(AT_FDCWD, above.c_str(), 0, STATX_BASIC_STATS, &parent) == 0 &&
         (place.stx_dev_major != parent.stx_dev_major ||
          place.stx_dev_minor != parent.stx_dev_minor);
}

// The new store while it is being written, beside the place it is for: an import that breaks off
// leaves nothing that looks like a store.
class Draft {
 public:
  explicit Draft(const std::string& place)
      : place_(Resolved(place)), path_(place_ + ".importing") {}
  ~Draft() {
    std::error_code ignored;  // of an import that failed already
    if (is_ours_) fs::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }

  absl::Status Begin() {
    std::error_code error;
    if (fs::exists(place_, error) &&
        !(fs::is_directory(place_, error) && fs::is_empty(place_, error))) {
      return absl::FailedPreconditionError(absl::StrCat(
          place_,
          " holds something: an import makes a new store; name an empty folder, or one that ",
          "does not exist"));
    }
    if (IsMountPoint(place_)) {
      return absl::FailedPreconditionError(absl::StrCat(
          place_, " is where a file system is mounted, and the finished store could not ",
          "take its place: name a new folder in it, like ", place_, "/store"));
    }
    if (!fs::create_directory(path_, error)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "cannot make ", path_, ": ",
          error ? error.message()
                : "it exists: another import is running, or one was killed. Then delete it"));
    }
    is_ours_ = true;
    return absl::OkStatus();
  }

  // It takes its place.
  absl::Status Finish() {
    // An empty folder is replaced.
    if (std::rename(path_.c_str(), place_.c_str()) != 0) {
      return absl::UnavailableError(
          absl::StrCat("rename ", path_, " to ", place_, ": ", std::strerror(errno)));
    }
    is_ours_ = false;
    const std::string parent = fs::absolute(place_).parent_path().string();
    const int folder = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = folder >= 0 && ::fsync(folder) == 0;
    const int error = errno;
    if (folder >= 0) ::close(folder);
    if (synced) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("sync ", parent, ": ", std::strerror(error)));
  }

 private:
  const std::string place_;
  const std::string path_;
  bool is_ours_ = false;
};

// Why an export is not the whole log; empty when it is.
std::string WhyPartial(const log::v1::ExportHeader& header) {
  if (header.restrictions_size() > 0) return absl::StrJoin(header.restrictions(), ", ");
  if (header.filtered()) return "it was filtered";
  for (const log::v1::ExportRange& range : header.ranges()) {
    if (range.first_position() != 1) {
      return absl::StrCat("partition ", range.partition(), " begins at position ",
                          range.first_position());
    }
  }
  return "";
}

absl::Status AppendAll(storage::LogExportReader& reader, storage::EventLog& log,
                       ProgressLine& progress, uint64_t file_bytes) {
  std::vector<storage::StagedCommit> batch;
  size_t bytes = 0;
  while (true) {
    SKALD_ASSIGN_OR_RETURN(const bool more, reader.Next());
    if (more) {
      const storage::CommitPlace& place = reader.place();
      batch.push_back({.partition = place.partition,
                       .first = place.first,
                       .count = place.count,
                       .record = std::string(reader.record())});
      bytes += batch.back().record.size();
    }
    if ((!more && !batch.empty()) || bytes >= kBatchBytes) {
      SKALD_RETURN_IF_ERROR(log.Append(batch));
      batch.clear();
      bytes = 0;
    }
    progress.Show(reader.offset() >> 20, file_bytes >> 20, "MiB");
    if (!more) return absl::OkStatus();
  }
}

absl::Status Import(storage::LogExportReader& reader, const log::v1::ExportHeader& header,
                    Draft& draft, ProgressLine& progress, uint64_t file_bytes) {
  SKALD_RETURN_IF_ERROR(draft.Begin());
  {
    SKALD_ASSIGN_OR_RETURN(
        const storage::DataDirectory store,
        storage::DataDirectory::Open({.path = draft.path(),
                                      .create_if_missing = true,
                                      .partition_count = header.partition_count(),
                                      .store_id = header.store_id()}));
    SKALD_RETURN_IF_ERROR(AppendAll(reader, *store.log, progress, file_bytes));
#ifdef SKALD_WITH_ENGINE
    // As a start would: what cannot be folded is refused now, and that start has less to do.
    SKALD_RETURN_IF_ERROR(runtime::FoldStore(*store.log, *store.views));
    SKALD_RETURN_IF_ERROR(store.views->Flush());
#endif
  }
  return draft.Finish();
}

// What was wrong: with the file, which is bad input, or with the place it goes to.
int FailImport(Invocation& call, const std::string& file, const absl::Status& status) {
  const bool is_file = absl::IsDataLoss(status) || absl::IsInvalidArgument(status);
  return call.FailWith(
      is_file ? absl::StrCat(file, ": ", status.message()) : std::string(status.message()),
      is_file ? kExitUsage : kExitError);
}

}  // namespace

int LogImport(Invocation& call, const LogFlags& flags) {
  if (call.words().size() < 2) return call.BadUsage("import expects a file");
  if (flags.data_dir.empty()) return call.BadUsage("import expects --data FOLDER");
  std::string data_dir = flags.data_dir;
  while (data_dir.size() > 1 && data_dir.back() == '/') data_dir.pop_back();
  const std::string& path = call.words()[1];
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  const uint64_t file_bytes = fs::file_size(path, error);
  if (!file.good() || error) {
    return call.FailWith(absl::StrCat("cannot read ", path, error ? ": " + error.message() : ""),
                         kExitUsage);
  }
  storage::LogExportReader reader(file);
  const absl::StatusOr<log::v1::ExportHeader> header = reader.ReadHeader();
  if (!header.ok()) return FailImport(call, path, header.status());
  if (header->partition_count() > kPartitionsMax) {
    return call.FailWith(absl::StrCat(path, " is of ", header->partition_count(),
                                      " partitions, and a store has at most ", kPartitionsMax),
                         kExitUsage);
  }
  if (const std::string why = WhyPartial(*header); !why.empty()) {
    return call.FailWith(absl::StrCat(path, " is not the whole log, which a store needs: ", why,
                                      ". Export without --partition, --from, --to and filters"),
                         kExitUsage);
  }
  Draft draft(data_dir);
  absl::Status imported;
  {
    ProgressLine progress("imported", !call.json());
    imported = Import(reader, *header, draft, progress, file_bytes);
  }
  if (!imported.ok()) return FailImport(call, path, imported);
  const std::string store_id = absl::BytesToHexString(header->store_id());
  if (call.json()) {
    Json::ObjectBuilder object;
    object.Add("store_id", Json::String(store_id))
        .Add("partitions", Json::Int(header->partition_count()))
        .Add("commits", Json::Int(static_cast<int64_t>(reader.commits())))
        .Add("events", Json::Int(static_cast<int64_t>(reader.events())));
    call.PrintJson(std::move(object).Build());
    return kExitOk;
  }
  call.PrintLine(absl::StrCat("imported ", reader.events(), " events in ", reader.commits(),
                              " commits into ", data_dir, ": store ", store_id));
  call.Note(
      "Its first start makes read models and a new signing key. To go on with the old one, copy\n"
      "audit.key from the store that was exported. Do not let both stores go on: they would be "
      "two\n"
      "histories of one store.");
  return kExitOk;
}

}  // namespace skald::tools
