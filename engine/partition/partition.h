// A partition: takes commands in order, decides them, stages commits, and lets their effects out
// once they are durable. Answers of workers, messages of partitions and waits for sagas that are
// there overtake the rest, and when there are many a turn takes few starts of sagas. So under load
// few sagas are under way at a time, each ends soon, and little of it is ever written as a row.
//
// Passive and single-threaded: no thread, lock, socket, file or clock inside. Whoever drives it
// (the threads of engine/runtime, a test, the simulator) gives the time and the news from the log:
//
//   partition.Submit(std::move(command), std::move(ticket), done);
//   partition.Poll(now, staged);            // decides; `staged` goes to the log, in order
//   partition.OnDurable(position, now);     // the log has it: answers and tasks leave
//
// It runs ahead of the log, but whatever it says leaves through the gate. It reads the log itself
// only to recover and to send an unacknowledged message again.
//
// Thread rule: one thread at a time; admission() and watermark() from any, as they say.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "engine/partition/admission.h"
#include "engine/partition/ahead.h"
#include "engine/partition/duties.h"
#include "engine/partition/fold.h"
#include "engine/partition/gate.h"
#include "engine/partition/outlet.h"
#include "engine/partition/queue_delay.h"
#include "engine/partition/reply.h"
#include "engine/partition/timers.h"
#include "engine/partition/waiters.h"
#include "engine/saga/command.h"
#include "engine/saga/decide.h"
#include "storage/event_log.h"
#include "storage/views.h"
#include "storage/watermark.h"

namespace skald::partition {

struct PartitionOptions {
  PartitionId partition;
  uint32_t partition_count = 1;
  uint64_t seed = 0;  // of what decisions may draw
  AdmissionLimits admission;
  saga::DecideLimits decide;
  size_t cached_state_bytes = 64 << 20;
  // A seal is due after about the one (half of it to one and a half) or after the other.
  Micros seal_interval = 250 * kMillisecond;
  uint64_t seal_events = 10'000;
  // Timers due within this are kept in memory.
  Micros timer_horizon = kMinute;
  // Bounds on one Poll, so that a turn stays short.
  size_t turn_requests_max = 256;
  size_t turn_bytes_max = 1 << 20;
  // A turn takes so many starts of sagas, but eight fewer for each request that goes before them; a
  // thirty-second of it at least.
  size_t turn_starts_max = 256;
  // No timer fires while this much, about, is decided and not durable.
  size_t ahead_bytes_max = 8 << 20;
};

// What a partition works with. All must outlive it.
struct PartitionEnvironment {
  const storage::EventLog& log;
  storage::Views& views;
  ProgramSource& programs;
  Outlet& outlet;
};

// A definition to be deployed everywhere, checked and compiled.
struct DeployDefinition {
  std::string namespace_name, name, version;
  std::string hash;
  std::string text;
  std::string actor;
};

// Changes of what partition 0 keeps for the whole store.
// Declares a read model, in place of one of this name.
struct DeployModel {
  std::string name;
  std::string hash;  // SHA-256 of the text
  std::string text;
  std::string actor;
};
// Drops a declared read model. NOT_FOUND.
struct DropModel {
  std::string name;
  std::string reason;  // may be empty
  std::string actor;
};
// As log::v1::AuditKeyRotated.
struct RecordKeyRotation {
  std::string old_key_id, new_key_id, new_key;
  std::string reason;
  std::string actor;
};
using StoreChange = std::variant<DeployModel, DropModel, RecordKeyRotation>;

struct PartitionStats {
  Position staged, durable, applied;
  size_t inbox = 0;
  size_t cached_states = 0;
  uint64_t commits = 0;
  uint64_t commands = 0;
};

class Partition {
 public:
  Partition(const PartitionOptions& options, const PartitionEnvironment& environment);
  // Answers what is left with UNAVAILABLE.
  ~Partition();
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  // Folds what the log has beyond views, writes it there, and lets out what is pending: tasks,
  // cancelled calls, timers, messages. To be called once, first. DATA_LOSS when log and views do
  // not fit.
  absl::Status Recover(Timestamp now);

  // ---- Requests ----
  // Decides a command: OK when its events are durable, else why it is refused. The saga id is not
  // empty.
  void Submit(saga::Command command, Ticket ticket, Done<CommandReply> done);
  // As above, for a driver without a door: over the bounds it answers at once.
  void Submit(saga::Command command, Done<CommandReply> done);
  // Only partition 0 takes it: sends the definition to all and answers when all have it durable.
  void Deploy(DeployDefinition definition, Ticket ticket, Done<Deployment> done);
  // Only partition 0 takes it: answers when it is durable.
  void Change(StoreChange change, Ticket ticket, Done<StoreChanged> done);
  // The saga as of everything before. NOT_FOUND.
  void GetSaga(SagaKey key, Ticket ticket, Done<saga::SagaView> done);
  // Answers when the saga has ended, or when the deadline has passed. NOT_FOUND.
  void WaitSaga(SagaKey key, Waiter waiter);
  void StopWaiting(const SagaKey& key, uint64_t waiter_id);
  // Where the saga's events from `from` on stand. NOT_FOUND.
  void FindHistory(SagaKey key, Revision from, Ticket ticket, Done<History> done);

  // ---- News from other partitions ----
  void Receive(Message message);
  void Acknowledged(PartitionId receiver, uint64_t through);

  // The broker wants tasks of a function that it left here: they go out by Outlet::Refilled. May get
  // lost when the log loses something.
  void Refill(task::RefillRequest request);

  // ---- The driver ----
  // Takes requests and due timers in order, and appends commits to `staged`, which the driver gives
  // to the log in that order. May leave some for the next turn (HasWork).
  void Poll(Timestamp now, std::vector<storage::StagedCommit>& staged);
  bool HasWork() const { return waiting_requests() > 0; }
  // When Poll wants to be called though nothing came in.
  Timestamp NextDue() const;
  // The log is durable through `position`, as of now. Not OK when views cannot be written: fatal.
  absl::Status OnDurable(Position position, Timestamp now);
  // The log has lost what was not durable. Discards everything and recovers; what waited is told
  // UNAVAILABLE, because nobody knows whether it happened. Requests in the inbox are kept.
  absl::Status OnLost(Timestamp now);

  // Seals at the next chance, and calls `taken` with a snapshot of views that stand exactly at
  // the sealed position, before anything later is written there; with null when that does not come.
  using Captured = absl::AnyInvocable<void(std::unique_ptr<storage::ViewSnapshot>, Position)>;
  void Capture(Captured taken);
  // True when views have everything that was decided.
  bool IsWrittenOut() const;
  // From now on only requests that are here already are taken; nothing starts by itself, and views
  // are brought up to date at once. Who waits for a saga or a deployment is told `why`.
  void Close(const absl::Status& why);

  Admission& admission() { return admission_; }
  // Up to when its commits are final. OnDurable tells it; who hears from the log earlier may tell
  // it before.
  storage::Watermark& watermark() { return watermark_; }
  PartitionId id() const { return options_.partition; }
  PartitionStats stats() const;
  // Of the last commit.
  Timestamp last_time() const { return fold_->last_time(); }
  // The engine must not go on: answers everything that waits, and what still comes, with
  // UNAVAILABLE, because nobody knows whether it happened. `failure` says what broke.
  void GiveUp(const absl::Status& failure);
  // Views could not be read or written, or it was given up: the partition must not go on. The
  // driver stops the process, or gives up all partitions.
  const absl::Status& broken() const { return broken_; }

 private:
  struct CommandRequest {
    saga::Command command;
    Ticket ticket;
    Done<CommandReply> done;  // empty: nobody waits for an answer
  };
  struct GetRequest {
    SagaKey key;
    Ticket ticket;
    Done<saga::SagaView> done;
  };
  struct WaitRequest {
    SagaKey key;
    Waiter waiter;
    bool is_in_line = false;  // behind what came before it, perhaps the saga's start
  };
  struct HistoryRequest {
    SagaKey key;
    Revision from;
    Ticket ticket;
    Done<History> done;
  };
  struct DeployRequest {
    DeployDefinition definition;
    Ticket ticket;
    Done<Deployment> done;
  };
  struct StoreChangeRequest {
    StoreChange change;
    Ticket ticket;
    Done<StoreChanged> done;
  };
  using Request = std::variant<CommandRequest, GetRequest, WaitRequest, HistoryRequest,
                               DeployRequest, StoreChangeRequest, Message>;

  // Commands, in order of what happens to one.
  void Handle(CommandRequest& request);
  void Repeat(const saga::SagaState& state, CommandRequest& request);
  absl::StatusOr<bool> RepeatFromDedup(CommandRequest& request);
  bool Decide(const saga::SagaState& state, const saga::Command& command,
              const Definition& definition);
  bool Encode(const log::v1::CommitHeader& header, const log::v1::EventBodies& bodies,
              absl::Span<const std::string> slots);
  void Commit(CachedSaga* saga, const SagaKey& key, CommandRequest& request);
  void HoldDuties(const saga::Command& command, DutyChanges changes);
  void ReleaseWaiters(const saga::SagaState& state);
  void KeepTimer(const saga::SagaState& state, const saga::Command& command, Micros delay);
  void Reply(CommandRequest& request, absl::StatusOr<CommandReply> reply);
  void Reply(CommandRequest& request, const absl::Status& refusal);

  // Reads.
  void Handle(GetRequest& request);
  void Handle(WaitRequest& request);
  void Handle(HistoryRequest& request);
  absl::StatusOr<CachedSaga*> FindForRead(const SagaKey& key);
  absl::StatusOr<saga::SagaView> ViewOf(const SagaKey& key);
  absl::StatusOr<History> HistoryOf(const SagaKey& key, Revision from);

  // The partition's own stream: definitions and messages (own_stream.cc).
  void Handle(DeployRequest& request);
  void Handle(Message& message);
  void AnswerDeployments();
  void CommitAcks();
  void ResendMessages();
  // False when the commit is too large; then nothing happened.
  bool CommitOwn(absl::string_view cause, absl::string_view actor, Timestamp not_before,
                 const log::v1::EventBodies& bodies, std::vector<std::string> slots);
  void HoldDeployed(absl::string_view hash);

  // Partition 0's own stream: what is the whole store's (store_changes.cc).
  void Handle(StoreChangeRequest& request);
  absl::StatusOr<StoreChanged> Take(const DeployModel& change);
  absl::StatusOr<StoreChanged> Take(const DropModel& change);
  absl::StatusOr<StoreChanged> Take(const RecordKeyRotation& change);
  absl::StatusOr<StoreChanged> CommitChange(absl::string_view cause, absl::string_view actor,
                                            const log::v1::EventBodies& bodies,
                                            std::vector<std::string> slots);

  // Requests that wait for their turn, in order, and how long they have.
  struct Lane {
    std::deque<Request> requests;
    QueueDelay delay;
  };
  // Handles as many as a turn may, with up to so many starts. Returns how many.
  size_t TakeFrom(Lane& lane, size_t starts_max);
  static bool IsStart(const Request& request);
  size_t waiting_requests() const { return begun_.requests.size() + inbox_.requests.size(); }

  // Time.
  bool MayFire() const;
  void FireTimers();
  void ExpireWaiters();
  void Maintain();
  bool IsSealDue() const;
  Timestamp NextSeal() const;
  bool IsFetchDue() const;
  void WriteSealed();

  // Tasks that stand in rows (ready_tasks.cc).
  absl::Status AnnounceTasks();
  absl::Status ServeRefills();
  absl::StatusOr<task::RefillReply> TasksFor(task::RefillRequest request) const;

  // Recovery (recovery.cc).
  absl::Status ReplayTail();
  absl::Status SealReplayed();
  absl::Status SetLastTime();
  void Reset();
  // Tells everyone who waits for something that has not happened yet.
  void Abandon(const absl::Status& why);

  Timestamp CommitTime(Timestamp not_before = Timestamp(0)) const;
  Position staged_position() const { return fold_->last_position(); }
  uint64_t Random() const;
  void Break(const absl::Status& status);
  // Of a broken partition: answers all that came.
  void RefuseRequests();

  // Constant after construction.
  const PartitionOptions options_;
  const PartitionEnvironment environment_;

  Admission admission_;           // any thread
  storage::Watermark watermark_;  // any thread

  // What follows from the log.
  std::unique_ptr<Fold> fold_;
  Position applied_;
  std::optional<Timers> timers_;

  // What is under way.
  Lane begun_;  // what goes on with sagas that have begun: answers, messages, waits
  Lane inbox_;  // the rest, in order
  Gate gate_;
  Waiters waiters_;
  struct PendingDeployment {
    std::vector<std::pair<PartitionId, uint64_t>> messages;  // not acknowledged yet
    DeployRequest request;
    Deployment deployment;
  };
  std::deque<PendingDeployment> deployments_;
  std::vector<Captured> captures_;         // to be served by the next seal
  std::vector<Captured> sealed_captures_;  // to be served when the sealed rows are written

  // Of this turn.
  Timestamp now_;
  Timestamp earliest_;  // that a commit may be
  std::vector<storage::StagedCommit>* staged_ = nullptr;
  size_t staged_bytes_ = 0;

  Ahead ahead_;

  std::vector<task::RefillRequest> refills_;  // to be served right after a seal
  // What is not younger was there before this run.
  Timestamp recovered_through_;

  Timestamp seal_due_ = kNever;  // kNever while there is nothing to seal
  bool closing_ = false;
  uint64_t commits_ = 0;
  uint64_t commands_ = 0;
  absl::Status broken_;

  // Kept for their memory.
  saga::Decision decision_;
  std::string record_;
  std::string bodies_bytes_;
  std::vector<absl::string_view> slot_views_;
};

}  // namespace skald::partition
