// Whether audit trees are what the log makes of them, and kept checkpoints what the trees were.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "engine/audit/checkpoint_journal.h"
#include "engine/audit/merkle.h"
#include "engine/audit/note.h"
#include "engine/audit/tile_tree.h"
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

// Reads the journal anew, but for checkpoints that one of `keys` is said to have signed and did not.
// Appends what is wrong with it to `differences`, a sentence each.
KeptCheckpoints ReadKept(const audit::CheckpointJournal& journal,
                         absl::Span<const audit::VerifierKey> keys,
                         std::vector<std::string>& differences);

// One partition's tree, made anew from its commits. Owned by one thread.
class AuditCheck {
 public:
  // `rows` hold the live tree, which may be behind the log; they and `kept` outlive this.
  AuditCheck(PartitionId partition, const storage::ViewSnapshot& rows, const KeptCheckpoints& kept)
      : partition_(partition), live_(rows), kept_(kept), tree_(views_, partition) {}

  // The next commit of the log, as a record and decoded.
  absl::Status Add(absl::string_view record);
  absl::Status Add(const storage::CommitView& commit);
  // After the last commit: appends what is different in the live tree's rows, a sentence each.
  absl::Status FinishTree(std::vector<std::string>& differences);
  uint64_t leaves() const { return tree_.size(); }
  // The live tree has more leaves than the log has commits. After FinishTree.
  bool is_log_short() const { return live_size_ > tree_.size(); }
  // Appends a sentence for each kept checkpoint that is not of this log. After FinishTree.
  absl::Status CompareKept(std::vector<std::string>& differences);

 private:
  absl::Status Begin();
  absl::Status CompareRows();

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
