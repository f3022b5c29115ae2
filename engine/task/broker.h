// Hands ready tasks to workers: queues per function, leases, credit, claims.
//
// Lives in memory only: it is rebuilt from the partitions' ready tasks at each start, and delivery
// is not an event, so a dispatch costs no fsync. Past a bound on memory a queue leaves tasks in the
// rows of their partitions, and asks for them when it runs low. Delivery is at least once; a task
// is completed exactly once by the partition, which takes the first answer to the open attempt.
//
// What it promises:
// - tasks of a function leave oldest first, to workers with credit, many to a frame; workers of
//   one function take turns, and a worker of several functions gets the oldest task of them all;
// - a lost worker's tasks go to another at once; a silent worker's after the lease;
// - for `claim_window` after the start, tasks that existed before it (from_recovery) wait for
//   workers that come back and list the tokens they hold, and regain their leases;
// - a cancelled task is told to its worker; `quiesced` is called once its answer can no longer be
//   on its way: at once when it was never handed out (and not recovered), else after one full
//   lease after the later of its last delivery and the start (Begin). A heartbeat before the
//   cancellation counts as a delivery, one after it does not: a worker that was told to stop
//   cannot hold up the undo. An answer in between ends it too (Closed).
//
//   Broker broker({.quiesced = ...});
//   broker.Enqueue(partition, {task}, now);        // from recovery
//   broker.Begin(now);
//   WorkerId worker = broker.Connect({.functions = {"charge"}, .credit = 10}, sink, now);
//   broker.Enqueue(partition, {task}, now);        // sink->Push({task}, lease)
//   broker.Closed({task->token}, now);                      // the partition took the answer
//
// Thread rule: every method from any thread. Callbacks are called without a lock held, from the
// calling thread or from one that is delivering to the same worker already: a worker's calls come
// one at a time and in order.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "engine/saga/command.h"

namespace skald::task {

using saga::TaskToken;
using WorkerId = StrongNumber<struct WorkerIdTag, uint64_t>;

// A task for a worker. Shared and immutable once enqueued.
struct ReadyTask {
  TaskToken token;
  std::string function;
  std::string reference;  // JSON pointer of the task
  std::string definition_name;
  std::string definition_version;
  std::string idempotency_key;  // the same over redeliveries and in-doubt retries
  std::string arguments;        // JSON text
  bool compensation = false;
  Timestamp created;            // when it became ready: queue order
  Timestamp deadline = kNever;  // its timeout
  bool from_recovery = false;   // older than this run: an earlier one may have handed it out
};
using ReadyTaskPtr = std::shared_ptr<const ReadyTask>;

// Where a task stands among those of its function in its partition: by age, then by token.
struct TaskPlace {
  Timestamp created;
  TaskToken token;
};
bool operator<(const TaskPlace& a, const TaskPlace& b);
bool operator==(const TaskPlace& a, const TaskPlace& b);

// The broker wants tasks of `function` that it has left with `source`, in order of place.
struct RefillRequest {
  PartitionId source;
  std::string function;
  TaskPlace from;         // the first it wants
  size_t bytes_max = 0;   // of arguments and rest (see TaskBytes); at least one task comes
};
struct RefillReply {
  RefillRequest request;
  std::vector<ReadyTaskPtr> tasks;
  std::optional<TaskPlace> rest;  // the first that did not come; none: these were all
};

// What a waiting task takes in memory, about.
size_t TaskBytes(const ReadyTask& task);

// A connected worker as the broker sees it; implemented by the API's stream and by workers in the
// same process.
class WorkerSink {
 public:
  virtual ~WorkerSink() = default;
  // Hand over tasks, each with a lease of that length from now. Must not block; must not call the
  // broker.
  virtual void Push(std::vector<ReadyTaskPtr> tasks, Micros lease) = 0;
  // The tasks are cancelled: an answer is still welcome, and soon.
  virtual void Cancel(std::vector<TaskToken> tokens) = 0;
};

struct BrokerOptions {
  Micros lease = 30 * kSecond;
  Micros claim_window = 2 * kSecond;
  size_t frame_tasks_max = 64;       // tasks in one Push
  size_t frame_bytes_max = 1 << 20;  // of their arguments together; one larger task goes alone
  uint32_t credit_max = 10'000;      // of one worker
  // A worker that has as much (see TaskBytes) gets no more until it has answered some.
  size_t leased_bytes_max = 64 << 20;
  // Tasks that wait for a worker: beyond the one or the other they stay with their partition, but
  // each queue may always hold the second.
  size_t waiting_bytes_max = 64 << 20;
  size_t queue_bytes_min = 256 << 10;
  // Called when a cancelled task can have no answer any more.
  std::function<void(const TaskToken& token, bool never_dispatched)> quiesced = {};
  // Asks a partition for tasks; Refilled brings them. A request may get lost: it is repeated.
  // Without this nothing is left with partitions.
  std::function<void(RefillRequest request)> refill = {};
};

struct WorkerOptions {
  // For status and messages; a worker that comes back under its name regains leases that its broken
  // connection still has. Best unique.
  std::string name = {};
  std::vector<std::string> functions = {};  // at least one
  uint32_t credit = 0;                      // how many tasks it takes at first
  std::vector<TaskToken> holds = {};        // tasks it holds from before a broken stream
};

// Facts about a queue, for status.
struct QueueStats {
  std::string function;
  size_t ready = 0;   // in memory
  bool more = false;  // partitions hold more that are ready
  size_t leased = 0;
  size_t workers = 0;
  Timestamp oldest = kNever;  // creation of the oldest ready task
};

class Broker {
 public:
  explicit Broker(BrokerOptions options);
  ~Broker();

  // Partitions are up and workers may come: the time that these have begins. Nothing is quiesced
  // before, however long opening a store took. Once.
  void Begin(Timestamp now);

  // Workers. The broker shares `sink`, as another thread may still deliver to it when Disconnect
  // returns. Functions may repeat; credit and its later additions are cut to credit_max.
  WorkerId Connect(WorkerOptions options, std::shared_ptr<WorkerSink> sink, Timestamp now);
  // Its leased tasks become ready again at once.
  void Disconnect(WorkerId worker, Timestamp now);
  // The worker may take `credit` more tasks.
  void AddCredit(WorkerId worker, uint32_t credit, Timestamp now);
  // Renews leases. Returns the tokens that the worker no longer holds (it should stop them).
  std::vector<TaskToken> Heartbeat(WorkerId worker, absl::Span<const TaskToken> tokens,
                                   Timestamp now);

  // Partitions. A task that is known already is left alone, but for one that was withdrawn.
  void Enqueue(PartitionId source, std::vector<ReadyTaskPtr> tasks, Timestamp now);
  // What `refill` asked for. Whatever the source enqueued, withdrew or closed before it made the
  // reply is told before it.
  void Refilled(RefillReply reply, Timestamp now);
  // The task is being cancelled. It need not be known: it may have been left with its partition, or
  // be from an earlier run (from_recovery) that perhaps handed it out.
  void Cancel(const TaskToken& token, bool from_recovery, Timestamp now);
  // The tasks are not to be handed out until they are enqueued again: their saga is suspended. Who
  // works on one goes on, but nobody gets it after him.
  void Withdraw(absl::Span<const TaskToken> tokens);
  // The task's attempt is closed (answered, quiesced, saga ended): forget it.
  void Closed(absl::Span<const TaskToken> tokens, Timestamp now);
  // As Closed, for attempts that ended without an answer: the saga was terminated, or goes on without
  // them. A worker that has one is told to stop.
  void Dismissed(absl::Span<const TaskToken> tokens, Timestamp now);

  // Expires leases and claims. Returns when it wants to be called next; what happens meanwhile may
  // bring that forward, so sleep no longer than a fraction of the lease.
  Timestamp Poll(Timestamp now);

  std::vector<QueueStats> Queues() const;
  size_t worker_count() const;

 private:
  struct Entry;    // a task in the broker, in exactly one place
  struct Queue;    // the tasks and workers of a function
  struct Worker;   // a connected worker
  struct Outbox;   // what is still to be told to a worker
  struct Effects;  // what an operation does once it has let go of the lock

  // Orders by time, then by arrival.
  struct Ranked {
    Timestamp time;
    uint64_t sequence = 0;
    Entry* entry = nullptr;

    friend bool operator<(const Ranked& a, const Ranked& b) {
      return a.time != b.time ? a.time < b.time : a.sequence < b.sequence;
    }
  };
  using Ranking = absl::btree_set<Ranked>;

  // Entries are found by the token inside their task.
  struct EntryHash {
    using is_transparent = void;
    size_t operator()(const TaskToken& token) const;
    size_t operator()(const std::unique_ptr<Entry>& entry) const;
  };
  struct EntryEqual {
    using is_transparent = void;
    bool operator()(const std::unique_ptr<Entry>& a, const std::unique_ptr<Entry>& b) const;
    bool operator()(const std::unique_ptr<Entry>& a, const TaskToken& b) const;
    bool operator()(const TaskToken& a, const std::unique_ptr<Entry>& b) const;
  };

  Entry* Find(const TaskToken& token) SKALD_REQUIRES(mutex_);
  Worker* FindWorker(WorkerId worker) SKALD_REQUIRES(mutex_);
  Queue& QueueOf(const std::string& function) SKALD_REQUIRES(mutex_);
  void DropQueueIfUnused(Queue& queue) SKALD_REQUIRES(mutex_);
  Entry& Insert(ReadyTaskPtr task, Queue* queue) SKALD_REQUIRES(mutex_);
  void Erase(Entry& entry) SKALD_REQUIRES(mutex_);

  // The bound on memory (broker_backlog.cc).
  bool HasRoom(const Queue& queue) const SKALD_REQUIRES(mutex_);
  // False when the task is left with its source.
  bool Admit(Queue& queue, PartitionId source, const ReadyTask& task) SKALD_REQUIRES(mutex_);
  void Add(ReadyTaskPtr task, std::vector<Queue*>& touched, Timestamp now) SKALD_REQUIRES(mutex_);
  void CountWaiting(const Entry& entry, bool enters) SKALD_REQUIRES(mutex_);
  void AskForMore(Timestamp now, Effects& effects) SKALD_REQUIRES(mutex_);

  // Moves between places. Take leaves the entry in none; the others need it there.
  void Take(Entry& entry) SKALD_REQUIRES(mutex_);
  void PutReady(Entry& entry, std::vector<Queue*>& touched, Timestamp now) SKALD_REQUIRES(mutex_);
  void PutLeased(Entry& entry, Worker& worker, Timestamp now) SKALD_REQUIRES(mutex_);
  void PutCancelled(Entry& entry, Worker* worker, Effects& effects) SKALD_REQUIRES(mutex_);
  void SetDeadline(Entry& entry, Timestamp deadline) SKALD_REQUIRES(mutex_);
  Timestamp QuietFrom(const Entry& entry) const SKALD_REQUIRES(mutex_);
  void Claim(Worker& worker, const TaskToken& token, Timestamp now, Effects& effects)
      SKALD_REQUIRES(mutex_);
  // Who has come back with the token and waits for the task, if he is there; he waits no longer.
  Worker* TakeClaim(const TaskToken& token) SKALD_REQUIRES(mutex_);
  // True when the worker holds the task now.
  bool Renew(Worker& worker, const TaskToken& token, Timestamp now) SKALD_REQUIRES(mutex_);
  void EndClaimWindow(std::vector<Queue*>& touched, Timestamp now) SKALD_REQUIRES(mutex_);

  // Hands out what can be handed out from these queues, or to this worker.
  void Dispatch(std::vector<Queue*>& touched, Timestamp now, Effects& effects)
      SKALD_REQUIRES(mutex_);
  void Fill(Worker& worker, Timestamp now, Effects& effects) SKALD_REQUIRES(mutex_);
  void Deliver(Queue& queue, Worker& worker, Timestamp now, Effects& effects)
      SKALD_REQUIRES(mutex_);

  // Fills workers that had too much and have not any more.
  void FillFreed(Timestamp now, Effects& effects) SKALD_REQUIRES(mutex_);

  // Effects: collected under the lock, run without it.
  void TellCancelled(Worker& worker, const TaskToken& token, Effects& effects)
      SKALD_REQUIRES(mutex_);
  void Seal(Timestamp now, Effects& effects) SKALD_REQUIRES(mutex_);
  void Run(Effects& effects) SKALD_EXCLUDES(mutex_);

  // Constant after construction.
  const BrokerOptions options_;

  mutable Mutex mutex_;
  // kNever until Begin.
  Timestamp started_ SKALD_GUARDED_BY(mutex_) = kNever;
  Timestamp claim_end_ SKALD_GUARDED_BY(mutex_) = kNever;
  uint64_t next_sequence_ SKALD_GUARDED_BY(mutex_) = 0;
  uint64_t next_worker_ SKALD_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_set<std::unique_ptr<Entry>, EntryHash, EntryEqual> entries_
      SKALD_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::unique_ptr<Queue>> queues_ SKALD_GUARDED_BY(mutex_);
  absl::flat_hash_map<WorkerId, std::unique_ptr<Worker>> workers_ SKALD_GUARDED_BY(mutex_);
  // Workers that had as much as they may, and gave some back since.
  std::vector<WorkerId> freed_ SKALD_GUARDED_BY(mutex_);
  // Of tasks in queues and claimable ones.
  size_t waiting_bytes_ SKALD_GUARDED_BY(mutex_) = 0;
  // Queues that left tasks with partitions.
  absl::flat_hash_set<Queue*> backlogged_ SKALD_GUARDED_BY(mutex_);
  // Ends of leases, and the times from which cancelled tasks are quiet.
  Ranking deadlines_ SKALD_GUARDED_BY(mutex_);
  // Recovered tasks that wait for their worker to come back.
  Ranking claimable_ SKALD_GUARDED_BY(mutex_);
  // Tokens that a connected worker holds but cannot be given yet: the task is not enqueued yet or
  // left with its partition, or the same worker's broken connection still has the lease.
  absl::flat_hash_map<TaskToken, WorkerId> claims_ SKALD_GUARDED_BY(mutex_);
};

}  // namespace skald::task
