#include "tests/simulation/simulated_disk.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "storage/commit_record.h"
#include "storage/keys.h"

namespace skald::simulation {
namespace {

using storage::RowChange;
using storage::StagedCommit;

// Batches of views that a crash may take.
constexpr size_t kUnflushedMax = 48;
// Batches of the log that a disk which only pretends to sync may lose.
constexpr size_t kUnsyncedMax = 8;

bool IsOfModels(const RowChange& change) {
  return change.key[0] >= static_cast<char>(storage::Table::kModelRegistry);
}

}  // namespace

class SimulatedDisk::Cursor : public storage::LogCursor {
 public:
  Cursor(const std::deque<StagedCommit>& commits, Position from) : commits_(commits) {
    index_ = static_cast<size_t>(
        std::partition_point(commits.begin(), commits.end(),
                             [&](const StagedCommit& commit) { return commit.last() < from; }) -
        commits.begin());
  }
  bool Valid() const override { return index_ < commits_.size(); }
  Position first() const override { return commits_[index_].first; }
  absl::string_view record() const override { return commits_[index_].record; }
  void Next() override { ++index_; }
  absl::Status status() const override { return absl::OkStatus(); }

 private:
  const std::deque<StagedCommit>& commits_;
  size_t index_;
};

class SimulatedDisk::Log : public storage::EventLog {
 public:
  explicit Log(SimulatedDisk& disk) : disk_(disk) {}

  absl::Status Append(absl::Span<const StagedCommit> commits) override {
    if (disk_.Fails(disk_.fail_append_)) return absl::UnavailableError("fsync: EIO");
    std::vector<size_t> before;
    for (const auto& partition : disk_.commits_) before.push_back(partition.size());
    disk_.batch_ends_.push_back(std::move(before));
    if (disk_.batch_ends_.size() > kUnsyncedMax) disk_.batch_ends_.erase(disk_.batch_ends_.begin());
    for (const StagedCommit& commit : commits) {
      SKALD_CHECK(commit.first == LastPosition(commit.partition).Next());
      disk_.Append(commit);
    }
    return absl::OkStatus();
  }
  Position LastPosition(PartitionId partition) const override {
    return disk_.Last(partition.value());
  }
  std::vector<Position> LastPositions() const override {
    std::vector<Position> positions;
    for (size_t id = 0; id < disk_.commits_.size(); ++id) positions.push_back(disk_.Last(id));
    return positions;
  }
  std::unique_ptr<storage::LogCursor> Read(PartitionId partition, Position from) const override {
    return std::make_unique<Cursor>(disk_.commits_[partition.value()], from);
  }
  uint32_t partition_count() const override {
    return static_cast<uint32_t>(disk_.commits_.size());
  }
  absl::string_view store_id() const override { return "simulated-store-"; }
  absl::StatusOr<uint64_t> FreeBytes() const override { return disk_.free_bytes_; }

 private:
  SimulatedDisk& disk_;
};

class SimulatedDisk::RowSnapshot : public storage::ViewSnapshot {
 public:
  explicit RowSnapshot(Rows rows) : rows_(std::move(rows)) {}

  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const override {
    return GetFrom(rows_, key);
  }
  absl::Status Scan(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view, absl::string_view)> row) const override {
    return ScanOf(rows_, begin, end, row);
  }
  absl::Status ScanBack(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view, absl::string_view)> row) const override {
    auto next = end.empty() ? rows_.end() : rows_.lower_bound(end);
    while (next != rows_.begin()) {
      --next;
      if (next->first < begin || !row(next->first, next->second)) break;
    }
    return absl::OkStatus();
  }
  absl::StatusOr<Position> AppliedPosition(PartitionId partition) const override {
    return AppliedIn(rows_, partition);
  }

  static std::optional<std::string> GetFrom(const Rows& rows, absl::string_view key) {
    const auto row = rows.find(key);
    if (row == rows.end()) return std::nullopt;
    return row->second;
  }
  static absl::Status ScanOf(const Rows& rows, absl::string_view begin, absl::string_view end,
                             absl::FunctionRef<bool(absl::string_view, absl::string_view)> row) {
    for (auto next = rows.lower_bound(begin); next != rows.end(); ++next) {
      if ((!end.empty() && next->first >= end) || !row(next->first, next->second)) break;
    }
    return absl::OkStatus();
  }
  static absl::StatusOr<Position> AppliedIn(const Rows& rows, PartitionId partition) {
    const auto row = rows.find(storage::AppliedKey(partition));
    if (row == rows.end()) return Position(0);
    return storage::ParsePosition(row->second);
  }

 private:
  const Rows rows_;
};

class SimulatedDisk::SimulatedViews : public storage::Views {
 public:
  explicit SimulatedViews(SimulatedDisk& disk) : disk_(disk) {}

  absl::Status Apply(PartitionId partition, absl::Span<const RowChange> changes,
                     Position applied) override {
    if (disk_.Fails(disk_.fail_apply_)) return absl::UnavailableError("write: EIO");
    if (applied > disk_.Last(partition.value()) && disk_.mutation_ != Mutation::kOpenGate) {
      disk_.trace_.Violate("views-behind-log",
                           absl::StrCat("rows of partition ", partition.value(), " as of ",
                                        applied.value(), " reach views, the log is durable to ",
                                        disk_.Last(partition.value()).value()));
    }
    Batch batch;
    for (const RowChange& change : changes) {
      const bool remembered = change.key[0] == static_cast<char>(storage::Table::kDedup);
      if (remembered && disk_.mutation_ == Mutation::kForgetRequests) continue;
      batch.changes.push_back(change);
    }
    if (disk_.mutation_ == Mutation::kSplitCheckpoint) disk_.ApplyBatch(std::exchange(batch, {}));
    batch.applied = {partition, applied};
    disk_.ApplyBatch(std::move(batch));
    return absl::OkStatus();
  }
  absl::Status ApplyRows(absl::Span<const RowChange> changes) override {
    if (changes.empty()) return absl::OkStatus();
    Batch batch{.changes = {changes.begin(), changes.end()},
                .applied = {},
                .is_of_models = IsOfModels(changes.front())};
    if (batch.is_of_models && disk_.mutation_ == Mutation::kSplitModels) {
      Batch checkpoints{.changes = {}, .applied = {}, .is_of_models = true};
      std::erase_if(batch.changes, [&](const RowChange& change) {
        if (change.key[0] != static_cast<char>(storage::Table::kModelCheckpoint)) return false;
        checkpoints.changes.push_back(change);
        return true;
      });
      disk_.ApplyBatch(std::move(batch));
      batch = std::move(checkpoints);
    }
    disk_.ApplyBatch(std::move(batch));
    return absl::OkStatus();
  }
  std::unique_ptr<storage::ViewSnapshot> Snapshot() const override {
    return std::make_unique<RowSnapshot>(disk_.rows_);
  }
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const override {
    return RowSnapshot::GetFrom(disk_.rows_, key);
  }
  absl::Status Scan(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view, absl::string_view)> row) const override {
    return RowSnapshot::ScanOf(disk_.rows_, begin, end, row);
  }
  absl::StatusOr<Position> AppliedPosition(PartitionId partition) const override {
    return RowSnapshot::AppliedIn(disk_.rows_, partition);
  }
  absl::Status Flush() override {
    disk_.flushed_ = disk_.rows_;
    disk_.batches_.clear();
    disk_.counted_batches_ = 0;
    return absl::OkStatus();
  }

 private:
  SimulatedDisk& disk_;
};

SimulatedDisk::SimulatedDisk(uint32_t partitions, Mutation mutation, Scheduler& scheduler,
                             Trace& trace)
    : mutation_(mutation),
      scheduler_(scheduler),
      trace_(trace),
      commits_(partitions),
      log_(std::make_unique<Log>(*this)),
      views_(std::make_unique<SimulatedViews>(*this)) {}

SimulatedDisk::~SimulatedDisk() = default;

storage::EventLog& SimulatedDisk::log() { return *log_; }
storage::Views& SimulatedDisk::views() { return *views_; }

Position SimulatedDisk::Last(size_t partition) const {
  return commits_[partition].empty() ? Position(0) : commits_[partition].back().last();
}

// ---- Crashes ----

void SimulatedDisk::Crash(const std::vector<StagedCommit>& in_flight) {
  fail_append_ = fail_apply_ = failed_ = false;
  Random& random = scheduler_.random();
  if (mutation_ == Mutation::kSkipSync) LoseLastBatches();
  if (!in_flight.empty()) {
    switch (random.Below(3)) {
      case 0:
        trace_.Add(scheduler_.now(), "disk: the batch being written is lost");
        break;
      case 1:
        trace_.Add(scheduler_.now(), "disk: the batch being written is there");
        for (const StagedCommit& commit : in_flight) Append(commit);
        break;
      default:
        trace_.Add(scheduler_.now(), "disk: the batch being written is torn");
        Tear(in_flight);
    }
  }
  CrashViews();
}

void SimulatedDisk::LoseLastBatches() {
  const uint64_t lost = scheduler_.random().Below(batch_ends_.size() + 1);
  for (uint64_t i = 0; i < lost; ++i) {
    for (size_t partition = 0; partition < commits_.size(); ++partition) {
      commits_[partition].resize(batch_ends_.back()[partition]);
    }
    batch_ends_.pop_back();
  }
  batch_ends_.clear();
}

// What was written of the batch ends within one of its records.
void SimulatedDisk::Tear(const std::vector<StagedCommit>& in_flight) {
  before_tear_.clear();
  for (const auto& partition : commits_) before_tear_.push_back(partition.size());
  const size_t whole = scheduler_.random().Below(in_flight.size());
  for (size_t i = 0; i < whole; ++i) Append(in_flight[i]);
  StagedCommit torn = in_flight[whole];
  torn.record.resize(scheduler_.random().Below(torn.record.size()));
  Append(torn);
}

void SimulatedDisk::CrashViews() {
  const size_t counted = counted_batches_;
  counted_batches_ = scheduler_.random().Below(counted + 1);
  size_t kept = 0;
  for (size_t left = counted_batches_; left > 0; ++kept) left -= batches_[kept].is_of_models ? 0 : 1;
  size_t more = 0;
  while (kept + more < batches_.size() && batches_[kept + more].is_of_models) ++more;
  kept += models_random_.Below(more + 1);
  if (mutation_ == Mutation::kOpenGate) {
    // Its rows may be ahead of the log; that is not what this mutation is about.
    for (size_t i = 0; i < kept; ++i) {
      const auto& applied = batches_[i].applied;
      if (applied && applied->second > Last(applied->first.value())) kept = i;
    }
  }
  rows_ = flushed_;
  for (size_t i = 0; i < kept; ++i) Write(batches_[i], rows_);
  batches_.resize(kept);
  counted_batches_ = static_cast<size_t>(std::count_if(
      batches_.begin(), batches_.end(), [](const Batch& batch) { return !batch.is_of_models; }));
  trace_.Add(scheduler_.now(), absl::StrCat("disk: views lose ", counted - counted_batches_, " of ",
                                            counted, " batches"));
}

// A batch is one record of the log's file, with a checksum over all of it: it is cut off as a whole.
void SimulatedDisk::Open() {
  const std::vector<size_t> sizes = std::exchange(before_tear_, {});
  if (sizes.empty() || mutation_ == Mutation::kKeepTorn) return;
  for (size_t partition = 0; partition < commits_.size(); ++partition) {
    commits_[partition].resize(sizes[partition]);
  }
  trace_.Add(scheduler_.now(), "disk: a torn batch is cut off");
}

// ---- Damage ----

bool SimulatedDisk::FlipBit() {
  const size_t partition = scheduler_.random().Below(commits_.size());
  if (commits_[partition].empty() || damaged_) return false;
  const size_t index = scheduler_.random().Below(commits_[partition].size());
  std::string& record = commits_[partition][index].record;
  damaged_ = Damage{partition, index, record};
  const uint64_t bit = scheduler_.random().Below(record.size() * 8);
  record[bit / 8] = static_cast<char>(record[bit / 8] ^ (1 << (bit % 8)));
  trace_.Add(scheduler_.now(), absl::StrCat("disk: bit ", bit, " of commit ", index,
                                            " of partition ", partition, " flips"));
  return true;
}

void SimulatedDisk::Mend() {
  if (!damaged_) return;
  commits_[damaged_->partition][damaged_->index].record = damaged_->intact;
  damaged_.reset();
  trace_.Add(scheduler_.now(), "disk: mended");
}

// ---- Views ----

void SimulatedDisk::Write(const Batch& batch, Rows& rows) {
  for (const RowChange& change : batch.changes) {
    if (change.value) {
      rows.insert_or_assign(change.key, *change.value);
    } else {
      rows.erase(change.key);
    }
  }
  if (batch.applied) {
    rows.insert_or_assign(storage::AppliedKey(batch.applied->first),
                          storage::EncodePosition(batch.applied->second));
  }
}

void SimulatedDisk::ApplyBatch(Batch batch) {
  Write(batch, rows_);
  if (!batch.is_of_models) ++counted_batches_;
  batches_.push_back(std::move(batch));
  while (counted_batches_ > kUnflushedMax) {
    Write(batches_.front(), flushed_);
    if (!batches_.front().is_of_models) --counted_batches_;
    batches_.pop_front();
  }
}

}  // namespace skald::simulation
