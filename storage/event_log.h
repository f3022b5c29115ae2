// The event log: the only truth of a store. Partitions number their positions; the log keeps
// commits in the order it was given them and never assigns a number.
//
// Promises: Append is ordered, and atomic per commit; when it returns OK every commit in it
// survives any crash of process or machine. Nothing is promised across partitions. After an append
// error nothing may be appended any more: memory is ahead of disk and the process must stop without
// an orderly close.
//
// Implementations: storage/rocksdb (one column family a partition) and storage/memory (tests,
// `skald run`). Thread rule: Append and Sync from one thread at a time (the LogWriter); reads from
// any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"

namespace skald::storage {

// One commit, encoded (storage/commit_record.h), with the place it takes in its partition's log.
struct StagedCommit {
  PartitionId partition;
  Position first;      // position of its first event
  uint32_t count = 0;  // number of events, at least 1
  std::string record;  // the encoded commit record

  Position last() const { return Position(first.value() + count - 1); }
};

// Reads the commits of one partition in order. Sees what was durable when it was made, and may see
// more. Owned by one thread at a time; must not outlive its log.
class LogCursor {
 public:
  virtual ~LogCursor() = default;
  // True while the cursor stands on a commit.
  virtual bool Valid() const = 0;
  // The position of the commit's first event, and its encoded record. Precondition: Valid(). The
  // record is alive until the cursor moves.
  virtual Position first() const = 0;
  virtual absl::string_view record() const = 0;
  virtual void Next() = 0;
  // Not OK when reading failed: DATA_LOSS on damage or when a commit is missing, with the place.
  // Check it when Valid() turns false.
  virtual absl::Status status() const = 0;
};

class EventLog {
 public:
  virtual ~EventLog() = default;

  // Makes `commits` durable, in order, in one write. Precondition: each commit's first position is
  // its partition's last position + 1, and its record is an encoded commit that says the same
  // place.
  virtual absl::Status Append(absl::Span<const StagedCommit> commits) = 0;

  // The last durable position of a partition; Position(0) when it is empty.
  virtual Position LastPosition(PartitionId partition) const = 0;

  // The last durable positions of all partitions at one moment: the log as it stood between two
  // appends. By partition.
  virtual std::vector<Position> LastPositions() const = 0;

  // A cursor on the commit that holds `from`, or the first after it. `from` may be past the end.
  virtual std::unique_ptr<LogCursor> Read(PartitionId partition, Position from) const = 0;

  // Number of partitions, fixed for the store's life.
  virtual uint32_t partition_count() const = 0;
  // 16 bytes that tell this store from any other.
  virtual absl::string_view store_id() const = 0;

  // Bytes free on the device that holds the log (a large number for memory).
  virtual absl::StatusOr<uint64_t> FreeBytes() const = 0;
  // What is in memory and will be written to tables: that much of the free bytes is spoken for.
  virtual uint64_t UnwrittenBytes() const { return 0; }
};

}  // namespace skald::storage
