#include "storage/rocksdb/rocksdb_event_log.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/statvfs.h>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "rocksdb/db.h"
#include "rocksdb/listener.h"
#include "rocksdb/write_batch.h"
#include "storage/commit_record.h"
#include "storage/keys.h"
#include "storage/rocksdb/log_database.h"
#include "storage/rocksdb/memtables.h"
#include "storage/rocksdb/rocksdb_options.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/slice.h"

namespace skald::storage {
namespace {

constexpr absl::string_view kMend =
    ". To mend it, restore the data directory from a backup or a replica";

// Counts what RocksDB's background threads write.
class WriteCounter : public rocksdb::EventListener {
 public:
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { ++flushes_; }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& job) override {
    compaction_bytes_ += job.stats.total_output_bytes;
  }

  uint64_t flushes() const { return flushes_; }
  uint64_t compaction_bytes() const { return compaction_bytes_; }

 private:
  std::atomic<uint64_t> flushes_ = 0;
  std::atomic<uint64_t> compaction_bytes_ = 0;
};

// Reads a partition in order and checks on the way that no commit is missing.
class RocksDbCursor : public LogCursor {
 public:
  RocksDbCursor(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, PartitionId partition,
                Position from)
      : partition_(partition), commits_(db.NewIterator(LogReadOptions(), family)) {
    const Position start = from.value() == 0 ? Position(1) : from;
    // The commit that holds `start` begins at it or before it.
    commits_->SeekForPrev(LogKey(start));
    if (!commits_->Valid() && commits_->status().ok()) commits_->SeekToFirst();
    if (!commits_->Valid()) {
      Fail(Outcome(start));
      return;
    }
    // Nothing is known of what stands before; the first commit of all begins at 1.
    absl::StatusOr<CommitPlace> place = Place();
    if (place.ok() && place->first > start) place = Missing(start, place->first);
    if (!place.ok()) {
      Fail(place.status());
      return;
    }
    Stand(*place);
    if (place->last() < start) Next();
  }

  bool Valid() const override { return valid_; }
  Position first() const override {
    SKALD_CHECK(valid_);
    return first_;
  }
  absl::string_view record() const override {
    SKALD_CHECK(valid_);
    return FromSlice(commits_->value());
  }
  void Next() override {
    SKALD_CHECK(valid_);
    commits_->Next();
    if (!commits_->Valid()) {
      Fail(Outcome(next_));
      return;
    }
    absl::StatusOr<CommitPlace> place = Place();
    if (place.ok() && place->first != next_) place = Missing(next_, place->first);
    if (!place.ok()) {
      Fail(place.status());
      return;
    }
    Stand(*place);
  }
  absl::Status status() const override { return status_; }

 private:
  // Ends the reading, with an error or at the end.
  void Fail(absl::Status status) {
    valid_ = false;
    status_ = std::move(status);
  }

  void Stand(const CommitPlace& place) {
    valid_ = true;
    first_ = place.first;
    next_ = place.last().Next();
  }

  // The end of the log, or why reading ended where `expected` should stand.
  absl::Status Outcome(Position expected) const {
    const absl::Status status = FromRocksDb(commits_->status(), "read the event log");
    if (!absl::IsDataLoss(status)) return status;
    return absl::DataLossError(absl::StrCat("partition ", partition_.value(), ", position ",
                                            expected.value(), " or after: ", status.message(),
                                            kMend));
  }

  // Where the record under the iterator says it stands, checked against its key.
  absl::StatusOr<CommitPlace> Place() const {
    SKALD_ASSIGN_OR_RETURN(const Position key, ParseLogKey(FromSlice(commits_->key())));
    absl::StatusOr<CommitPlace> place = PeekCommitPlace(FromSlice(commits_->value()));
    if (!place.ok()) {
      return absl::DataLossError(absl::StrCat("partition ", partition_.value(), ", position ",
                                              key.value(), ": ", place.status().message(), kMend));
    }
    if (place->first != key || place->partition != partition_) {
      return absl::DataLossError(absl::StrCat(
          "partition ", partition_.value(), ", position ", key.value(), ": the commit there is of ",
          "partition ", place->partition.value(), ", position ", place->first.value(), kMend));
    }
    return place;
  }

  absl::Status Missing(Position expected, Position found) const {
    return absl::DataLossError(absl::StrCat(
        "partition ", partition_.value(), ": expected a commit at position ", expected.value(),
        ", but the next one is at ", found.value(), ": commits are missing", kMend));
  }

  const PartitionId partition_;
  const std::unique_ptr<rocksdb::Iterator> commits_;
  bool valid_ = false;
  Position first_;
  Position next_;
  absl::Status status_;
};

// The last position of a partition, from its last commit. Checks that the one before it is its
// neighbour: a cheap sign that the end is whole. The whole log is checked by reading it.
absl::StatusOr<Position> RecoverLastPosition(const LogDatabase& database, PartitionId partition) {
  rocksdb::DB& db = *database.db;
  rocksdb::ColumnFamilyHandle* const family = database.partitions[partition.value()];
  Position from(1);
  {
    const std::unique_ptr<rocksdb::Iterator> commits(db.NewIterator(LogReadOptions(), family));
    commits->SeekToLast();
    if (const absl::Status end = FromRocksDb(commits->status(), "read the log's end"); !end.ok()) {
      return absl::Status(end.code(),
                          absl::StrCat("partition ", partition.value(), ": ", end.message(),
                                       absl::IsDataLoss(end) ? kMend : ""));
    }
    if (!commits->Valid()) return Position(0);
    SKALD_ASSIGN_OR_RETURN(const Position last_first, ParseLogKey(FromSlice(commits->key())));
    SKALD_RETURN_IF_ERROR(DecodeCommit(FromSlice(commits->value())).status());
    if (last_first.value() > 1) from = Position(last_first.value() - 1);
  }
  RocksDbCursor cursor(db, family, partition, from);
  Position last;
  for (; cursor.Valid(); cursor.Next()) {
    SKALD_ASSIGN_OR_RETURN(const CommitPlace place, PeekCommitPlace(cursor.record()));
    last = place.last();
  }
  SKALD_RETURN_IF_ERROR(cursor.status());
  return last;
}

}  // namespace

struct RocksDbEventLog::State {
  std::string path;
  std::shared_ptr<WriteCounter> counter = std::make_shared<WriteCounter>();
  std::unique_ptr<LogDatabase> database;
  // By partition. Written by the appending thread, read by any; an append moves all of them at once
  // for who holds the mutex.
  std::vector<std::atomic<uint64_t>> last_positions;
  mutable Mutex positions_mu;
  // Owned by the appending thread: the first error, which is final.
  absl::Status broken;
};

absl::StatusOr<std::unique_ptr<RocksDbEventLog>> RocksDbEventLog::Open(
    const RocksDbEventLogOptions& options) {
  auto state = std::make_unique<State>();
  state->path = options.path;
  SKALD_ASSIGN_OR_RETURN(state->database, OpenLogDatabase(options, state->counter));
  const size_t count = state->database->partitions.size();
  state->last_positions = std::vector<std::atomic<uint64_t>>(count);
  for (uint32_t partition = 0; partition < count; ++partition) {
    SKALD_ASSIGN_OR_RETURN(const Position last,
                           RecoverLastPosition(*state->database, PartitionId(partition)));
    state->last_positions[partition].store(last.value(), std::memory_order_release);
  }
  return std::unique_ptr<RocksDbEventLog>(new RocksDbEventLog(std::move(state)));
}

RocksDbEventLog::RocksDbEventLog(std::unique_ptr<State> state) : state_(std::move(state)) {}

RocksDbEventLog::~RocksDbEventLog() = default;

absl::Status RocksDbEventLog::Append(absl::Span<const StagedCommit> commits) {
  SKALD_RETURN_IF_ERROR(state_->broken);
  if (commits.empty()) return absl::OkStatus();
  std::vector<uint64_t> last(state_->last_positions.size());
  for (size_t i = 0; i < last.size(); ++i) {
    last[i] = state_->last_positions[i].load(std::memory_order_relaxed);
  }
  rocksdb::WriteBatch batch;
  for (const StagedCommit& commit : commits) {
    const uint32_t partition = commit.partition.value();
    SKALD_CHECK(partition < last.size() && commit.count > 0);
    SKALD_CHECK(commit.first.value() == last[partition] + 1);
    const absl::StatusOr<CommitPlace> place = PeekCommitPlace(commit.record);
    SKALD_CHECK(place.ok());
    SKALD_CHECK(place->partition == commit.partition && place->first == commit.first &&
                place->count == commit.count);
    last[partition] = commit.last().value();
    // Fails only when memory does.
    SKALD_CHECK(
        batch.Put(state_->database->partitions[partition], LogKey(commit.first), commit.record)
            .ok());
  }
  state_->broken = FromRocksDb(state_->database->db->Write(LogWriteOptions(), &batch),
                               "append to the event log");
  SKALD_RETURN_IF_ERROR(state_->broken);
  MutexLock lock(state_->positions_mu);
  for (const StagedCommit& commit : commits) {
    state_->last_positions[commit.partition.value()].store(commit.last().value(),
                                                           std::memory_order_release);
  }
  return absl::OkStatus();
}

Position RocksDbEventLog::LastPosition(PartitionId partition) const {
  SKALD_CHECK(partition.value() < partition_count());
  return Position(state_->last_positions[partition.value()].load(std::memory_order_acquire));
}

std::vector<Position> RocksDbEventLog::LastPositions() const {
  MutexLock lock(state_->positions_mu);
  std::vector<Position> positions;
  for (const std::atomic<uint64_t>& last : state_->last_positions) {
    positions.push_back(Position(last.load(std::memory_order_relaxed)));
  }
  return positions;
}

std::unique_ptr<LogCursor> RocksDbEventLog::Read(PartitionId partition, Position from) const {
  SKALD_CHECK(partition.value() < partition_count());
  return std::make_unique<RocksDbCursor>(
      *state_->database->db, state_->database->partitions[partition.value()], partition, from);
}

uint32_t RocksDbEventLog::partition_count() const {
  return state_->database->identity.partition_count();
}

absl::string_view RocksDbEventLog::store_id() const {
  return state_->database->identity.store_id();
}

absl::StatusOr<uint64_t> RocksDbEventLog::FreeBytes() const {
  struct statvfs device {};
  if (::statvfs(state_->path.c_str(), &device) != 0) {
    return absl::UnavailableError(
        absl::StrCat("ask for free space of ", state_->path, ": ", std::strerror(errno)));
  }
  return static_cast<uint64_t>(device.f_bavail) * device.f_frsize;
}

uint64_t RocksDbEventLog::UnwrittenBytes() const { return MemtableBytes(*state_->database->db); }

Timestamp RocksDbEventLog::created_at() const {
  return Timestamp(state_->database->identity.created_us());
}

const LogOpenReport& RocksDbEventLog::open_report() const { return state_->database->report; }

RocksDbEventLog::Stats RocksDbEventLog::stats() const {
  return Stats{.flushes = state_->counter->flushes(),
               .compaction_bytes_written = state_->counter->compaction_bytes()};
}

absl::Status RocksDbEventLog::Flush() {
  return FromRocksDb(
      state_->database->db->Flush(rocksdb::FlushOptions(), state_->database->partitions),
      "flush the event log");
}

}  // namespace skald::storage
