// The commits of all partitions in merged order (model.h), from one place to another.
//
//   MergedLog commits(log, from, through, until);
//   while (true) {
//     SKALD_ASSIGN_OR_RETURN(const bool more, commits.Next());
//     if (!more) break;
//     Use(commits.commit(), commits.events());
//   }
//
// Thread rule: owned by one thread at a time. Must not outlive the log.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "skald/log/v1/event.pb.h"
#include "storage/commit_record.h"
#include "storage/event_log.h"

namespace skald::projection {

class MergedLog {
 public:
  // After `from`, up to `through` (positions of last events, by partition) and up to time `until`.
  // Precondition: all of that is durable, and no commit that is not up to `through` is as early as
  // `until`, or the order of what is given would not be final.
  MergedLog(const storage::EventLog& log, absl::Span<const Position> from,
            absl::Span<const Position> through, Timestamp until);
  ~MergedLog();

  // Moves on to the next commit. False at the end. DATA_LOSS: the log is damaged.
  absl::StatusOr<bool> Next();

  // The present one. Valid until Next.
  const storage::CommitView& commit() const;
  PartitionId partition() const;
  // Reads its events on the first call. DATA_LOSS.
  absl::StatusOr<const log::v1::EventBodies*> events();

 private:
  // The next commit of one partition.
  struct Head {
    PartitionId partition;
    Position through;
    Position next;  // of the commit that is to be decoded
    std::unique_ptr<storage::LogCursor> cursor;
    storage::CommitView commit;
    log::v1::EventBodies events;
  };
  // Decodes what the head's cursor stands on. False at its end.
  absl::StatusOr<bool> Load(Head& head);

  const Timestamp until_;
  // A heap, the earliest first, without the present one.
  std::vector<std::unique_ptr<Head>> heads_;
  std::unique_ptr<Head> present_;
  bool has_events_ = false;
  absl::Status broken_;
};

}  // namespace skald::projection
