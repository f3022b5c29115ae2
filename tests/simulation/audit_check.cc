#include "tests/simulation/audit_check.h"

#include "absl/strings/str_cat.h"
#include "engine/audit/commit_leaf.h"

namespace skald::simulation {

void AuditCheck::Check(PartitionId partition) {
  audit::MemoryTree& tree = trees_[partition.value()];
  const auto& commits = site_.chronicle.commits(partition);
  while (tree.size() < commits.size()) {
    const auto view = storage::DecodeCommit(commits[tree.size()].record);
    tree.Append(audit::CommitLeaf(*view));
  }
  if (tree.size() == 0) return;
  const auto signed_checkpoint = site_.server->GetCheckpoint(partition);
  if (!signed_checkpoint.ok()) {
    if (site_.disk.is_damaged() && absl::IsDataLoss(signed_checkpoint.status())) return;
    return site_.trace.Violate("audit", signed_checkpoint.status().message());
  }
  const audit::TreeHead& head = signed_checkpoint->checkpoint.tree;
  site_.Note(absl::StrCat("checkpoint of ", partition.value(), " at ", head.size));
  if (head.size != tree.size()) {
    return site_.trace.Violate("audit",
                               absl::StrCat("partition ", partition.value(), " at ", head.size,
                                            " commits, and its log has ", tree.size()));
  }
  if (head != tree.head(head.size)) {
    site_.trace.Violate("audit", absl::StrCat("partition ", partition.value(), " at ", head.size,
                                              " commits has another root than its log"));
  }
}

}  // namespace skald::simulation
