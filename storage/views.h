// Views: everything that is derived from the log, as ordered rows of bytes. Delete them, fold the
// log again, and the same rows come back.
//
// A batch of rows is applied atomically together with the position each partition's rows were
// folded up to, and only once the log is durable there: nothing undurable ever reaches views. Views
// themselves need no sync: after a crash they may be older, never torn.
//
// Thread rule: all methods from any thread; Apply of one partition's rows from one thread at a
// time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"

namespace skald::storage {

// A change of one row: its new value, or nothing when it is deleted.
struct RowChange {
  std::string key;
  std::optional<std::string> value;
};

// Reads of rows at one moment. May be taken and dropped at any time; holds resources, so keep it
// short.
class ViewSnapshot {
 public:
  virtual ~ViewSnapshot() = default;

  // The row's value, or nothing.
  virtual absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const = 0;

  // Calls `row` for each row with begin <= key < end in key order, until it returns false. An empty
  // `end` means "to the last row".
  virtual absl::Status Scan(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const = 0;

  // As Scan, from the last row of the range back to the first.
  virtual absl::Status ScanBack(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const = 0;

  // The position up to which `partition` has been folded into these rows.
  virtual absl::StatusOr<Position> AppliedPosition(PartitionId partition) const = 0;
};

class Views {
 public:
  virtual ~Views() = default;

  // Writes the changes and the partition's applied position as one atomic step.
  // Precondition: the log is durable up to `applied`, which does not decrease; no key belongs to
  // Table::kApplied, whose rows are written here.
  virtual absl::Status Apply(PartitionId partition, absl::Span<const RowChange> changes,
                             Position applied) = 0;

  // Writes rows of tables that keep their own progress among them (Table::kAuditTree, the tables of
  // read models), as one atomic step; no applied position moves. Precondition: the log is durable up to what the rows
  // were derived from; one row of such a table from one thread at a time.
  virtual absl::Status ApplyRows(absl::Span<const RowChange> changes) = 0;

  virtual std::unique_ptr<ViewSnapshot> Snapshot() const = 0;

  // As on a snapshot taken now.
  virtual absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const = 0;
  virtual absl::Status Scan(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const = 0;
  virtual absl::StatusOr<Position> AppliedPosition(PartitionId partition) const = 0;

  // Makes everything applied so far survive a crash.
  virtual absl::Status Flush() = 0;

  // As in EventLog.
  virtual uint64_t UnwrittenBytes() const { return 0; }
};

}  // namespace skald::storage
