#include "storage/rocksdb/log_check.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rocksdb/env.h"
#include "storage/rocksdb/unlisted_tables.h"

namespace skald::storage {
namespace {

constexpr absl::string_view kMend =
    ". Nothing was changed. To mend it, restore the data directory from a backup or a replica; "
    "keep "
    "this one for examination";

// Says what to do about damage.
absl::Status Mendable(const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return status;
  return absl::DataLossError(absl::StrCat(status.message(), kMend));
}

}  // namespace

LogCheck::LogCheck(rocksdb::Env& env, std::string folder)
    : env_(env),
      folder_(std::move(folder)),
      system_(std::make_shared<ReadOnlyFileSystem>(env.GetFileSystem())),
      view_(rocksdb::NewCompositeEnv(system_)) {}

absl::Status LogCheck::LookAtTables() {
  absl::StatusOr<std::string> manifest = ManifestFile(env_, folder_);
  if (!manifest.ok()) return Mendable(manifest.status());
  list_.files = {*std::move(manifest)};
  SKALD_RETURN_IF_ERROR(Scan(list_, std::nullopt));
  absl::StatusOr<LogTables> tables = ReadLogTables(*view_, folder_);
  if (!tables.ok()) return Mendable(tables.status());
  tables_ = *std::move(tables);
  return absl::OkStatus();
}

absl::Status LogCheck::LookAtWal() {
  SKALD_ASSIGN_OR_RETURN(wal_.files, ListWalFiles(env_, folder_));
  if (wal_.files.empty() && identity().has_value()) return Mendable(NoWalError(folder_));
  SKALD_RETURN_IF_ERROR(Scan(wal_, tables_.wal));
  return list_.damage.has_value() ? LookForLostTables() : absl::OkStatus();
}

absl::Status LogCheck::Scan(Row& row, const std::optional<WalStart>& start) {
  SKALD_ASSIGN_OR_RETURN(row.damage, ScanWal(env_, row.files, start));
  if (!row.damage.has_value()) return absl::OkStatus();
  if (row.damage->followed_by.has_value()) return Mendable(LostDataError(*row.damage));
  system_->HideTornTail(row.files, *row.damage);
  return absl::OkStatus();
}

// The list's last entry may be torn, and then nothing was done on the strength of it. Or it is an
// old one that has been damaged since, and what it lists is nowhere else.
absl::Status LogCheck::LookForLostTables() {
  const absl::StatusOr<std::vector<UnlistedTable>> unlisted = FindUnlistedTables(*view_, folder_);
  if (!unlisted.ok()) return Mendable(unlisted.status());
  for (const UnlistedTable& table : *unlisted) {
    if (!table.holds_more) continue;
    return Mendable(absl::DataLossError(absl::StrCat(
        "acknowledged data is lost: ", list_.damage->place.file, " is damaged at byte ",
        list_.damage->place.offset, " (", list_.damage->what, "), and without what stood there ",
        table.file, " belongs to nothing, but holds commits that are nowhere else")));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TornTail>> LogCheck::Cut() {
  std::vector<TornTail> cuts;
  for (const Row* const row : {&list_, &wal_}) {
    if (!row->damage.has_value()) continue;
    SKALD_ASSIGN_OR_RETURN(std::vector<TornTail> of_row,
                           CutTornTail(env_, folder_, row->files, *row->damage));
    cuts.insert(cuts.end(), std::make_move_iterator(of_row.begin()),
                std::make_move_iterator(of_row.end()));
  }
  return cuts;
}

}  // namespace skald::storage
