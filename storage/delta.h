// A partition's view rows that are not in views yet: key -> new value or deletion, in memory.
//
// Evolve's consequences go into the active delta. Every 100 ms or 10,000 events it is sealed at a
// position; once the log is durable there, the sealed delta is written to views as one batch. Rows
// born and gone within one window are never written. Reads look into the active delta, then the
// sealed one, then views.
//
// Thread rule: owned by the partition's thread. Sealed rows may be read by the thread that writes
// them to views.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "storage/views.h"

namespace skald::storage {

class Delta {
 public:
  // `views` must outlive the delta.
  Delta(const Views& views, PartitionId partition);

  void Put(std::string key, std::string value);
  // Put for a row that is born: the caller promises that neither the sealed delta nor views hold
  // the key (its name is unique: a timer, a ready task, a new saga). If the row dies within the
  // same window it vanishes, and nothing at all is written for it. Put is always right, only
  // dearer.
  void PutNew(std::string key, std::string value);
  void Delete(absl::string_view key);

  // The row as the partition sees it now.
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const;

  // Calls `row` for each live row with begin <= key < end in key order (all three layers merged),
  // until it returns false. An empty `end` means "to the last row". The delta must not change
  // meanwhile.
  absl::Status Scan(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const;

  // Rows in the active delta.
  size_t active_rows() const { return active_.size(); }
  size_t active_bytes() const { return active_bytes_; }
  bool has_sealed() const { return sealed_ != nullptr; }
  Position sealed_position() const { return sealed_position_; }

  // Freezes the active delta at `position` and starts a new one. Precondition: !has_sealed().
  void Seal(Position position);
  // Writes the sealed delta to views with its position and drops it. Precondition: has_sealed(),
  // and the log is durable up to sealed_position().
  absl::Status WriteSealed(Views& views);

  // WriteSealed in two steps, for a thread that writes while the partition goes on: it applies
  // sealed_changes() at sealed_position(), and then the partition's thread calls DropSealed().
  // Precondition of both: has_sealed().
  absl::Span<const RowChange> sealed_changes() const { return *sealed_; }
  void DropSealed();

 private:
  struct Row {
    std::optional<std::string> value;
    // The row exists below the active delta, or may do: its deletion must be written.
    bool below = true;
  };
  using Rows = absl::btree_map<std::string, Row>;
  class MemoryCursor;

  // The change that the delta holds for `key`, active before sealed; null when it holds none.
  const std::optional<std::string>* Find(absl::string_view key) const;

  const Views& views_;
  const PartitionId partition_;
  Rows active_;
  size_t active_bytes_ = 0;
  // In key order.
  std::unique_ptr<const std::vector<RowChange>> sealed_;
  Position sealed_position_;
};

}  // namespace skald::storage
