// Signs checkpoints on a schedule and keeps them in the journal: those of partitions that have
// grown, all in one write.
//
// The journal's end is anchored in a row of views, written after each of them. It goes with the
// views; as long as it is there, a journal that was cut off is found out.
//
// Thread rule: Start and Stop from one thread; the work is done on a thread of its own.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "engine/audit/auditor.h"
#include "engine/audit/checkpoint_journal.h"
#include "storage/event_log.h"
#include "storage/views.h"

namespace skald::audit {

// What everything stands on; all of it outlives the keeper.
struct CheckpointKeeperParts {
  const storage::EventLog& log;
  storage::Views& views;
  Auditor& auditor;
  CheckpointJournal& journal;
  const Clock& clock;
};

// What views say of the journal's end; nothing was kept when they say nothing.
absl::StatusOr<JournalEnd> ReadJournalAnchor(const storage::Views& views);

class CheckpointKeeper {
 public:
  // Nothing happens by itself with an interval of 0.
  CheckpointKeeper(CheckpointKeeperParts parts, Micros interval)
      : parts_(parts), interval_(interval), looked_at_(parts.log.partition_count()) {}
  ~CheckpointKeeper() { Stop(); }

  // Compares journal, views and log. DATA_LOSS when the log does not continue what was kept. Damage
  // of the journal itself is no error: it is told to standard error, and nothing is kept until it
  // is mended. For the start of an engine.
  absl::Status CheckKept();

  void Start();
  // Waits for what is under way, which it cuts short.
  void Stop();

  // Signs and keeps now.
  absl::Status Keep();

 private:
  void Run();
  absl::Status WriteAnchor(const JournalEnd& end);

  const CheckpointKeeperParts parts_;
  const Micros interval_;
  Mutex keep_mu_;  // held while checkpoints are made
  // The last position when each partition was last looked at.
  std::vector<Position> looked_at_ SKALD_GUARDED_BY(keep_mu_);
  std::thread thread_;
  Mutex mu_;
  CondVar changed_;
  bool stopping_ SKALD_GUARDED_BY(mu_) = false;
};

}  // namespace skald::audit
