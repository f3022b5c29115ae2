// Checkpoints, proofs and exports over a live store.
//
// The trees follow the log when they are asked for: each question first hashes what was committed
// since the last one (about a microsecond a commit), so that commands pay nothing.
//
//   SKALD_ASSIGN_OR_RETURN(SignedCheckpoint checkpoint, auditor.GetCheckpoint(partition, stopped));
//   SKALD_ASSIGN_OR_RETURN(auto saga_export, auditor.ExportSaga({.saga = saga, ...}, stopped));
//   for (;;) { SKALD_ASSIGN_OR_RETURN(std::string piece, saga_export->Next()); if (piece.empty())
//   break; }
//
// Errors: DATA_LOSS (LOG_CORRUPT) when the log no longer holds what its tree was made of. CANCELLED
// when the caller gave up. FAILED_PRECONDITION or UNAVAILABLE from the keys.
//
// Thread rule: any thread. Calls block while they read; those of one partition wait for each other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "engine/audit/bundle.h"
#include "engine/audit/checkpoint.h"
#include "engine/audit/note.h"
#include "engine/audit/tile_tree.h"
#include "storage/commit_record.h"
#include "storage/event_log.h"
#include "storage/views.h"

namespace skald::audit {

// Gives the signing keys, the present one first. Called for each signature, so that a rotation
// needs no restart.
using KeyReader = std::function<absl::StatusOr<std::vector<SigningKey>>()>;

// Whether the caller gave up; asked between pieces of work.
using Stopped = absl::FunctionRef<bool()>;

struct SignedCheckpoint {
  PartitionId partition;
  Checkpoint checkpoint;
  std::string note;
};

// That one checkpoint continues another.
struct ConsistencyAnswer {
  SignedCheckpoint checkpoint;
  BundleConsistency proof;
};

// That one tree of the past continues another.
struct PastConsistency {
  TreeHead tree;  // the newer one, as the log has it
  std::vector<Hash> path;
};

struct ExportRequest {
  SagaKey saga;
  PartitionId partition;
  // Where the saga's commits begin, in order, from its first on.
  std::vector<Position> commits;
  // The size of an older tree that the checkpoint shall be shown to continue.
  std::optional<uint64_t> old_size;
  SlotData slots = SlotData::kIncluded;
};

class Auditor;

// A bundle, made piece by piece. Must not outlive its auditor. Owned by one thread at a time.
class SagaExport {
 public:
  // The next piece of the bundle's text; empty at the end. RESOURCE_EXHAUSTED (SAGA_TOO_LARGE) when
  // it would be longer than a bundle may be.
  absl::StatusOr<std::string> Next();

 private:
  friend class Auditor;
  SagaExport(Auditor& auditor, ExportRequest request, BundleHead head, uint64_t size)
      : auditor_(auditor), request_(std::move(request)), head_(std::move(head)), size_(size) {}

  absl::StatusOr<std::string> MakeNext();

  Auditor& auditor_;
  const ExportRequest request_;
  const BundleHead head_;
  const uint64_t size_;  // of the checkpoint's tree
  BundleWriter writer_;
  size_t next_ = 0;  // commit
  bool is_begun_ = false;
  bool is_ended_ = false;
  size_t bytes_ = 0;
};

class Auditor {
 public:
  // `log` and `views` must outlive it.
  Auditor(const storage::EventLog& log, storage::Views& views, KeyReader keys);
  ~Auditor();

  // DATA_LOSS when the log ends before what a tree covers: it lost its end, and perhaps what was
  // under a signed checkpoint. For the start of an engine.
  absl::Status CheckLog();

  // DATA_LOSS when the log does not continue a checkpoint of the partition that was kept: it ends
  // before it, or is another. For the start of an engine; hashes what the tree does not have yet.
  absl::Status CheckKept(PartitionId partition, const TreeHead& kept);

  // Of the partition's tree up to its last durable commit. Precondition of all: the partition
  // exists.
  absl::StatusOr<SignedCheckpoint> GetCheckpoint(PartitionId partition, Stopped stopped);

  // A new checkpoint and the proof that it continues the tree of `old_size` commits.
  // INVALID_ARGUMENT when the log has fewer: then it lost some, or the size is not of this log.
  absl::StatusOr<ConsistencyAnswer> ProveConsistency(PartitionId partition, uint64_t old_size,
                                                     Stopped stopped);
  // The proof between two trees of the past, with the head of the newer one. Errors as above.
  absl::StatusOr<PastConsistency> ProveConsistencyBetween(PartitionId partition, uint64_t old_size,
                                                          uint64_t new_size, Stopped stopped);

  // A new checkpoint and the saga's commits, proven in it. Errors as ProveConsistency.
  // Precondition: the request's commits are durable, and there is at least one.
  absl::StatusOr<std::unique_ptr<SagaExport>> ExportSaga(ExportRequest request, Stopped stopped);

  // What checks the signatures, the present key first.
  absl::StatusOr<std::vector<VerifierKey>> GetKeys() const;

  const std::string& store_name() const { return store_name_; }

 private:
  friend class SagaExport;

  struct PartitionTree {
    PartitionTree(storage::Views& views, PartitionId partition) : tree(views, partition) {}
    Mutex mu;
    bool is_loaded SKALD_GUARDED_BY(mu) = false;
    TileTree tree SKALD_GUARDED_BY(mu);
  };

  PartitionTree& TreeOf(PartitionId partition) { return *trees_[partition.value()]; }
  absl::Status Load(PartitionTree& tree, PartitionId partition) SKALD_REQUIRES(tree.mu);
  // Brings the tree up to the log's durable end.
  absl::Status Follow(PartitionTree& tree, PartitionId partition, Stopped stopped)
      SKALD_REQUIRES(tree.mu);
  absl::Status AppendCommits(PartitionTree& tree, PartitionId partition, Stopped stopped)
      SKALD_REQUIRES(tree.mu);
  absl::StatusOr<SignedCheckpoint> Sign(PartitionTree& tree, PartitionId partition)
      SKALD_REQUIRES(tree.mu);
  absl::StatusOr<BundleCommit> ProveCommit(const ExportRequest& request, Position first,
                                           uint64_t size, uint64_t* events);

  // Constant after construction.
  const storage::EventLog& log_;
  const KeyReader keys_;
  const std::string store_name_;
  std::vector<std::unique_ptr<PartitionTree>> trees_;
};

}  // namespace skald::audit
