// Folds a whole store into views without an engine around it: what a start with no views would do
// before it serves.
//
// Thread rule: one call at a time on the same views.
#pragma once

#include "absl/status/status.h"
#include "base/ids.h"
#include "engine/partition/definitions.h"
#include "storage/event_log.h"
#include "storage/views.h"

namespace skald::runtime {

// Folds every partition from its first event to its last. Precondition: `views` are empty, and the
// log is durable. DATA_LOSS when the log is damaged, or holds what cannot be folded; then the views
// are of no use.
absl::Status FoldStore(const storage::EventLog& log, storage::Views& views);

// Folds what comes after the last event that the views have of a partition (all of it when they
// have none, or are null), as a start would, and keeps nothing. DATA_LOSS as FoldStore.
absl::Status FoldTail(PartitionId partition, const storage::EventLog& log,
                      const storage::Views* views, partition::ProgramSource& programs);

}  // namespace skald::runtime
