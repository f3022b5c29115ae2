#include "storage/memory/memory_event_log.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "storage/commit_record.h"

namespace skald::storage {

// Stands on a commit by its number in the partition.
class MemoryEventLog::Cursor : public LogCursor {
 public:
  Cursor(const MemoryEventLog& log, PartitionId partition, size_t index)
      : log_(log), partition_(partition), index_(index) {
    Load();
  }

  bool Valid() const override { return commit_ != nullptr; }
  Position first() const override {
    SKALD_CHECK(Valid());
    return commit_->first;
  }
  absl::string_view record() const override {
    SKALD_CHECK(Valid());
    return commit_->record;
  }
  void Next() override {
    SKALD_CHECK(Valid());
    ++index_;
    Load();
  }
  absl::Status status() const override { return absl::OkStatus(); }

 private:
  void Load() {
    MutexLock lock(log_.mu_);
    const Partition& commits = log_.partitions_[partition_.value()];
    commit_ = index_ < commits.size() ? &commits[index_] : nullptr;
  }

  const MemoryEventLog& log_;
  const PartitionId partition_;
  size_t index_;
  const Commit* commit_ = nullptr;
};

MemoryEventLog::MemoryEventLog(MemoryEventLogOptions options)
    : options_(std::move(options)), partitions_(options_.partition_count) {
  SKALD_CHECK(options_.partition_count > 0);
  SKALD_CHECK(options_.store_id.size() == 16);
}

MemoryEventLog::~MemoryEventLog() = default;

absl::Status MemoryEventLog::Append(absl::Span<const StagedCommit> commits) {
  MutexLock lock(mu_);
  for (const StagedCommit& commit : commits) {
    SKALD_CHECK(commit.partition.value() < partitions_.size());
    SKALD_CHECK(commit.count > 0);
    Partition& partition = partitions_[commit.partition.value()];
    const Position last = partition.empty() ? Position(0) : partition.back().last();
    SKALD_CHECK(commit.first == last.Next());
    const absl::StatusOr<CommitPlace> place = PeekCommitPlace(commit.record);
    SKALD_CHECK(place.ok());
    SKALD_CHECK(place->partition == commit.partition && place->first == commit.first &&
                place->count == commit.count);
    partition.push_back(Commit{commit.first, commit.count, commit.record});
  }
  return absl::OkStatus();
}

Position MemoryEventLog::LastPosition(PartitionId partition) const {
  SKALD_CHECK(partition.value() < partition_count());
  MutexLock lock(mu_);
  const Partition& commits = partitions_[partition.value()];
  return commits.empty() ? Position(0) : commits.back().last();
}

std::vector<Position> MemoryEventLog::LastPositions() const {
  MutexLock lock(mu_);
  std::vector<Position> positions;
  for (const Partition& commits : partitions_) {
    positions.push_back(commits.empty() ? Position(0) : commits.back().last());
  }
  return positions;
}

std::unique_ptr<LogCursor> MemoryEventLog::Read(PartitionId partition, Position from) const {
  SKALD_CHECK(partition.value() < partition_count());
  size_t index = 0;
  {
    MutexLock lock(mu_);
    const Partition& commits = partitions_[partition.value()];
    const auto found = std::partition_point(
        commits.begin(), commits.end(), [&](const Commit& commit) { return commit.last() < from; });
    index = static_cast<size_t>(found - commits.begin());
  }
  return std::make_unique<Cursor>(*this, partition, index);
}

absl::StatusOr<uint64_t> MemoryEventLog::FreeBytes() const {
  return std::numeric_limits<int64_t>::max();
}

}  // namespace skald::storage
