#include "engine/audit/auditor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/audit/commit_leaf.h"

namespace skald::audit {
namespace {

// Leaves between two writes: some 600 KiB of rows, and as long a wait for who gives up.
constexpr uint64_t kWriteCommits = 16'384;

auto ReaderOf(TileTree& tree) {
  return [&tree](uint32_t level, uint64_t index) { return tree.Subtree(level, index); };
}

absl::Status SizeError(absl::string_view field, uint64_t wanted, uint64_t size) {
  return BadRequestError(field,
                         absl::StrCat("is of ", wanted, " commits, but the log has ", size,
                                      ": it lost commits, or the checkpoint is not of this log"));
}

}  // namespace

Auditor::Auditor(const storage::EventLog& log, storage::Views& views, KeyReader keys)
    : log_(log), keys_(std::move(keys)), store_name_(StoreName(log.store_id())) {
  for (uint32_t id = 0; id < log.partition_count(); ++id) {
    trees_.push_back(std::make_unique<PartitionTree>(views, PartitionId(id)));
  }
}

Auditor::~Auditor() = default;

absl::Status Auditor::CheckLog() {
  for (uint32_t id = 0; id < trees_.size(); ++id) {
    PartitionTree& tree = *trees_[id];
    MutexLock lock(tree.mu);
    SKALD_RETURN_IF_ERROR(Load(tree, PartitionId(id)));
  }
  return absl::OkStatus();
}

absl::Status Auditor::CheckKept(PartitionId partition, const TreeHead& kept) {
  PartitionTree& tree = TreeOf(partition);
  MutexLock lock(tree.mu);
  SKALD_RETURN_IF_ERROR(Load(tree, partition));
  const auto never = [] { return false; };
  if (kept.size > tree.tree.size()) SKALD_RETURN_IF_ERROR(Follow(tree, partition, never));
  if (kept.size > tree.tree.size()) {
    return LogCorruptError(
        partition, log_.LastPosition(partition).Next(),
        absl::StrCat("a checkpoint of ", kept.size,
                     " commits was signed and kept, but the log has ", tree.tree.size(),
                     ": it lost its end. Restore it from a backup; to go on ",
                     "knowingly without the lost events, delete the views and put ",
                     "audit_checkpoints* away. Auditors will see it as a rollback"));
  }
  SKALD_ASSIGN_OR_RETURN(Hash root, RootAt(kept.size, ReaderOf(tree.tree)));
  if (root == kept.root) return absl::OkStatus();
  // Rows are derived: what is wrong with them is mended from the log.
  SKALD_RETURN_IF_ERROR(tree.tree.Clear());
  SKALD_RETURN_IF_ERROR(Follow(tree, partition, never));
  SKALD_ASSIGN_OR_RETURN(root, RootAt(kept.size, ReaderOf(tree.tree)));
  if (root == kept.root) return absl::OkStatus();
  return LogCorruptError(
      partition, Position(1),
      absl::StrCat("its first ", kept.size, " commits are not those of the checkpoint that was ",
                   "signed and kept: they were changed, or audit_checkpoints is of another log. ",
                   "Restore the data directory from a backup"));
}

// ---- Following the log ----

absl::Status Auditor::Load(PartitionTree& tree, PartitionId partition) {
  if (tree.is_loaded) return absl::OkStatus();
  const absl::Status loaded = tree.tree.Load();
  if (absl::IsDataLoss(loaded)) {
    // Rows are derived: what is wrong with them is mended from the log.
    SKALD_RETURN_IF_ERROR(tree.tree.Clear());
  } else {
    SKALD_RETURN_IF_ERROR(loaded);
  }
  if (tree.tree.last() > log_.LastPosition(partition)) {
    return LogCorruptError(
        partition, tree.tree.last(),
        "the log ends before what its audit tree covers: it lost its end. Restore "
        "it from a backup; to go on knowingly without the lost events, delete the "
        "views");
  }
  tree.is_loaded = true;
  return absl::OkStatus();
}

absl::Status Auditor::Follow(PartitionTree& tree, PartitionId partition, Stopped stopped) {
  SKALD_RETURN_IF_ERROR(Load(tree, partition));
  const absl::Status status = AppendCommits(tree, partition, stopped);
  // What was appended and not written is forgotten by loading anew.
  if (!status.ok()) tree.is_loaded = false;
  return status;
}

absl::Status Auditor::AppendCommits(PartitionTree& tree, PartitionId partition, Stopped stopped) {
  const Position durable = log_.LastPosition(partition);
  if (tree.tree.last() >= durable) return absl::OkStatus();
  const auto cursor = log_.Read(partition, tree.tree.last().Next());
  storage::CommitView commit;
  for (; cursor->Valid() && cursor->first() <= durable; cursor->Next()) {
    SKALD_RETURN_IF_ERROR(storage::DecodeCommit(cursor->record(), &commit));
    const Position first(commit.header.first_position());
    if (first != tree.tree.last().Next()) {
      return LogCorruptError(partition, tree.tree.last().Next(), "the commit is missing");
    }
    tree.tree.Append(CommitLeaf(commit), first,
                     Position(first.value() + commit.header.count() - 1));
    if (tree.tree.unwritten() < kWriteCommits) continue;
    SKALD_RETURN_IF_ERROR(tree.tree.Write());
    if (stopped()) return absl::CancelledError("the caller gave up");
  }
  SKALD_RETURN_IF_ERROR(cursor->status());
  return tree.tree.Write();
}

absl::StatusOr<SignedCheckpoint> Auditor::Sign(PartitionTree& tree, PartitionId partition) {
  SKALD_ASSIGN_OR_RETURN(const std::vector<SigningKey> keys, keys_());
  SKALD_ASSIGN_OR_RETURN(const Hash root, RootAt(tree.tree.size(), ReaderOf(tree.tree)));
  SignedCheckpoint result{.partition = partition,
                          .checkpoint = {.origin = OriginOf(store_name_, partition),
                                         .tree = {.size = tree.tree.size(), .root = root}},
                          .note = {}};
  result.note = SignNote(result.checkpoint.ToText(), keys);
  return result;
}

// ---- Answers ----

absl::StatusOr<SignedCheckpoint> Auditor::GetCheckpoint(PartitionId partition, Stopped stopped) {
  PartitionTree& tree = TreeOf(partition);
  MutexLock lock(tree.mu);
  SKALD_RETURN_IF_ERROR(Follow(tree, partition, stopped));
  return Sign(tree, partition);
}

absl::StatusOr<ConsistencyAnswer> Auditor::ProveConsistency(PartitionId partition,
                                                            uint64_t old_size, Stopped stopped) {
  PartitionTree& tree = TreeOf(partition);
  MutexLock lock(tree.mu);
  SKALD_RETURN_IF_ERROR(Follow(tree, partition, stopped));
  const uint64_t size = tree.tree.size();
  if (old_size > size) return SizeError("old_checkpoint", old_size, size);
  ConsistencyAnswer answer;
  SKALD_ASSIGN_OR_RETURN(answer.checkpoint, Sign(tree, partition));
  const auto reader = ReaderOf(tree.tree);
  SKALD_ASSIGN_OR_RETURN(const Hash old_root, RootAt(old_size, reader));
  answer.proof.old_tree = {.size = old_size, .root = old_root};
  SKALD_ASSIGN_OR_RETURN(answer.proof.path, audit::ProveConsistency(old_size, size, reader));
  return answer;
}

absl::StatusOr<PastConsistency> Auditor::ProveConsistencyBetween(PartitionId partition,
                                                                 uint64_t old_size,
                                                                 uint64_t new_size,
                                                                 Stopped stopped) {
  PartitionTree& tree = TreeOf(partition);
  MutexLock lock(tree.mu);
  SKALD_RETURN_IF_ERROR(Follow(tree, partition, stopped));
  const uint64_t size = tree.tree.size();
  if (new_size > size) return SizeError("new_checkpoint", new_size, size);
  if (old_size > new_size) {
    return BadRequestError(
        "old_checkpoint",
        absl::StrCat("is of ", old_size, " commits, more than the new one's ", new_size));
  }
  const auto reader = ReaderOf(tree.tree);
  PastConsistency answer;
  SKALD_ASSIGN_OR_RETURN(const Hash root, RootAt(new_size, reader));
  answer.tree = {.size = new_size, .root = root};
  SKALD_ASSIGN_OR_RETURN(answer.path, audit::ProveConsistency(old_size, new_size, reader));
  return answer;
}

absl::StatusOr<std::unique_ptr<SagaExport>> Auditor::ExportSaga(ExportRequest request,
                                                                Stopped stopped) {
  SKALD_CHECK(!request.commits.empty());
  BundleHead head{.saga = request.saga, .checkpoint = {}, .consistency = {}};
  uint64_t size = 0;
  if (request.old_size) {
    SKALD_ASSIGN_OR_RETURN(ConsistencyAnswer answer,
                           ProveConsistency(request.partition, *request.old_size, stopped));
    head.checkpoint = std::move(answer.checkpoint.note);
    head.consistency = std::move(answer.proof);
    size = answer.checkpoint.checkpoint.tree.size;
  } else {
    SKALD_ASSIGN_OR_RETURN(SignedCheckpoint checkpoint, GetCheckpoint(request.partition, stopped));
    head.checkpoint = std::move(checkpoint.note);
    size = checkpoint.checkpoint.tree.size;
  }
  return std::unique_ptr<SagaExport>(
      new SagaExport(*this, std::move(request), std::move(head), size));
}

absl::StatusOr<std::vector<VerifierKey>> Auditor::GetKeys() const {
  SKALD_ASSIGN_OR_RETURN(const std::vector<SigningKey> keys, keys_());
  std::vector<VerifierKey> verifiers;
  for (const SigningKey& key : keys) verifiers.push_back(key.verifier());
  return verifiers;
}

// The commit as the log has it now, with the proof that the tree was made of it.
absl::StatusOr<BundleCommit> Auditor::ProveCommit(const ExportRequest& request, Position first,
                                                  uint64_t size, uint64_t* events) {
  const auto cursor = log_.Read(request.partition, first);
  if (!cursor->Valid() || cursor->first() != first) {
    SKALD_RETURN_IF_ERROR(cursor->status());
    return LogCorruptError(request.partition, first, "an event of a saga is missing");
  }
  SKALD_ASSIGN_OR_RETURN(const storage::CommitView commit, storage::DecodeCommit(cursor->record()));
  *events = commit.header.count();
  PartitionTree& tree = TreeOf(request.partition);
  MutexLock lock(tree.mu);
  SKALD_RETURN_IF_ERROR(Load(tree, request.partition));
  SKALD_ASSIGN_OR_RETURN(const uint64_t index, tree.tree.IndexOf(first));
  if (index >= size)
    return InternalError("a commit stands past the checkpoint that was made after it");
  SKALD_ASSIGN_OR_RETURN(const Hash leaf, tree.tree.Subtree(0, index));
  SKALD_ASSIGN_OR_RETURN(std::vector<Hash> path, ProveInclusion(index, size, ReaderOf(tree.tree)));
  BundleCommit proven = MakeBundleCommit(commit, index, std::move(path), request.slots);
  if (proven.leaf != leaf) {
    return LogCorruptError(request.partition, first,
                           "the commit is not the one that its audit tree was made of");
  }
  return proven;
}

// ---- An export ----

absl::StatusOr<std::string> SagaExport::MakeNext() {
  if (!is_begun_) {
    is_begun_ = true;
    return writer_.Begin(head_);
  }
  if (next_ < request_.commits.size()) {
    uint64_t events = 0;
    SKALD_ASSIGN_OR_RETURN(const BundleCommit commit,
                           auditor_.ProveCommit(request_, request_.commits[next_], size_, &events));
    ++next_;
    return writer_.Add(commit, events);
  }
  if (is_ended_) return std::string();
  is_ended_ = true;
  return writer_.End();
}

absl::StatusOr<std::string> SagaExport::Next() {
  SKALD_ASSIGN_OR_RETURN(std::string piece, MakeNext());
  bytes_ += piece.size();
  if (bytes_ > kBundleBytesMax) {
    return SagaTooLargeError(request_.saga, bytes_, kBundleBytesMax);
  }
  return piece;
}

}  // namespace skald::audit
