// The timers of a partition that are due soon. The rest stays in views, as rows by due time, and is
// fetched when its time comes near.
//
// The fetch starts where the last one ended, so it never walks over the deleted rows of timers that
// have fired.
//
// Thread rule: owned by its partition.
#pragma once

#include <compare>
#include <optional>

#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "base/ids.h"
#include "engine/partition/rows.h"
#include "storage/delta.h"

namespace skald::partition {

class Timers {
 public:
  explicit Timers(PartitionId partition) : partition_(partition) {}

  // A commit brought or took a timer. What is due later than everything fetched is left to its row.
  void Add(const SagaKey& saga, const saga::Timer& timer);
  void Remove(const SagaKey& saga, const saga::Timer& timer);

  // Brings a timer that was popped back at another moment, because it is not done with.
  void Postpone(const SagaKey& saga, const saga::Timer& timer, Timestamp until);

  // Fetches the rows of timers that are due before `until`, or the first many of them.
  // Precondition: every timer that was added and is still there has its row in `delta`.
  absl::Status Fetch(const storage::Delta& delta, Timestamp until);

  // Takes the next timer that is due at `now`.
  std::optional<TimerRow> PopDue(Timestamp now);

  // When the next timer is due; kNever without one.
  Timestamp next() const { return due_.empty() ? kNever : due_.begin()->at; }
  // All timers due before this are in memory.
  Timestamp fetched_until() const { return fetched_until_; }
  size_t size() const { return due_.size(); }

 private:
  struct Entry {
    Timestamp at;  // when it fires: as due, or later when it was postponed
    SagaKey saga;
    saga::Timer timer;

    friend auto operator<=>(const Entry&, const Entry&) = default;
  };

  const PartitionId partition_;
  absl::btree_set<Entry> due_;
  Timestamp fetched_until_;
};

}  // namespace skald::partition
