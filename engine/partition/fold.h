// A partition as it follows from its log: states of sagas, definitions, marks of mailboxes, and the
// rows that stand for them in views.
//
// There is one way for a commit into here, taken by live commits, by recovery and by verification
// alike; only who evolves the state differs. Rows of sagas are made at a seal, from the states as
// they are then, so what comes and goes between two seals costs nothing, and rows depend on nothing
// but the log.
//
//   Fold fold({.partition = partition}, views, programs);
//   for (...) SKALD_RETURN_IF_ERROR(fold.Replay(record));
//   SKALD_RETURN_IF_ERROR(fold.Seal());
//   SKALD_RETURN_IF_ERROR(fold.WriteSealed(views));
//
// Thread rule: owned by its partition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/partition/dedup.h"
#include "engine/partition/definitions.h"
#include "engine/partition/mailbox.h"
#include "engine/partition/models.h"
#include "engine/partition/reply.h"
#include "engine/partition/rows.h"
#include "engine/partition/state_cache.h"
#include "skald/log/v1/event.pb.h"
#include "skald/log/v1/record.pb.h"
#include "storage/commit_record.h"
#include "storage/delta.h"
#include "storage/event_log.h"
#include "storage/views.h"

namespace skald::partition {

struct FoldOptions {
  PartitionId partition;
  uint32_t partition_count = 0;  // of the store; 0: not known
  size_t cached_state_bytes = 64 << 20;
};

class Fold {
 public:
  // `views` and `programs` must outlive the fold.
  Fold(const FoldOptions& options, const storage::Views& views, ProgramSource& programs);

  // Takes up what views hold of the partition's own stream. Precondition: nothing was folded yet.
  // `log` is read for the texts of definitions.
  absl::Status Load(const storage::EventLog& log);

  // The saga's state, or nullptr when it was never started. Valid until the next Find or commit.
  absl::StatusOr<CachedSaga*> Find(const SagaKey& key);

  // A commit of a saga was decided: `after` is its state now, and left in it is what is not needed
  // any more. `saga` is what Find gave: nullptr when the commit starts it.
  CachedSaga& Take(const log::v1::CommitHeader& header, CachedSaga* saga, saga::SagaState& after);
  // A commit of the partition's own stream was decided.
  void TakeOwn(const log::v1::CommitHeader& header, const log::v1::EventBodies& bodies,
               absl::Span<const std::string> slots);
  // A commit as it stands in the log. DATA_LOSS when it cannot follow what was folded so far; then
  // the fold must not be used any more.
  absl::Status Replay(absl::string_view record);

  // Freezes the rows as of the last commit. Precondition: !sealed().
  absl::Status Seal();
  bool sealed() const { return delta_.has_sealed(); }
  Position sealed_position() const { return delta_.sealed_position(); }
  // Precondition: sealed(), and the log is durable there.
  absl::Status WriteSealed(storage::Views& views) { return delta_.WriteSealed(views); }
  // Whether anything happened since the last seal, and how many events.
  uint64_t unsealed_events() const { return unsealed_events_; }

  // The commits of a saga that hold its events from `from` on, and perhaps some before.
  absl::StatusOr<History> FindHistory(const SagaKey& key, Revision from);

  PartitionId partition() const { return options_.partition; }
  Position last_position() const { return last_position_; }
  Timestamp last_time() const { return last_time_; }
  Revision own_revision() const { return own_revision_; }
  size_t cached_states() const { return cache_.size(); }
  // The seal's position and the time of the last commit before it, of a partition without a tail.
  void SetLast(Position position, Timestamp time);

  const Definitions& definitions() const { return definitions_; }
  const DeployedModels& models() const { return models_; }
  Mailbox& mailbox() { return mailbox_; }
  const Dedup& dedup() const { return dedup_; }
  const storage::Delta& delta() const { return delta_; }

 private:
  absl::Status LoadOwnRevision();
  absl::Status LoadDefinitions(const storage::EventLog& log);
  absl::Status LoadModels(const storage::EventLog& log);
  absl::StatusOr<std::vector<DefinitionRow>> ReadRows(storage::Table table) const;
  // Reads the commit that holds `position` into commit_, whose bytes live as long as the cursor,
  // and bodies_.
  absl::StatusOr<std::unique_ptr<storage::LogCursor>> ReadCommit(const storage::EventLog& log,
                                                                 Position position);
  // The text in a slot of commit_.
  absl::StatusOr<absl::string_view> SlotText(Position position, size_t slot) const;
  absl::Status ReplaySaga(const log::v1::CommitHeader& header, const log::v1::EventBodies& bodies);
  absl::Status ReplayOwn(const log::v1::CommitHeader& header, const log::v1::EventBodies& bodies);
  void TakeOwnEvent(const log::v1::CommitHeader& header, const log::v1::Event& event,
                    Position position, absl::Span<const std::string> slots);
  void EndOwn(const log::v1::CommitHeader& header);
  void AddDefinition(const log::v1::DefinitionDeployed& event, Timestamp time, Position position,
                     absl::string_view text_json);
  void NoteCommit(const log::v1::CommitHeader& header);
  void Pin(CachedSaga& saga);
  // Writes a changed saga's rows into the delta. Returns what it counts in the cache.
  size_t WriteRows(CachedSaga& saga);
  void WriteDutyRows(CachedSaga& saga);

  const FoldOptions options_;
  ProgramSource& programs_;
  storage::Delta delta_;
  StateCache cache_;
  Definitions definitions_;
  DeployedModels models_;
  Mailbox mailbox_;
  Dedup dedup_;

  Position last_position_;
  Timestamp last_time_;
  Revision own_revision_;  // of the next event of the partition's own stream
  History own_commits_;    // since the last seal
  uint64_t unsealed_events_ = 0;

  // Kept for their memory.
  storage::CommitView commit_;
  log::v1::EventBodies bodies_;
  std::vector<Json> slots_;
  std::vector<size_t> sizes_;
};

// The definition that a DefinitionDeployed event speaks of; `text_json` is its payload slot.
DefinitionPtr MakeDefinition(const log::v1::DefinitionDeployed& event, Timestamp time,
                             Position position, absl::string_view text_json,
                             ProgramSource& programs);

}  // namespace skald::partition
