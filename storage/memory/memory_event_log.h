// An EventLog in memory: for tests, the simulator and `skald run`. "Durable" means until the object
// goes. Keeps the contract of storage/event_log.h to the letter.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "storage/event_log.h"

namespace skald::storage {

struct MemoryEventLogOptions {
  uint32_t partition_count = 16;
  // 16 bytes.
  std::string store_id = "memory-log-store";
};

class MemoryEventLog : public EventLog {
 public:
  // Precondition: at least one partition, a store id of 16 bytes.
  explicit MemoryEventLog(MemoryEventLogOptions options = {});
  ~MemoryEventLog() override;

  absl::Status Append(absl::Span<const StagedCommit> commits) override;
  Position LastPosition(PartitionId partition) const override;
  std::vector<Position> LastPositions() const override;
  std::unique_ptr<LogCursor> Read(PartitionId partition, Position from) const override;
  uint32_t partition_count() const override { return options_.partition_count; }
  absl::string_view store_id() const override { return options_.store_id; }
  absl::StatusOr<uint64_t> FreeBytes() const override;

 private:
  class Cursor;

  struct Commit {
    Position first;
    uint32_t count = 0;
    std::string record;

    Position last() const { return Position(first.value() + count - 1); }
  };
  // Commits never move or go once they are in, so a cursor may stand on one without the lock.
  using Partition = std::deque<Commit>;

  const MemoryEventLogOptions options_;
  mutable Mutex mu_;
  std::vector<Partition> partitions_ SKALD_GUARDED_BY(mu_);
};

}  // namespace skald::storage
