#include "storage/store_files.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rocksdb/sst_file_reader.h"
#include "storage/rocksdb/database_lock.h"
#include "storage/rocksdb/log_tables.h"
#include "storage/rocksdb/read_only_file_system.h"
#include "storage/rocksdb/rocksdb_event_log.h"
#include "storage/rocksdb/rocksdb_options.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/rocksdb_views.h"
#include "storage/rocksdb/unlisted_tables.h"
#include "storage/rocksdb/wal_scan.h"

namespace skald::storage {
namespace {

using Severity = StoreFinding::Severity;

constexpr absl::string_view kRestore = "restore the data directory from a backup or a replica";
constexpr absl::string_view kFoldAnew =
    "nothing is lost: delete views/, and the next start folds them from the log";
constexpr absl::string_view kWillBeDeleted = "nothing: the next start deletes it";
constexpr absl::string_view kWillBeCut = "nothing: the next start cuts it off and keeps the bytes";

// One look at a data directory.
class Examination {
 public:
  explicit Examination(const ExamineOptions& options)
      : options_(options), system_(std::make_shared<ReadOnlyFileSystem>()) {
    store_.env = rocksdb::NewCompositeEnv(system_);
  }

  absl::StatusOr<ExaminedStore> Run() {
    std::error_code ignored;  // what cannot be looked at does not exist for us
    if (!std::filesystem::exists(Log(), ignored)) {
      return absl::NotFoundError(absl::StrCat("there is no store in ", options_.path));
    }
    SKALD_RETURN_IF_ERROR(Lock(Log()));
    LookForCutTails();
    const bool intact = CheckRecords(Log(), kRestore);
    if (intact) OpenLog();
    CheckTables(Log(), kRestore, intact);
    if (!std::filesystem::exists(Views() + "/CURRENT", ignored)) {
      Add(Severity::kNotice, Views(), "there are no views", "nothing: the next start folds them");
      return std::move(store_);
    }
    SKALD_RETURN_IF_ERROR(Lock(Views()));
    const bool views_intact = CheckRecords(Views(), kFoldAnew);
    CheckTables(Views(), kFoldAnew, views_intact);
    if (views_intact && store_.log != nullptr) OpenViews();
    return std::move(store_);
  }

 private:
  std::string Log() const { return options_.path + "/log"; }
  std::string Views() const { return options_.path + "/views"; }

  void Add(Severity severity, absl::string_view where, absl::string_view what,
           absl::string_view mend) {
    store_.findings.push_back(
        {severity, std::string(where), std::string(what), std::string(mend)});
  }
  void Progress(absl::string_view file) {
    if (options_.progress) options_.progress(file);
  }

  // Takes the lock that a server would hold, where there is one. A snapshot may be mounted for
  // reading alone, and a store may be another user's.
  absl::Status Lock(const std::string& folder) {
    std::error_code ignored;
    if (!std::filesystem::exists(folder + "/SKALD_LOCK", ignored)) return absl::OkStatus();
    absl::StatusOr<std::unique_ptr<DatabaseLock>> lock =
        DatabaseLock::Acquire(*rocksdb::Env::Default(), folder);
    if (absl::IsPermissionDenied(lock.status())) lock = DatabaseLock::AcquireForReading(folder);
    if (absl::IsPermissionDenied(lock.status())) {
      Add(Severity::kNotice, folder, "it cannot be locked, so that a server may be running on it",
          "see to it that none does while the store is examined");
      return absl::OkStatus();
    }
    SKALD_RETURN_IF_ERROR(lock.status());
    store_.locks.push_back(*std::move(lock));
    return absl::OkStatus();
  }

  void LookForCutTails() {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(Log(), error)) {
      if (entry.path().extension() != ".torn") continue;
      Add(Severity::kNotice, entry.path().string(),
          "bytes that an earlier start cut off: a batch that was torn and never acknowledged",
          "nothing: it may be deleted");
    }
  }

  // The list of tables and the write-ahead files: rows of records, each synced before the next.
  bool CheckRecords(const std::string& folder, absl::string_view mend) {
    const absl::StatusOr<std::string> manifest = ManifestFile(*store_.env, folder);
    if (!manifest.ok()) {
      Add(Severity::kDamage, folder + "/CURRENT", manifest.status().message(), mend);
      return false;
    }
    const bool manifest_intact = CheckSequence({*manifest}, mend, std::nullopt);
    absl::StatusOr<std::vector<std::string>> wal = ListWalFiles(*store_.env, folder);
    if (!wal.ok()) {
      Add(Severity::kDamage, folder, wal.status().message(), mend);
      return false;
    }
    std::optional<WalStart> start;
    if (manifest_intact && folder == Log()) {
      const absl::StatusOr<LogTables> tables = ReadLogTables(*store_.env, folder);
      if (!tables.ok()) {
        Add(Severity::kDamage, folder, tables.status().message(), mend);
        return false;
      }
      if (wal->empty() && tables->identity.has_value()) {
        Add(Severity::kDamage, folder, NoWalError(folder).message(), mend);
      }
      start = tables->wal;
    }
    return CheckSequence(*wal, mend, start) && manifest_intact;
  }

  bool CheckSequence(const std::vector<std::string>& files, absl::string_view mend,
                     const std::optional<WalStart>& start) {
    for (const std::string& file : files) Progress(file);
    const absl::StatusOr<std::optional<WalDamage>> scanned = ScanWal(*store_.env, files, start);
    if (!scanned.ok()) {
      Add(Severity::kDamage, files.front(), scanned.status().message(), mend);
      return false;
    }
    if (!scanned->has_value()) return true;
    const WalDamage& damage = **scanned;
    const std::string where = absl::StrCat(damage.place.file, ", byte ", damage.place.offset);
    if (damage.IsGap()) {
      Add(Severity::kDamage, where,
          absl::StrCat("records before it are missing: ", damage.what,
                       ": what was acknowledged is lost"),
          mend);
      return false;
    }
    if (damage.followed_by) {
      Add(Severity::kDamage, where,
          absl::StrCat(damage.what, ", and records follow, the next in ",
                       damage.followed_by->file, " at byte ", damage.followed_by->offset,
                       ": what was acknowledged is lost"),
          mend);
      return false;
    }
    Add(Severity::kNotice, where,
        absl::StrCat("the last record is torn (", damage.what, "): it was never acknowledged"),
        kWillBeCut);
    system_->HideTornTail(files, damage);
    return true;
  }

  // Every block of every table has a checksum. Where the list of tables can be read, those that are
  // not in it are told apart.
  void CheckTables(const std::string& folder, absl::string_view mend, bool list_intact) {
    std::set<std::string> unlisted;
    if (list_intact) unlisted = CheckUnlistedTables(folder);
    std::vector<std::string> names;
    if (!store_.env->GetChildren(folder, &names).ok()) return;
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (!absl::EndsWith(name, ".sst")) continue;
      const std::string file = absl::StrCat(folder, "/", name);
      if (unlisted.count(file) > 0) continue;
      Progress(file);
      rocksdb::Options options;
      options.env = store_.env.get();
      rocksdb::SstFileReader reader(options);
      rocksdb::Status status = reader.Open(file);
      if (status.ok()) status = reader.VerifyChecksum();
      uint64_t bytes = 0;
      if (store_.env->GetFileSize(file, &bytes).ok()) store_.bytes += bytes;
      ++store_.files;
      if (!status.ok()) Add(Severity::kDamage, file, status.ToString(), mend);
    }
  }

  // The next start deletes them: what they hold has to stand elsewhere. Views are folded anew.
  std::set<std::string> CheckUnlistedTables(const std::string& folder) {
    std::set<std::string> files;
    const absl::StatusOr<std::vector<UnlistedTable>> unlisted =
        FindUnlistedTables(*store_.env, folder);
    // Why it cannot be opened is told where it is opened.
    if (!unlisted.ok()) return files;
    for (const UnlistedTable& table : *unlisted) {
      files.insert(table.file);
      if (table.holds_more && folder == Log()) {
        Add(Severity::kDamage, table.file,
            "the list of tables does not name it, but it holds commits that are nowhere else",
            kRestore);
      } else {
        Add(Severity::kNotice, table.file,
            "a crash came while it was written, or before it was listed", kWillBeDeleted);
      }
    }
    return files;
  }

  void OpenLog() {
    absl::StatusOr<std::unique_ptr<RocksDbEventLog>> log =
        RocksDbEventLog::Open({.path = Log(), .read_only = true, .env = store_.env.get()});
    if (!log.ok()) return Add(Severity::kDamage, Log(), log.status().message(), kRestore);
    store_.created = (*log)->created_at();
    store_.log = *std::move(log);
  }

  void OpenViews() {
    absl::StatusOr<std::unique_ptr<RocksDbViews>> views =
        RocksDbViews::Open({.path = Views(),
                            .store_id = std::string(store_.log->store_id()),
                            .read_only = true,
                            .env = store_.env.get()});
    if (!views.ok()) return Add(Severity::kDamage, Views(), views.status().message(), kFoldAnew);
    store_.views = *std::move(views);
  }

  const ExamineOptions& options_;
  std::shared_ptr<ReadOnlyFileSystem> system_;
  ExaminedStore store_;
};

}  // namespace

ExaminedStore::ExaminedStore() = default;
ExaminedStore::ExaminedStore(ExaminedStore&&) noexcept = default;
ExaminedStore& ExaminedStore::operator=(ExaminedStore&&) noexcept = default;
ExaminedStore::~ExaminedStore() = default;

absl::StatusOr<ExaminedStore> ExamineStore(const ExamineOptions& options) {
  return Examination(options).Run();
}

}  // namespace skald::storage
