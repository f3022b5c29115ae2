// Reads the log's write-ahead files before RocksDB does, and tells a torn tail from lost data.
//
// The next batch is written only after the last one is synced. So damage that is followed by the
// start of another record (a valid FIRST or FULL fragment, in that file or a later one) hit
// acknowledged data. Damage with nothing valid after it is the last batch, which a crash tore
// before it was acknowledged: it can be cut off.
//
// RocksDB's MANIFEST, its list of tables, is written in the same form: nothing is done on the
// strength of an entry before it is synced. But its last record may be an old one, on whose
// strength write-ahead files were deleted: log_check.h looks for that before anything of it is cut
// off.
//
// Writes are numbered: a record begins with the number of its first write (8 bytes) and how many it
// holds (4), and the next record goes on from there, in whatever file it stands. So a file that is
// gone, emptied or zeroed leaves a gap; if it is the first file, one between the last commit that a
// partition has in tables and its first one here. Files may be left over by a crash before they
// were deleted: what they hold is in tables, and any of them may be missing.
//
// Write-ahead files have zeros written ahead (wal_file_system.h). Zeros up to the end of a file are
// no damage; zeros with anything behind them are.
//
// A file is a row of blocks of 32 KiB; a block is a row of fragments: masked CRC32C (4 bytes) of
// all that follows it but the length, length (2), type (1), for recyclable types the file's number
// (4), payload. A fragment never crosses a block's end. A record is one FULL, or FIRST MIDDLE*
// LAST.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "storage/rocksdb/rocksdb_event_log.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace skald::storage {

// A place in a file of records.
struct WalPlace {
  std::string file;
  uint64_t offset = 0;

  friend bool operator==(const WalPlace&, const WalPlace&) = default;
};

struct WalDamage {
  // The damaged fragment, and what is wrong with it.
  WalPlace place;
  std::string what;
  // The start of the record it belongs to: cut from here.
  uint64_t record_offset = 0;
  // The first record that starts after the damage, if any: then acknowledged data is lost.
  std::optional<WalPlace> followed_by;

  // Whether the record itself is whole, but records before it are missing.
  bool IsGap() const { return followed_by == place; }
};

// The write-ahead files in `folder`, oldest first.
absl::StatusOr<std::vector<std::string>> ListWalFiles(rocksdb::Env& env, const std::string& folder);

// Where write-ahead files go on from tables.
struct WalStart {
  // Files of smaller numbers are left over.
  uint64_t oldest_file = 0;
  // Writes up to this one are known to the list of tables: what is left in the other files begins
  // at the next one at the latest.
  uint64_t last_sequence = 0;
  // Where partitions end in tables, by the number of their column family.
  std::map<uint32_t, Position> last_positions;
};

// The first damage in `files`, read as one sequence, or nothing. With `start`, which a MANIFEST has
// not, missing writes are damage too: then `followed_by` is the place of the record behind the gap.
absl::StatusOr<std::optional<WalDamage>> ScanWal(
    rocksdb::Env& env, const std::vector<std::string>& files,
    const std::optional<WalStart>& start = std::nullopt);

// The MANIFEST that `folder` names in CURRENT. DATA_LOSS when CURRENT names none, or it is not
// there.
absl::StatusOr<std::string> ManifestFile(rocksdb::Env& env, const std::string& folder);

// What damage that is followed by a record means: DATA_LOSS.
absl::Status LostDataError(const WalDamage& damage);
// What it means that a store has no write-ahead file: DATA_LOSS.
absl::Status NoWalError(const std::string& folder);

// Cuts `damage`, which nothing follows, off `files` of `folder`, in which it was found. The bytes,
// up to the last that is not zero, are kept in `<file>.torn`. Returns what was cut.
absl::StatusOr<std::vector<TornTail>> CutTornTail(rocksdb::Env& env, const std::string& folder,
                                                  const std::vector<std::string>& files,
                                                  const WalDamage& damage);

}  // namespace skald::storage
