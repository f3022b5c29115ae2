// The engine as everything above it sees it: commands in, answers and streams out. The API, `skald
// run` and tests use nothing below.
//
//   SKALD_ASSIGN_OR_RETURN(auto engine, Engine::Open({.data_dir = "/var/lib/skald"}));
//   engine->Submit(command, [](absl::StatusOr<CommandReply> reply) { ... });   // called when the
//   reply may leave: durable
//
// Thread rule: every method from any thread. Callbacks run on engine threads: they must not block
// and must not wait for the engine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "engine/audit/auditor.h"
#include "engine/audit/checkpoint_journal.h"
#include "engine/definition/compile.h"
#include "engine/partition/reply.h"
#include "engine/projection/keeper.h"
#include "engine/projection/projector.h"
#include "engine/saga/command.h"
#include "engine/saga/view.h"
#include "engine/task/broker.h"
#include "skald/log/v1/event.pb.h"
#include "skald/log/v1/record.pb.h"
#include "storage/event_log.h"

namespace skald::runtime {

struct EngineOptions {
  std::string data_dir;  // empty: everything in memory, nothing kept
  // Of a new store, whose count stays for life; 0: 16. An existing store must have that many unless 0.
  uint32_t partition_count = 16;
  uint32_t threads = 0;  // 0: max(1, cores / 2)
  bool create_if_missing = true;
  size_t cached_state_bytes = 256 << 20;  // states kept in memory, all partitions together
  size_t inbox_commands_max =
      4'096;  // per partition: requests under way before overload is refused
  size_t inbox_bytes_max = 64 << 20;     // per partition
  size_t saga_bytes_max = 8 << 20;       // of one saga's state
  uint64_t free_bytes_soft = 512 << 20;  // under it Start and Deploy are refused
  uint64_t free_bytes_hard = 64 << 20;   // under it everything but reads is refused
  Micros checkpoint_interval = 0;        // between checkpoints that are signed and kept; 0: none
  task::BrokerOptions broker;
  projection::ProjectorOptions projection;
  definition::DefinitionLimits definition_limits;
};

using partition::CommandReply;
using partition::LogPosition;

struct DeployReply {
  LogPosition position;  // in partition 0
  std::string namespace_name, name, version;
  std::string hash;               // 32 bytes
  bool already_deployed = false;  // the same text was there
  std::vector<definition::Diagnostic> warnings;
  std::vector<std::string> unserved_functions;  // worker functions nobody serves yet
};

// A deployed definition.
struct DefinitionInfo {
  std::string namespace_name, name, version;
  std::string hash;
  std::string text;
  std::string title, summary;
  Timestamp deployed;
  LogPosition position;  // in partition 0
};

struct DeployModelReply {
  LogPosition position;  // in partition 0
  std::string name;
  std::string hash;               // SHA-256 of the text, 32 bytes
  bool already_deployed = false;  // the same text was there
};

// A declared read model.
struct ModelInfo {
  std::string name;
  std::string hash;
  std::string text;
  std::string actor;  // who deployed it
  Timestamp deployed;
  LogPosition position;  // of its declaration, in partition 0
};

// What RotateAuditKey did.
struct KeyRotation {
  LogPosition position;                  // of its event, in partition 0
  std::vector<audit::VerifierKey> keys;  // the new one first
};

// One event as it stands in the log.
struct RecordedEvent {
  PartitionId partition;
  Position position;
  Revision revision;
  Position commit_first;  // first position of its commit
  const log::v1::CommitHeader* header = nullptr;
  const log::v1::Event* event = nullptr;
  absl::Span<const absl::string_view> slots;  // of its commit, JSON text
};
// Called for each event in order until it returns false. What the event points to is alive during
// the call.
using EventVisitor = absl::FunctionRef<bool(const RecordedEvent&)>;

struct SagaFilter {
  std::string namespace_name;          // empty: all
  std::string definition_name;         // empty: all
  std::vector<saga::Status> statuses;  // empty: all
  bool with_incidents = false;         // only those that have any
};

struct SagaPage {
  std::vector<saga::SagaView> sagas;
  std::string next;  // where to go on; empty at the end. Opaque.
};

struct PartitionStatus {
  PartitionId partition;
  Position last;  // staged
  Position durable;
  Position applied;  // in views
  size_t inbox = 0;
  size_t cached_states = 0;
  uint64_t commits = 0;
  uint64_t commands = 0;
  bool serving = false;
};

struct EngineStatus {
  std::string store_id;  // 16 bytes
  Timestamp started;
  std::vector<PartitionStatus> partitions;
  std::vector<task::QueueStats> queues;
  size_t workers = 0;
  uint64_t free_bytes = 0;
  uint64_t log_batches = 0;
  uint64_t log_commits = 0;
  uint64_t log_events = 0;
  uint64_t log_bytes = 0;
};

// What Verify compared.
struct VerifyReport {
  uint64_t commits = 0, events = 0, sagas = 0, rows = 0;
  uint64_t ended = 0, running = 0, suspended = 0;
  uint64_t leaves = 0;       // of audit trees, made anew
  uint64_t checkpoints = 0;  // kept ones, compared with the trees
  // Differences between replayed and live state, at most 100, each a sentence. Empty: equal.
  std::vector<std::string> differences;
};

class Engine {
 public:
  template <typename T>
  using Done = partition::Done<T>;

  // Opens or creates the store and recovers it. Errors say what is wrong with the directory and how
  // to mend it.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(EngineOptions options);
  virtual ~Engine() = default;

  // Decides a command. For StartSaga an empty saga id is derived from the request id or made up.
  virtual void Submit(saga::Command command, Done<CommandReply> done) = 0;
  // As Submit, for one of many commands that can wait. False: there is no room for it beside others'
  // now, and nothing was done, but that an empty saga id may have been filled in.
  virtual bool TrySubmit(saga::Command& command, Done<CommandReply>& done) = 0;

  // Runs `work`. The commands that it submits on this thread are handed over when it returns, so that
  // they share a turn and a sync.
  virtual void SubmitTogether(absl::FunctionRef<void()> work) = 0;
  // Called from a callback on a thread that tells many of them in a turn: `work` runs there when all
  // are told, so that they can leave together, and true is returned. On any other thread nothing
  // happens.
  virtual bool AtTurnEnd(absl::AnyInvocable<void()> work) = 0;

  // Compiles and deploys a definition to every partition. The same text again is fine; another text
  // of the same version is not.
  virtual void Deploy(std::string text, std::string actor, Done<DeployReply> done) = 0;
  // version empty: the newest.
  virtual absl::StatusOr<DefinitionInfo> GetDefinition(absl::string_view namespace_name,
                                                       absl::string_view name,
                                                       absl::string_view version) const = 0;
  // In order of namespace, name, version; without their texts.
  virtual std::vector<DefinitionInfo> ListDefinitions(absl::string_view namespace_name) const = 0;
  // The name of the definition with that hash; empty when there is none. All that the log names are
  // known, also one that is durable and not listed yet.
  virtual std::string DefinitionNameOf(absl::string_view hash) const = 0;

  // Declares a read model, in place of one of the same name; answers when it is durable. The same
  // text again changes nothing. INVALID_ARGUMENT (MODEL_INVALID); RESOURCE_EXHAUSTED
  // (TOO_MANY_MODELS).
  virtual void DeployModel(std::string text, std::string actor, Done<DeployModelReply> done) = 0;
  // NOT_FOUND (MODEL_NOT_FOUND). `reason` may be empty.
  virtual void DropModel(std::string name, std::string reason, std::string actor,
                         Done<LogPosition> done) = 0;
  // The declared models, by name. What was acknowledged before the call is seen.
  virtual std::vector<ModelInfo> ListModels() const = 0;
  virtual absl::StatusOr<ModelInfo> GetModel(absl::string_view name) const = 0;
  // Calls `changed` after models were declared or dropped, on an engine thread. Returns an id for
  // RemoveModelListener, after which it is not called any more.
  virtual uint64_t AddModelListener(std::function<void()> changed) = 0;
  virtual void RemoveModelListener(uint64_t id) = 0;

  // The saga as of everything decided before; the answer leaves when that is durable.
  virtual void GetSaga(SagaKey key, Done<saga::SagaView> done) = 0;
  // Answers when the saga has ended, or is parked if `until_parked`; with its present view when the
  // deadline passes. Returns an id for StopWaiting.
  virtual uint64_t WaitSaga(SagaKey key, Timestamp deadline, bool until_parked,
                            Done<saga::SagaView> done) = 0;
  // The waiter is gone: `done` is dropped without being called (or has been called already).
  virtual void StopWaiting(const SagaKey& key, uint64_t wait_id) = 0;

  // Sagas in no particular order, as applied to views (about 250 ms old). `after` is a
  // SagaPage::next or empty.
  virtual absl::StatusOr<SagaPage> ListSagas(const SagaFilter& filter, absl::string_view after,
                                             size_t page_size) = 0;

  // The events of one saga from a revision on. Reads the log on the calling thread; `done` gets the
  // status after the last event. Everything acknowledged before the call is seen.
  virtual void ReadHistory(SagaKey key, Revision from,
                           std::function<bool(const RecordedEvent&)> visitor,
                           absl::AnyInvocable<void(absl::Status)> done) = 0;

  // Where the commits of a saga begin, from its first on, all durable. Everything acknowledged
  // before the call is seen. Blocks. NOT_FOUND: there is no such saga.
  virtual absl::StatusOr<std::vector<Position>> FindCommits(const SagaKey& key) = 0;

  // Durable events of one partition from a position on, on the calling thread, until the visitor
  // stops or the end is reached. Returns the position after the last event that was looked at.
  virtual absl::StatusOr<Position> ReadLog(PartitionId partition, Position from,
                                           EventVisitor visitor) = 0;
  // The log itself, to be read as it is stored: everything durable is seen. Its cursors must be gone
  // before Shutdown.
  virtual const storage::EventLog& log() const = 0;
  // The last durable position of a partition.
  virtual Position DurablePosition(PartitionId partition) const = 0;
  // Calls `grown` after the log has become durable further (coalesced, any partition). Returns an
  // id for RemoveLogListener, after which it is not called any more.
  virtual uint64_t AddLogListener(std::function<void()> grown) = 0;
  virtual void RemoveLogListener(uint64_t id) = 0;

  virtual task::Broker& broker() = 0;

  // Checkpoints and proofs over the log. Its calls block, and must end before Shutdown.
  virtual audit::Auditor& auditor() = 0;
  // Makes a new signing key, records that in the log, then puts it to use. A crash in between
  // leaves the old key, and the next start puts the new one to use if the log has it. Blocks.
  // FAILED_PRECONDITION or UNAVAILABLE from the key file; UNAVAILABLE when nobody knows whether it
  // was recorded.
  virtual absl::StatusOr<KeyRotation> RotateAuditKey(std::string reason, std::string actor) = 0;

  // Read models. Reading them may block; calls must end before Shutdown.
  virtual projection::ModelKeeper& models() = 0;

  // Checkpoints that were signed on schedule and kept.
  virtual audit::CheckpointJournal& checkpoints() = 0;

  virtual EngineStatus GetStatus() = 0;
  // Replays the whole log into fresh states, rows and audit trees and compares them with the live
  // ones, as of one moment, and the trees with the checkpoints that were kept. Stops with CANCELLED
  // when `progress` says false.
  virtual absl::StatusOr<VerifyReport> Verify(
      std::function<bool(const VerifyReport&)> progress) = 0;

  virtual Timestamp Now() const = 0;
  virtual uint32_t partition_count() const = 0;
  virtual PartitionId PartitionOf(const SagaKey& key) const = 0;

  // Stops taking commands (UNAVAILABLE), answers what is under way, writes and closes. After it
  // only the destructor may be called.
  virtual absl::Status Shutdown() = 0;
};

// Called by the engine, once, when the log or what stands in views cannot be written any more; the
// default prints the status and ends the process at once without an orderly close. After one that
// returns, all that waits for an answer, and all that still comes, gets UNAVAILABLE.
using FatalHandler = std::function<void(const absl::Status&)>;

}  // namespace skald::runtime
