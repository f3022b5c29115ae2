// A disk that behaves as badly as a disk may: what was not synced is lost by a crash, or not; the
// last batch is torn; views are lost back to any batch; syncs fail; space runs out; bits flip.
//
// It outlives the processes of a simulation. Log and views keep the contracts of storage/event_log.h
// and storage/views.h, and no more than them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "storage/event_log.h"
#include "storage/views.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/trace.h"

namespace skald::simulation {

// One thing broken on purpose, to prove that the simulation finds it.
enum class Mutation {
  kNone,
  kSkipSync,         // an append says OK before it is safe
  kForgetRequests,   // remembered requests are not kept
  kOpenGate,         // effects leave before what they depend on is durable
  kEarlyViews,       // rows reach views before their events are durable
  kSplitCheckpoint,  // an applied position is written apart from its rows
  kKeepTorn,         // a torn record is not cut off
  kSplitModels,      // a read model's checkpoint is written apart from its rows
  kStaleAudit,       // checkpoints are of what the log was once
};

class SimulatedDisk {
 public:
  SimulatedDisk(uint32_t partitions, Mutation mutation, Scheduler& scheduler, Trace& trace);
  ~SimulatedDisk();

  storage::EventLog& log();
  storage::Views& views();

  // ---- Faults ----
  // The next append fails, and nobody knows what of it is on disk.
  void FailNextAppend() { fail_append_ = true; }
  // The next write to views fails.
  void FailNextApply() { fail_apply_ = true; }
  // Whether a fault that was asked for has struck: the process has a reason to stop.
  bool has_failed() const { return failed_; }
  void SetFreeBytes(uint64_t bytes) { free_bytes_ = bytes; }
  uint64_t free_bytes() const { return free_bytes_; }
  // The process is gone while `in_flight` was being written: it is there, or not, or torn. Views
  // are as of some batch since their last flush.
  void Crash(const std::vector<storage::StagedCommit>& in_flight);
  // What a store does when it is opened: cuts a torn end off.
  void Open();
  // Flips a bit of one stored commit. False when there is none.
  bool FlipBit();
  // Undoes it, as a backup would.
  void Mend();
  bool is_damaged() const { return damaged_.has_value(); }

 private:
  class Log;
  class SimulatedViews;
  class RowSnapshot;
  class Cursor;
  using Rows = absl::btree_map<std::string, std::string>;

  struct Batch {
    std::vector<storage::RowChange> changes;
    std::optional<std::pair<PartitionId, Position>> applied;
    bool is_of_models = false;
  };
  struct Damage {
    size_t partition = 0, index = 0;
    std::string intact;
  };

  void Append(const storage::StagedCommit& commit) {
    commits_[commit.partition.value()].push_back(commit);
  }
  Position Last(size_t partition) const;
  bool Fails(bool& asked_for) {
    if (!std::exchange(asked_for, false)) return false;
    return failed_ = true;
  }
  void LoseLastBatches();
  void Tear(const std::vector<storage::StagedCommit>& in_flight);
  void ApplyBatch(Batch batch);
  static void Write(const Batch& batch, Rows& rows);
  void CrashViews();

  const Mutation mutation_;
  Scheduler& scheduler_;
  Trace& trace_;

  // Commits never move while a process reads them.
  std::vector<std::deque<storage::StagedCommit>> commits_;
  std::vector<std::vector<size_t>> batch_ends_;  // sizes of all partitions before recent batches
  std::vector<size_t> before_tear_;              // sizes before a torn batch; empty without one
  std::optional<Damage> damaged_;

  Rows rows_;                  // as a reader sees them
  Rows flushed_;               // as they survive any crash
  std::deque<Batch> batches_;  // what lies between, in order
  // Of them, those that are not of models: only they are drawn for, so that a seed's history does not
  // hang on what models write. Where among models' batches a crash strikes has chance of its own.
  size_t counted_batches_ = 0;
  Random models_random_{1};

  bool fail_append_ = false;
  bool fail_apply_ = false;
  bool failed_ = false;
  uint64_t free_bytes_ = 1 << 30;

  std::unique_ptr<Log> log_;
  std::unique_ptr<SimulatedViews> views_;
};

}  // namespace skald::simulation
