// Group commit: one thread that drains the staged commits of all partitions into one synced write.
//
// There is no timer: it writes what is there, up to 1,024 events or 1 MiB. While it syncs,
// partitions decide their next batch, so the batch size adapts to the disk. If the writer is idle,
// TryAppendInline lets a partition's thread write and sync its own batch itself and saves the
// hand-off.
//
// A failed write or sync is fatal: `on_fatal` is called once, nothing is ever reported durable
// after it, and it must stop the process without an orderly close.
//
// Thread rule: Stage and TryAppendInline from any partition thread; `on_durable` is called from the
// writer's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "storage/event_log.h"

namespace skald::storage {

struct LogWriterOptions {
  uint32_t batch_events_max = 1024;
  size_t batch_bytes_max = 1 << 20;
  // Called after a batch is durable, with the last durable position of each partition in it. Not
  // called for inline appends.
  std::function<void(absl::Span<const std::pair<PartitionId, Position>>)> on_durable = {};
  // Called once when the log cannot be written any more. Must not return in production; tests may
  // let it.
  std::function<void(const absl::Status&)> on_fatal = {};
};

class LogWriter {
 public:
  // `log` must outlive the writer.
  LogWriter(EventLog& log, LogWriterOptions options);
  // Writes what is staged, then joins.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Hands commits over. Commits of one partition must be staged in position order.
  void Stage(std::vector<StagedCommit> commits);

  // When nothing is staged or being written, appends `commits` on the calling thread and returns
  // true: they are durable. Returns false and does nothing when the writer is busy (or broken):
  // Stage them instead.
  bool TryAppendInline(absl::Span<const StagedCommit> commits);

  // Waits until everything staged before the call is durable; not OK when the log broke.
  absl::Status Drain();

  // What the writer has done since it was made.
  struct Stats {
    uint64_t batches = 0;
    uint64_t inline_batches = 0;
    uint64_t commits = 0;
    uint64_t events = 0;
    uint64_t bytes = 0;
    // Time spent in Append, in microseconds.
    uint64_t append_us = 0;
  };
  Stats stats() const;

 private:
  void Run();
  // Moves the next batch from staged_ to batch_.
  void TakeBatch() SKALD_REQUIRES(mu_);
  // Appends and counts; false after it broke the log. Called by whoever set writing_.
  bool AppendBatch(absl::Span<const StagedCommit> commits, bool is_inline);
  // Tells on_durable about batch_.
  void ReportDurable();

  EventLog& log_;
  const LogWriterOptions options_;
  mutable Mutex mu_;
  CondVar work_;
  CondVar idle_;
  std::deque<StagedCommit> staged_ SKALD_GUARDED_BY(mu_);
  // How many commits were ever staged, and how many of them are durable and reported.
  uint64_t staged_count_ SKALD_GUARDED_BY(mu_) = 0;
  uint64_t durable_count_ SKALD_GUARDED_BY(mu_) = 0;
  // Someone is in Append or in on_durable.
  bool writing_ SKALD_GUARDED_BY(mu_) = false;
  bool stopping_ SKALD_GUARDED_BY(mu_) = false;
  absl::Status broken_ SKALD_GUARDED_BY(mu_);
  Stats stats_ SKALD_GUARDED_BY(mu_);
  // Owned by the writer's thread; kept for their memory.
  std::vector<StagedCommit> batch_;
  std::vector<std::pair<PartitionId, Position>> durable_;
  std::thread thread_;
};

}  // namespace skald::storage
