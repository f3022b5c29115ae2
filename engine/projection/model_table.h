// The rows of one generation of a model: how they stand in views, changing them round by round, and
// reading them at one moment.
//
// A generation is one building of the model from the log's beginning. Its rows, index entries, row
// versions and its checkpoint change in one write, so they always belong together.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/projection/fold.h"
#include "engine/projection/model.h"
#include "engine/projection/reader.h"
#include "engine/projection/recent_rows.h"
#include "engine/projection/table_keys.h"
#include "storage/views.h"

namespace skald::projection {

// A sum over rows that does not depend on their order: XXH3 (128 bits) of each row's key and text,
// added up. Equal sets of rows give equal sums; changing a row changes the sum by that row alone.
struct RowsHash {
  uint64_t high = 0, low = 0;

  void Add(absl::string_view key, absl::string_view text);
  void Remove(absl::string_view key, absl::string_view text);
  // As if the rows of the other were added, and removed, here.
  void AddAll(const RowsHash& other);
  std::string ToHex() const;
  static std::optional<RowsHash> FromHex(absl::string_view hex);
  friend bool operator==(const RowsHash&, const RowsHash&) = default;
};

// An event that its model cannot fold.
struct Poison {
  PartitionId partition;
  Position position;
  Timestamp time;
  std::string error;  // about 1 KiB at most
};

std::string EncodePoison(const Poison& poison);
// DATA_LOSS.
absl::StatusOr<Poison> DecodePoison(absl::string_view text);

// How far a generation was folded, and what its rows amount to.
struct Checkpoint {
  Cut cut;
  uint64_t rows = 0;
  RowsHash hash;
  // Of Model::version: rows of another version are not to be folded on.
  std::string version;
  // The event before which it stands still.
  std::optional<Poison> stopped;
  uint64_t parked = 0;  // events that were put aside

  std::string Encode() const;
  // DATA_LOSS.
  static absl::StatusOr<Checkpoint> Decode(absl::string_view text);
};

// A row that changed in a round.
struct RowDelta {
  std::string key;
  std::optional<Json> before, after;
};

// Writes rows. Thread rule: one thread at a time.
class ModelTable : public RowWriter {
 public:
  // `schema` and `views` must outlive it. With `part` it writes some of the generation's rows, which no
  // other table of it touches, and keeps a checkpoint of its own (PartKey).
  ModelTable(const storage::Views& views, const ModelSchema& schema, uint64_t generation,
             Checkpoint checkpoint, std::optional<uint32_t> part = std::nullopt);

  // What follows is due to the commit with this stamp.
  void BeginCommit(const Stamp& stamp) { stamp_ = stamp; }
  absl::StatusOr<std::optional<Json>> Get(absl::string_view key) override;
  using RowWriter::Put;
  void Put(Json row, RowHint hint) override;
  void Delete(absl::string_view key) override;
  absl::Status Scan(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, const Json& row)> row) override;
  void Park(const Poison& poison);
  // Stands still from here on, with what came before the event; `cut` is before its commit.
  void Stop(const Poison& poison, const Cut& cut);
  // Nothing is folded into it any more, and all of it is written.
  bool is_still() const { return checkpoint_.stopped.has_value() && !stop_cut_.has_value(); }

  // Moves the checkpoint to `cut` (to where it stopped, when it did) and appends all changes since the last time to `changes`, and what
  // they come to for each row to `deltas` (may be null). Not OK: old rows cannot be read.
  absl::Status Finish(const Cut& cut, std::vector<storage::RowChange>& changes,
                      std::vector<RowDelta>* deltas);

  const Checkpoint& checkpoint() const { return checkpoint_; }
  uint64_t generation() const { return generation_; }
  const ModelSchema& schema() const { return schema_; }

 private:
  struct Pending {
    std::optional<Json> before;
    std::string before_text;
    bool is_before_known = false;
    std::optional<Json> now;
    bool is_last = false;
  };
  void Change(std::string key, std::optional<Json> now, RowHint hint);
  absl::Status LoadBefore(absl::string_view key, Pending& pending);
  void FinishRow(const std::string& key, Pending& pending,
                 std::vector<storage::RowChange>& changes);

  const storage::Views& views_;
  const ModelSchema& schema_;
  const uint64_t generation_;
  const std::string checkpoint_key_;
  const std::string row_prefix_;
  const std::vector<IndexKeys> index_keys_;
  Checkpoint checkpoint_;
  Stamp stamp_;
  std::optional<Cut> stop_cut_;  // until that is written
  absl::btree_map<std::string, Pending> pending_;
  RecentRows recent_;
  // Row versions by view key; of models with history.
  absl::btree_map<std::string, std::optional<Json>> versions_;
  std::vector<storage::RowChange> entries_;  // of indexes, while a round is finished
  std::vector<storage::RowChange> parked_;
};

// Rows as of a moment: a snapshot of views, or, with `as_of`, what versions say of an earlier one.
// `schema` is shared, as a model may be dropped while its rows are read.
class TableRows : public ModelRows {
 public:
  // NOT_FOUND: no such generation. DATA_LOSS.
  static absl::StatusOr<std::unique_ptr<TableRows>> Open(
      std::unique_ptr<storage::ViewSnapshot> snapshot, std::shared_ptr<const ModelSchema> schema,
      uint64_t generation, std::optional<Stamp> as_of);

  const ModelSchema& schema() const override { return *schema_; }
  uint64_t generation() const override { return generation_; }
  const Cut& cut() const override { return checkpoint_.cut; }
  absl::StatusOr<uint64_t> Count() const override;
  absl::StatusOr<std::optional<Json>> Get(absl::string_view key) const override;
  absl::Status Scan(const ScanRange& range, absl::FunctionRef<bool(const Row&)> row) const override;

  const Checkpoint& checkpoint() const { return checkpoint_; }
  // Events that were put aside, oldest first, at most `count`.
  absl::StatusOr<std::vector<Poison>> Parked(size_t count) const;

 private:
  TableRows(std::unique_ptr<storage::ViewSnapshot> snapshot,
            std::shared_ptr<const ModelSchema> schema, uint64_t generation,
            std::optional<Stamp> as_of)
      : snapshot_(std::move(snapshot)),
        schema_(std::move(schema)),
        generation_(generation),
        as_of_(as_of) {}

  absl::Status ScanKeys(const ScanRange& range, absl::FunctionRef<bool(const Row&)> row) const;
  absl::Status ScanIndex(const ScanRange& range, size_t index,
                         absl::FunctionRef<bool(const Row&)> row) const;
  absl::Status ScanVersions(const ScanRange& range, absl::FunctionRef<bool(const Row&)> row) const;

  const std::unique_ptr<storage::ViewSnapshot> snapshot_;
  const std::shared_ptr<const ModelSchema> schema_;
  const uint64_t generation_;
  const std::optional<Stamp> as_of_;
  Checkpoint checkpoint_;
};

// Deletes up to `count` rows of a generation that nobody reads or writes any more. True when all
// are gone. `place` is empty at first and then what the call before left there: finding the rows
// that are left without it means walking over all that were deleted.
absl::StatusOr<bool> DeleteGeneration(storage::Views& views, uint64_t generation, size_t count,
                                      std::string& place);

// The sum over the rows that are there, counted anew. CANCELLED once `stopped` says so.
absl::StatusOr<std::pair<uint64_t, RowsHash>> HashRows(const storage::ViewSnapshot& snapshot,
                                                       uint64_t generation,
                                                       absl::FunctionRef<bool()> stopped);

}  // namespace skald::projection
