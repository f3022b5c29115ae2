// Remembers requests by their id, so that a repeated one is answered and not done again. Only for
// verbs that change an existing saga on someone's request: a start is remembered by the saga
// itself, and a worker's answer by its attempt.
//
// A request is remembered for 24 hours by commit time, never by the wall clock, so a replay
// remembers the same. Refusals and requests that changed nothing are not remembered.
//
// Thread rule: owned by its partition.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "engine/partition/rows.h"
#include "skald/log/v1/record.pb.h"
#include "storage/delta.h"

namespace skald::partition {

inline constexpr Micros kRequestsRemembered = kDay;

class Dedup {
 public:
  explicit Dedup(PartitionId partition) : partition_(partition) {}

  // Remembers the request that a commit stands on, if it has one to be remembered.
  void Fold(const log::v1::CommitHeader& header, storage::Delta& delta) const;

  // What the request was, or nothing when it is not known as of `now` any more.
  absl::StatusOr<std::optional<DedupRow>> Find(absl::string_view namespace_name,
                                               absl::string_view request_id, Timestamp now,
                                               const storage::Delta& delta) const;

  // Deletes some of the rows that are too old at `now`, oldest first.
  absl::Status Expire(Timestamp now, storage::Delta& delta);

 private:
  const PartitionId partition_;
  // Everything before this is deleted: the scan does not go through deletions again.
  Timestamp expired_until_;
};

}  // namespace skald::partition
