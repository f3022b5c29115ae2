// Whether what a partition knows is what its log says: the log is folded again from its first event
// and every row is compared.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "engine/partition/definitions.h"
#include "engine/runtime/engine.h"
#include "storage/event_log.h"
#include "storage/views.h"

namespace skald::runtime {

// A partition's rows as they stand at one position, everything before it folded in.
struct CapturedRows {
  PartitionId partition;
  Position position;
  std::unique_ptr<storage::ViewSnapshot> rows;
};

class AuditCheck;

// Replays the partition's log through captured.position and adds what it finds to `report`. Shows
// each commit to `audit` too, if there is one. Calls `progress` from time to time.
absl::Status VerifyPartition(const CapturedRows& captured, const storage::EventLog& log,
                             partition::ProgramSource& programs,
                             const std::function<bool(const VerifyReport&)>& progress,
                             VerifyReport& report, AuditCheck* audit = nullptr);

// A row as it is compared. Rows that say the same in more ways than one are brought to one form:
// positions of a saga's commits, which are packed by the accident of seals, become one row; what
// has expired is left out.
struct ComparableRow {
  std::string key, value;
  friend bool operator==(const ComparableRow&, const ComparableRow&) = default;
};
absl::StatusOr<std::vector<ComparableRow>> ComparableRows(const storage::ViewSnapshot& rows,
                                                          PartitionId partition, Timestamp now);

}  // namespace skald::runtime
