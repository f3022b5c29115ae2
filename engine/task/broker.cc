// The public methods: each does its work under the lock and collects what is to be told.
#include "engine/task/broker.h"

#include <algorithm>

#include "base/check.h"
#include "engine/task/broker_state.h"

namespace skald::task {

size_t Broker::EntryHash::operator()(const TaskToken& token) const {
  return absl::Hash<TaskToken>()(token);
}
size_t Broker::EntryHash::operator()(const std::unique_ptr<Entry>& entry) const {
  return (*this)(entry->task->token);
}
bool Broker::EntryEqual::operator()(const std::unique_ptr<Entry>& a,
                                    const std::unique_ptr<Entry>& b) const {
  return a->task->token == b->task->token;
}
bool Broker::EntryEqual::operator()(const std::unique_ptr<Entry>& a, const TaskToken& b) const {
  return a->task->token == b;
}
bool Broker::EntryEqual::operator()(const TaskToken& a, const std::unique_ptr<Entry>& b) const {
  return a == b->task->token;
}

Broker::Broker(BrokerOptions options) : options_(std::move(options)) {
  SKALD_CHECK(options_.lease > 0);
  SKALD_CHECK(options_.frame_tasks_max > 0);
  SKALD_CHECK(options_.leased_bytes_max > 0);
}

Broker::~Broker() = default;

void Broker::Begin(Timestamp now) {
  MutexLock lock(mutex_);
  SKALD_CHECK(started_ == kNever);
  started_ = now;
  claim_end_ = After(now, options_.claim_window);
  for (const std::unique_ptr<Entry>& entry : entries_) {
    if (entry->place == Entry::Place::kCancelled) SetDeadline(*entry, QuietFrom(*entry));
  }
}

WorkerId Broker::Connect(WorkerOptions options, std::shared_ptr<WorkerSink> sink, Timestamp now) {
  Effects effects;
  WorkerId id;
  {
    MutexLock lock(mutex_);
    id = WorkerId(next_worker_++);
    auto& slot = workers_[id];
    slot = std::make_unique<Worker>();
    Worker& worker = *slot;
    worker.id = id;
    worker.name = std::move(options.name);
    worker.credit = std::min(options.credit, options_.credit_max);
    worker.leased_bytes_max = options_.leased_bytes_max;
    worker.outbox = std::make_shared<Outbox>();
    worker.outbox->sink = std::move(sink);

    std::sort(options.functions.begin(), options.functions.end());
    options.functions.erase(std::unique(options.functions.begin(), options.functions.end()),
                            options.functions.end());
    worker.subscriptions.reserve(options.functions.size());
    for (const std::string& function : options.functions) {
      Queue& queue = QueueOf(function);
      ++queue.workers;
      worker.subscriptions.push_back({.queue = &queue, .worker = &worker});
    }
    for (const TaskToken& token : options.holds) Claim(worker, token, now, effects);
    Fill(worker, now, effects);
    Seal(now, effects);
  }
  Run(effects);
  return id;
}

void Broker::Disconnect(WorkerId id, Timestamp now) {
  Effects effects;
  std::unique_ptr<Worker> worker;  // outlives the lock: its sink's destructor is not ours
  {
    MutexLock lock(mutex_);
    auto found = workers_.find(id);
    if (found == workers_.end()) return;
    worker = std::move(found->second);
    workers_.erase(found);

    for (Queue::Subscription& subscription : worker->subscriptions) {
      Queue& queue = *subscription.queue;
      if (subscription.in_rotation) std::erase(queue.rotation, &subscription);
      --queue.workers;
    }
    for (auto claim = claims_.begin(); claim != claims_.end();) {
      if (claim->second == id) {
        claims_.erase(claim++);
      } else {
        ++claim;
      }
    }
    std::vector<Queue*> touched;
    const std::vector<Entry*> entries(worker->entries.begin(), worker->entries.end());
    for (Entry* entry : entries) {
      if (entry->place == Entry::Place::kCancelled) {
        entry->worker = nullptr;  // it may still answer over another connection: wait on
        continue;
      }
      Take(*entry);
      PutReady(*entry, touched, now);
    }
    Dispatch(touched, now, effects);
    for (Queue::Subscription& subscription : worker->subscriptions) {
      DropQueueIfUnused(*subscription.queue);
    }
    Seal(now, effects);
  }
  Run(effects);
}

void Broker::AddCredit(WorkerId id, uint32_t credit, Timestamp now) {
  Effects effects;
  {
    MutexLock lock(mutex_);
    Worker* worker = FindWorker(id);
    if (worker == nullptr) return;
    const uint64_t sum = uint64_t{worker->credit} + credit;
    worker->credit = static_cast<uint32_t>(std::min<uint64_t>(sum, options_.credit_max));
    Fill(*worker, now, effects);
    Seal(now, effects);
  }
  Run(effects);
}

std::vector<TaskToken> Broker::Heartbeat(WorkerId id, absl::Span<const TaskToken> tokens,
                                         Timestamp now) {
  std::vector<TaskToken> lost;
  MutexLock lock(mutex_);
  Worker* worker = FindWorker(id);
  for (const TaskToken& token : tokens) {
    if (worker == nullptr || !Renew(*worker, token, now)) lost.push_back(token);
  }
  return lost;
}

void Broker::Enqueue(PartitionId source, std::vector<ReadyTaskPtr> tasks, Timestamp now) {
  Effects effects;
  {
    MutexLock lock(mutex_);
    std::vector<Queue*> touched;
    for (ReadyTaskPtr& task : tasks) {
      if (Find(task->token) == nullptr && !Admit(QueueOf(task->function), source, *task)) continue;
      Add(std::move(task), touched, now);
    }
    Dispatch(touched, now, effects);
    Seal(now, effects);
  }
  Run(effects);
}

void Broker::Add(ReadyTaskPtr task, std::vector<Queue*>& touched, Timestamp now) {
  if (Entry* known = Find(task->token)) {  // told twice, cancelled before it came, or held
    known->held = false;
    if (known->place != Entry::Place::kHeld) return;
    Take(*known);
    return PutReady(*known, touched, now);
  }
  Queue& queue = QueueOf(task->function);
  Entry& entry = Insert(std::move(task), &queue);
  if (!entry.task->from_recovery || now >= claim_end_ || claims_.contains(entry.task->token)) {
    return PutReady(entry, touched, now);
  }
  entry.place = Entry::Place::kClaimable;
  CountWaiting(entry, true);
  ++queue.claimable;
  claimable_.insert(entry.ByAge());
}

void Broker::Cancel(const TaskToken& token, bool from_recovery, Timestamp now) {
  Effects effects;
  {
    MutexLock lock(mutex_);
    Entry* entry = Find(token);
    if (entry == nullptr) {
      // Nobody got it in this run, but somebody may have in an earlier one.
      auto unknown = std::make_shared<ReadyTask>();
      unknown->token = token;
      unknown->from_recovery = from_recovery;
      entry = &Insert(std::move(unknown), nullptr);
    } else if (entry->place == Entry::Place::kCancelled) {
      return;
    }
    // Who came back with it while his broken connection still has it, or before it was enqueued.
    Worker* const claimant = TakeClaim(token);
    Worker* const worker = claimant != nullptr ? claimant : entry->worker;
    const bool never_dispatched = !entry->task->from_recovery && !entry->dispatched;
    Take(*entry);
    const bool is_quiet = never_dispatched || QuietFrom(*entry) <= now;
    if (started_ != kNever && is_quiet) {
      if (worker != nullptr) TellCancelled(*worker, token, effects);
      effects.quiesced.emplace_back(token, never_dispatched);
      Erase(*entry);
    } else {
      PutCancelled(*entry, worker, effects);
    }
    Seal(now, effects);
  }
  Run(effects);
}

void Broker::Withdraw(absl::Span<const TaskToken> tokens) {
  MutexLock lock(mutex_);
  for (const TaskToken& token : tokens) {
    Entry* entry = Find(token);
    if (entry == nullptr) continue;
    entry->held = true;
    if (entry->place != Entry::Place::kReady && entry->place != Entry::Place::kClaimable) continue;
    Take(*entry);
    // Of one that nobody got there is nothing to remember.
    if (!entry->dispatched) {
      Erase(*entry);
      continue;
    }
    entry->place = Entry::Place::kHeld;
  }
}

void Broker::Closed(absl::Span<const TaskToken> tokens, Timestamp now) {
  Effects effects;
  {
    MutexLock lock(mutex_);
    for (const TaskToken& token : tokens) {
      if (!claims_.empty()) claims_.erase(token);
      Entry* entry = Find(token);
      if (entry == nullptr) continue;
      Take(*entry);
      Erase(*entry);
    }
    if (freed_.empty()) return;
    Seal(now, effects);
  }
  Run(effects);
}

void Broker::Dismissed(absl::Span<const TaskToken> tokens, Timestamp now) {
  Effects effects;
  {
    MutexLock lock(mutex_);
    for (const TaskToken& token : tokens) {
      const Entry* const entry = Find(token);
      Worker* worker = TakeClaim(token);
      if (worker == nullptr && entry != nullptr && entry->place == Entry::Place::kLeased) {
        worker = entry->worker;
      }
      if (worker != nullptr) TellCancelled(*worker, token, effects);
    }
    Seal(now, effects);
  }
  Run(effects);
  Closed(tokens, now);
}

Timestamp Broker::Poll(Timestamp now) {
  Effects effects;
  Timestamp next = kNever;
  {
    MutexLock lock(mutex_);
    std::vector<Queue*> touched;
    if (now >= claim_end_) EndClaimWindow(touched, now);
    while (!deadlines_.empty() && deadlines_.begin()->time <= now) {
      Entry& entry = *deadlines_.begin()->entry;
      const bool cancelled = entry.place == Entry::Place::kCancelled;
      Take(entry);
      if (cancelled) {
        effects.quiesced.emplace_back(entry.task->token, false);
        Erase(entry);
      } else {
        PutReady(entry, touched, now);
      }
    }
    Dispatch(touched, now, effects);
    if (!deadlines_.empty()) next = deadlines_.begin()->time;
    if (now < claim_end_ && (!claimable_.empty() || !claims_.empty())) {
      next = std::min(next, claim_end_);
    }
    Seal(now, effects);
  }
  Run(effects);
  return next;
}

std::vector<QueueStats> Broker::Queues() const {
  std::vector<QueueStats> stats;
  {
    MutexLock lock(mutex_);
    stats.reserve(queues_.size());
    for (const auto& [function, queue] : queues_) {
      QueueStats& row = stats.emplace_back();
      row.function = function;
      row.ready = queue->ready.size() + queue->claimable;
      row.more = !queue->rests.empty();
      row.leased = queue->leased;
      row.workers = queue->workers;
      if (!queue->ready.empty()) row.oldest = queue->ready.begin()->time;
      for (const auto& [source, rest] : queue->rests) row.oldest = std::min(row.oldest, rest.created);
    }
    for (const Ranked& ranked : claimable_) {
      // Few and short-lived, so no second ranking by queue is kept for them.
      for (QueueStats& row : stats) {
        if (row.function == ranked.entry->queue->function) {
          row.oldest = std::min(row.oldest, ranked.time);
        }
      }
    }
  }
  std::sort(stats.begin(), stats.end(),
            [](const QueueStats& a, const QueueStats& b) { return a.function < b.function; });
  return stats;
}

size_t Broker::worker_count() const {
  MutexLock lock(mutex_);
  return workers_.size();
}

// Entries, workers and queues.

Broker::Entry* Broker::Find(const TaskToken& token) {
  auto found = entries_.find(token);
  return found == entries_.end() ? nullptr : found->get();
}

Broker::Worker* Broker::FindWorker(WorkerId worker) {
  auto found = workers_.find(worker);
  return found == workers_.end() ? nullptr : found->second.get();
}

Broker::Queue& Broker::QueueOf(const std::string& function) {
  auto& slot = queues_[function];
  if (slot == nullptr) {
    slot = std::make_unique<Queue>();
    slot->function = function;
  }
  return *slot;
}

void Broker::DropQueueIfUnused(Queue& queue) {
  if (queue.workers > 0 || queue.entries > 0 || queue.touched || !queue.rests.empty()) return;
  queues_.erase(queue.function);
}

Broker::Entry& Broker::Insert(ReadyTaskPtr task, Queue* queue) {
  auto entry = std::make_unique<Entry>();
  entry->sequence = next_sequence_++;
  entry->queue = queue;
  if (queue != nullptr) ++queue->entries;
  entry->task = std::move(task);
  return **entries_.insert(std::move(entry)).first;
}

void Broker::Erase(Entry& entry) {
  SKALD_CHECK(entry.place == Entry::Place::kNone);
  if (entry.queue != nullptr) {
    --entry.queue->entries;
    DropQueueIfUnused(*entry.queue);
  }
  const ReadyTaskPtr task = entry.task;  // the token that is looked up must outlive the entry
  entries_.erase(task->token);
}

}  // namespace skald::task
