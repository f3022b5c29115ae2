#include "storage/rocksdb/rocksdb_views.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"
#include "skald/log/v1/record.pb.h"
#include "storage/keys.h"
#include "storage/rocksdb/database_lock.h"
#include "storage/rocksdb/memtables.h"
#include "storage/rocksdb/rocksdb_options.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/slice.h"
#include "storage/rocksdb/wal_scan.h"

namespace skald::storage {
namespace {

// Raised whenever the meaning of keys or rows changes: older views are then folded anew.
constexpr uint32_t kViewsFormatVersion = 1;

constexpr absl::string_view kMend =
    ". Nothing is lost: delete the folder, and the views are folded from the log again";

// Left in the folder when a row could not be read, so that the next opening finds the damage which
// RocksDB only finds by reading.
constexpr char kDamagedFile[] = "/DAMAGED";

// What reading rows gave. After damage the folder is marked, and the error says how it is mended.
absl::Status ReadOutcome(rocksdb::DB& db, const rocksdb::Status& status, absl::string_view doing) {
  absl::Status result = FromRocksDb(status, doing);
  if (!absl::IsDataLoss(result)) return result;
  // Without the mark the operator has to delete the folder, as the error says.
  rocksdb::WriteStringToFile(db.GetEnv(), result.ToString(), db.GetName() + kDamagedFile)
      .PermitUncheckedError();
  return absl::DataLossError(
      absl::StrCat(result.message(), ". Nothing is lost: start the server again and the views are ",
                   "folded from the log anew; if not, delete ", db.GetName(), " before"));
}

std::string IdentityKey() { return KeyBuilder(Table::kIdentity, PartitionId(0)).Build(); }

absl::StatusOr<std::optional<std::string>> GetRow(rocksdb::DB& db,
                                                  const rocksdb::ReadOptions& options,
                                                  absl::string_view key) {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = db.Get(options, db.DefaultColumnFamily(), ToSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  SKALD_RETURN_IF_ERROR(ReadOutcome(db, status, "read a view row"));
  return std::string(value.data(), value.size());
}

absl::Status ScanRows(rocksdb::DB& db, rocksdb::ReadOptions options, absl::string_view begin,
                      absl::string_view end,
                      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) {
  if (!end.empty() && begin >= end) return absl::OkStatus();
  const rocksdb::Slice upper_bound = ToSlice(end);
  // With the bound, RocksDB never steps over deleted rows past the range.
  if (!end.empty()) options.iterate_upper_bound = &upper_bound;
  const std::unique_ptr<rocksdb::Iterator> rows(db.NewIterator(options));
  for (rows->Seek(ToSlice(begin)); rows->Valid(); rows->Next()) {
    if (!row(FromSlice(rows->key()), FromSlice(rows->value()))) break;
  }
  return ReadOutcome(db, rows->status(), "scan view rows");
}

absl::Status ScanRowsBack(
    rocksdb::DB& db, rocksdb::ReadOptions options, absl::string_view begin, absl::string_view end,
    absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) {
  if (!end.empty() && begin >= end) return absl::OkStatus();
  const rocksdb::Slice lower_bound = ToSlice(begin);
  const rocksdb::Slice upper_bound = ToSlice(end);
  options.iterate_lower_bound = &lower_bound;
  // The bound is exclusive, so the last row is the last one under it.
  if (!end.empty()) options.iterate_upper_bound = &upper_bound;
  const std::unique_ptr<rocksdb::Iterator> rows(db.NewIterator(options));
  for (rows->SeekToLast(); rows->Valid(); rows->Prev()) {
    if (!row(FromSlice(rows->key()), FromSlice(rows->value()))) break;
  }
  return ReadOutcome(db, rows->status(), "scan view rows");
}

absl::StatusOr<Position> GetApplied(rocksdb::DB& db, const rocksdb::ReadOptions& options,
                                    PartitionId partition) {
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> row,
                         GetRow(db, options, AppliedKey(partition)));
  if (!row.has_value()) return Position(0);
  return ParsePosition(*row);
}

class RocksDbSnapshot : public ViewSnapshot {
 public:
  explicit RocksDbSnapshot(rocksdb::DB& db) : db_(db) { options_.snapshot = db_.GetSnapshot(); }
  ~RocksDbSnapshot() override { db_.ReleaseSnapshot(options_.snapshot); }

  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const override {
    return GetRow(db_, options_, key);
  }
  absl::Status Scan(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const override {
    return ScanRows(db_, options_, begin, end, row);
  }
  absl::Status ScanBack(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const override {
    return ScanRowsBack(db_, options_, begin, end, row);
  }
  absl::StatusOr<Position> AppliedPosition(PartitionId partition) const override {
    return GetApplied(db_, options_, partition);
  }

 private:
  rocksdb::DB& db_;
  rocksdb::ReadOptions options_;
};

// Writes which store new views belong to, durably: they must never be taken for another's.
absl::Status WriteIdentity(rocksdb::DB& db, const std::string& store_id) {
  log::v1::StoreIdentity identity;
  identity.set_format_version(kViewsFormatVersion);
  identity.set_store_id(store_id);
  SKALD_RETURN_IF_ERROR(FromRocksDb(
      db.Put(ViewsWriteOptions(), IdentityKey(), identity.SerializeAsString()), "create views"));
  return FromRocksDb(db.Flush(rocksdb::FlushOptions()), "create views");
}

absl::Status CheckIdentity(rocksdb::DB& db, const RocksDbViewsOptions& options) {
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                         GetRow(db, rocksdb::ReadOptions(), IdentityKey()));
  if (!bytes.has_value()) {
    // A crash came between creating the database and naming its store: there are no rows yet.
    bool empty = true;
    SKALD_RETURN_IF_ERROR(
        ScanRows(db, rocksdb::ReadOptions(), "", "", [&](absl::string_view, absl::string_view) {
          empty = false;
          return false;
        }));
    if (empty) return WriteIdentity(db, options.store_id);
    return absl::DataLossError(
        absl::StrCat("the views in ", options.path, " do not say which store they are of", kMend));
  }
  log::v1::StoreIdentity identity;
  if (!identity.ParseFromString(*bytes)) {
    return absl::DataLossError(
        absl::StrCat("the identity of the views in ", options.path, " is damaged", kMend));
  }
  if (identity.store_id() != options.store_id) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the views in ", options.path, " belong to store ",
        absl::BytesToHexString(identity.store_id()), ", but the log beside them is of store ",
        absl::BytesToHexString(options.store_id),
        ". Put the right folders together; or delete the views, which are then folded anew"));
  }
  if (identity.format_version() != kViewsFormatVersion) {
    return absl::DataLossError(absl::StrCat(
        "the views in ", options.path, " have format version ", identity.format_version(),
        ", and this build reads version ", kViewsFormatVersion, kMend));
  }
  return absl::OkStatus();
}

// Whether a database, its lock or its mark makes files of that name.
bool IsFileOfViews(absl::string_view name) {
  for (const absl::string_view known :
       {"CURRENT", "IDENTITY", "LOCK", "LOG", "SKALD_LOCK", "DAMAGED"}) {
    if (name == known) return true;
  }
  for (const absl::string_view beginning : {"MANIFEST-", "OPTIONS-", "LOG.old."}) {
    if (absl::StartsWith(name, beginning)) return true;
  }
  const size_t dot = std::min(name.find('.'), name.size());
  const absl::string_view number = name.substr(0, dot);
  const absl::string_view kind = name.substr(dot);
  return !number.empty() && std::all_of(number.begin(), number.end(), absl::ascii_isdigit) &&
         (kind == ".sst" || kind == ".log" || kind == ".dbtmp");
}

// A torn end of the list of tables costs the last flush at most; what was cut is folded again.
absl::Status CutTornList(rocksdb::Env& env, const std::string& folder) {
  SKALD_ASSIGN_OR_RETURN(const std::string manifest, ManifestFile(env, folder));
  SKALD_ASSIGN_OR_RETURN(const std::optional<WalDamage> damage, ScanWal(env, {manifest}));
  if (!damage.has_value()) return absl::OkStatus();
  if (damage->followed_by.has_value()) return LostDataError(*damage);
  return CutTornTail(env, folder, {manifest}, *damage).status();
}

absl::Status Gather(absl::Span<const RowChange> changes, rocksdb::WriteBatch& batch) {
  for (const RowChange& change : changes) {
    const rocksdb::Status status =
        change.value.has_value() ? batch.Put(change.key, *change.value) : batch.Delete(change.key);
    SKALD_RETURN_IF_ERROR(FromRocksDb(status, "gather view rows"));
  }
  return absl::OkStatus();
}

}  // namespace

struct RocksDbViews::State {
  // Closed before the lock is given back.
  std::unique_ptr<DatabaseLock> lock;
  std::unique_ptr<rocksdb::DB> db;
};

absl::StatusOr<std::unique_ptr<RocksDbViews>> RocksDbViews::Open(
    const RocksDbViewsOptions& options) {
  SKALD_CHECK(options.store_id.size() == 16);
  rocksdb::Env& env = options.env != nullptr ? *options.env : *rocksdb::Env::Default();
  const bool exists = env.FileExists(options.path + "/CURRENT").ok();
  if (!exists && !options.create_if_missing) {
    return absl::NotFoundError(absl::StrCat("there are no views in ", options.path));
  }
  if (!exists) SKALD_RETURN_IF_ERROR(CheckFolder(options.path));
  SKALD_RETURN_IF_ERROR(
      FromRocksDb(env.CreateDirIfMissing(options.path), absl::StrCat("create ", options.path)));
  auto state = std::make_unique<State>();
  if (!options.read_only) {
    SKALD_ASSIGN_OR_RETURN(state->lock, DatabaseLock::Acquire(env, options.path));
  }
  if (exists) {
    std::string damage;
    if (rocksdb::ReadFileToString(&env, options.path + kDamagedFile, &damage).ok()) {
      return absl::DataLossError(damage);
    }
    absl::Status manifest;
    if (!options.read_only) manifest = CutTornList(env, options.path);
    if (absl::IsDataLoss(manifest)) {
      return absl::DataLossError(
          absl::StrCat("the list of tables in ", options.path, " is damaged", kMend));
    }
    SKALD_RETURN_IF_ERROR(manifest);
  }
  rocksdb::Options db_options =
      ViewsDatabaseOptions(options.env, options.write_buffer_bytes, options.block_cache_bytes);
  db_options.create_if_missing = !exists;
  rocksdb::DB* db = nullptr;
  if (options.read_only) UseForReadingAlone(db_options);
  const absl::Status opened =
      FromRocksDb(options.read_only ? rocksdb::DB::OpenForReadOnly(db_options, options.path, &db)
                                    : rocksdb::DB::Open(db_options, options.path, &db),
                  absl::StrCat("open the views ", options.path));
  if (absl::IsDataLoss(opened)) {
    return absl::DataLossError(absl::StrCat(opened.message(), kMend));
  }
  SKALD_RETURN_IF_ERROR(opened);
  state->db.reset(db);
  SKALD_RETURN_IF_ERROR(CheckIdentity(*db, options));
  return std::unique_ptr<RocksDbViews>(new RocksDbViews(std::move(state)));
}

RocksDbViews::RocksDbViews(std::unique_ptr<State> state) : state_(std::move(state)) {}

RocksDbViews::~RocksDbViews() = default;

absl::Status RocksDbViews::CheckFolder(const std::string& path) {
  std::error_code error;
  const std::filesystem::directory_iterator end;
  for (std::filesystem::directory_iterator file(path, error); !error && file != end;
       file.increment(error)) {
    const std::string name = file->path().filename().string();
    std::error_code unknown;  // what cannot be looked at is not ours
    if (file->is_regular_file(unknown) && IsFileOfViews(name)) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(path, " holds '", name, "', which is no file of views: the folder is left as ",
                     "it is. Is this the right data directory? If so, put away what is not ours"));
  }
  if (!error || error == std::errc::no_such_file_or_directory) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("look into ", path, ": ", error.message()));
}

absl::Status RocksDbViews::Destroy(const std::string& path, rocksdb::Env* env) {
  rocksdb::Env& system = env != nullptr ? *env : *rocksdb::Env::Default();
  if (!system.FileExists(path).ok()) return absl::OkStatus();
  // Before the lock, which is a file in there.
  SKALD_RETURN_IF_ERROR(CheckFolder(path));
  SKALD_ASSIGN_OR_RETURN(const std::unique_ptr<DatabaseLock> lock,
                         DatabaseLock::Acquire(system, path));
  // The folder holds nothing but views, whatever state its files are in.
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("delete ", path, ": ", error.message()));
  }
  return absl::OkStatus();
}

std::vector<Position> RocksDbViews::SalvageApplied(const RocksDbViewsOptions& options,
                                                   uint32_t partition_count) {
  std::vector<Position> applied(partition_count);
  rocksdb::Options db_options =
      ViewsDatabaseOptions(options.env, options.write_buffer_bytes, options.block_cache_bytes);
  UseForReadingAlone(db_options);
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::OpenForReadOnly(db_options, options.path, &opened).ok()) return applied;
  const std::unique_ptr<rocksdb::DB> db(opened);
  const auto bytes = GetRow(*db, rocksdb::ReadOptions(), IdentityKey());
  log::v1::StoreIdentity identity;
  if (!bytes.ok() || !bytes->has_value() || !identity.ParseFromString(**bytes) ||
      identity.store_id() != options.store_id) {
    return applied;
  }
  for (uint32_t id = 0; id < partition_count; ++id) {
    applied[id] = GetApplied(*db, rocksdb::ReadOptions(), PartitionId(id)).value_or(Position(0));
  }
  return applied;
}

absl::Status RocksDbViews::ApplyRows(absl::Span<const RowChange> changes) {
  rocksdb::WriteBatch batch;
  SKALD_RETURN_IF_ERROR(Gather(changes, batch));
  return FromRocksDb(state_->db->Write(ViewsWriteOptions(), &batch), "write view rows");
}

absl::Status RocksDbViews::Apply(PartitionId partition, absl::Span<const RowChange> changes,
                                 Position applied) {
  rocksdb::WriteBatch batch;
  SKALD_RETURN_IF_ERROR(Gather(changes, batch));
  SKALD_RETURN_IF_ERROR(
      FromRocksDb(batch.Put(AppliedKey(partition), EncodePosition(applied)), "gather view rows"));
  return FromRocksDb(state_->db->Write(ViewsWriteOptions(), &batch), "write view rows");
}

std::unique_ptr<ViewSnapshot> RocksDbViews::Snapshot() const {
  return std::make_unique<RocksDbSnapshot>(*state_->db);
}

absl::StatusOr<std::optional<std::string>> RocksDbViews::Get(absl::string_view key) const {
  return GetRow(*state_->db, rocksdb::ReadOptions(), key);
}

absl::Status RocksDbViews::Scan(
    absl::string_view begin, absl::string_view end,
    absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const {
  return ScanRows(*state_->db, rocksdb::ReadOptions(), begin, end, row);
}

absl::StatusOr<Position> RocksDbViews::AppliedPosition(PartitionId partition) const {
  return GetApplied(*state_->db, rocksdb::ReadOptions(), partition);
}

absl::Status RocksDbViews::Flush() {
  return FromRocksDb(state_->db->Flush(rocksdb::FlushOptions()), "flush the views");
}

uint64_t RocksDbViews::UnwrittenBytes() const { return MemtableBytes(*state_->db); }

}  // namespace skald::storage
