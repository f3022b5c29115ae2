// Whether audit trees are what the log makes of them, and kept checkpoints what the trees were.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "engine/audit/auditor.h"
#include "engine/audit/checkpoint_journal.h"
#include "engine/audit/merkle.h"
#include "engine/audit/tile_tree.h"
#include "engine/runtime/engine.h"
#include "storage/commit_record.h"
#include "storage/memory/memory_views.h"
#include "storage/views.h"

namespace skald::runtime {

// What was kept of each partition's tree, in the order it was kept.
struct KeptHead {
  uint64_t number = 0;  // of the checkpoint
  audit::TreeHead tree;
};
using KeptCheckpoints = std::map<PartitionId, std::vector<KeptHead>>;

// Reads the journal anew and checks the signatures of keys that there are. What is wrong with it is
// a difference.
KeptCheckpoints ReadKept(const audit::CheckpointJournal& journal, const audit::Auditor& auditor,
                         VerifyReport& report);

// One partition's tree, made anew from its commits. Owned by one thread.
class AuditCheck {
 public:
  // `rows` hold the live tree, which may be behind the log; they and `kept` outlive this.
  AuditCheck(PartitionId partition, const storage::ViewSnapshot& rows, const KeptCheckpoints& kept)
      : partition_(partition), live_(rows), kept_(kept), tree_(views_, partition) {}

  // The next commit of the log.
  absl::Status Add(absl::string_view record);
  // After the last: compares with the live tree's rows and with what was kept.
  absl::Status Finish(VerifyReport& report);

 private:
  absl::Status Begin();
  absl::Status CompareRows();
  absl::Status CompareKept(VerifyReport& report);

  const PartitionId partition_;
  const storage::ViewSnapshot& live_;
  const KeptCheckpoints& kept_;
  storage::MemoryViews views_;  // of tree_
  audit::TileTree tree_;
  bool has_begun_ = false;
  uint64_t live_size_ = 0;
  bool is_compared_ = false;
  std::vector<std::string> differences_;
  storage::CommitView commit_;  // kept for its memory
};

}  // namespace skald::runtime
