// How the broker moves tasks between places, hands them out, and tells workers.
#include <utility>

#include "base/check.h"
#include "engine/task/broker_state.h"

namespace skald::task {

bool Broker::Queue::HasWorkerWithRoom() {
  while (!rotation.empty() && !rotation.front()->worker->HasRoom()) {
    rotation.front()->in_rotation = false;
    rotation.pop_front();
  }
  return !rotation.empty();
}

void Broker::Take(Entry& entry) {
  switch (entry.place) {
    case Entry::Place::kNone:
      return;
    case Entry::Place::kReady:
      CountWaiting(entry, false);
      entry.queue->ready.erase(entry.ByAge());
      break;
    case Entry::Place::kClaimable:
      CountWaiting(entry, false);
      --entry.queue->claimable;
      claimable_.erase(entry.ByAge());
      break;
    case Entry::Place::kLeased:
      --entry.queue->leased;
      if (entry.worker->leased_bytes >= options_.leased_bytes_max) {
        freed_.push_back(entry.worker->id);
      }
      entry.worker->leased_bytes -= TaskBytes(*entry.task);
      break;
    case Entry::Place::kHeld:
    case Entry::Place::kCancelled:
      break;
  }
  entry.place = Entry::Place::kNone;
  SetDeadline(entry, kNever);
  if (entry.worker != nullptr) {
    entry.worker->entries.erase(&entry);
    entry.worker = nullptr;
  }
}

void Broker::PutReady(Entry& entry, std::vector<Queue*>& touched, Timestamp now) {
  if (Worker* const claimant = TakeClaim(entry.task->token)) {
    return PutLeased(entry, *claimant, now);
  }
  if (entry.held) {
    entry.place = Entry::Place::kHeld;
    return;
  }
  entry.place = Entry::Place::kReady;
  CountWaiting(entry, true);
  entry.queue->ready.insert(entry.ByAge());
  entry.queue->Touch(touched);
}

void Broker::PutLeased(Entry& entry, Worker& worker, Timestamp now) {
  entry.place = Entry::Place::kLeased;
  ++entry.queue->leased;
  entry.worker = &worker;
  worker.leased_bytes += TaskBytes(*entry.task);
  entry.last_worker = worker.id;
  entry.delivered = now;
  entry.dispatched = true;
  worker.entries.insert(&entry);
  SetDeadline(entry, After(now, options_.lease));
}

void Broker::PutCancelled(Entry& entry, Worker* worker, Effects& effects) {
  entry.place = Entry::Place::kCancelled;
  SetDeadline(entry, QuietFrom(entry));
  if (worker == nullptr) return;
  entry.worker = worker;
  worker->entries.insert(&entry);
  TellCancelled(*worker, entry.task->token, effects);
}

void Broker::SetDeadline(Entry& entry, Timestamp deadline) {
  if (entry.deadline != kNever) deadlines_.erase(entry.ByDeadline());
  entry.deadline = deadline;
  if (deadline != kNever) deadlines_.insert(deadlines_.end(), entry.ByDeadline());
}

// A worker had a full lease to answer after it last heard of the task, and after it could have
// reconnected to this run: kNever before Begin.
Timestamp Broker::QuietFrom(const Entry& entry) const {
  return After(std::max(entry.delivered, started_), options_.lease);
}

void Broker::Claim(Worker& worker, const TaskToken& token, Timestamp now, Effects& effects) {
  Entry* entry = Find(token);
  if (entry == nullptr) {
    // It may be left with its partition.
    if (now < claim_end_ || !backlogged_.empty()) claims_[token] = worker.id;
    return;
  }
  switch (entry->place) {
    case Entry::Place::kNone:
      SKALD_CHECK(false);
    case Entry::Place::kReady:
    case Entry::Place::kClaimable:
    case Entry::Place::kHeld:
      Take(*entry);
      PutLeased(*entry, worker, now);
      break;
    case Entry::Place::kLeased:
      // A broken connection may be noticed here later than by the worker, who is back already.
      if (!worker.name.empty() && entry->worker->name == worker.name) claims_[token] = worker.id;
      break;
    case Entry::Place::kCancelled:
      if (entry->worker != nullptr) entry->worker->entries.erase(entry);
      entry->worker = &worker;
      worker.entries.insert(entry);
      TellCancelled(worker, token, effects);
      break;
  }
}

Broker::Worker* Broker::TakeClaim(const TaskToken& token) {
  if (claims_.empty()) return nullptr;
  const auto claim = claims_.find(token);
  if (claim == claims_.end()) return nullptr;
  Worker* const worker = FindWorker(claim->second);
  claims_.erase(claim);
  return worker;
}

bool Broker::Renew(Worker& worker, const TaskToken& token, Timestamp now) {
  Entry* entry = Find(token);
  if (entry != nullptr && entry->worker == &worker) {
    // A cancelled task is not renewed: the undo waits for one lease and no longer.
    if (entry->place == Entry::Place::kLeased) {
      entry->delivered = now;
      SetDeadline(*entry, After(now, options_.lease));
    }
    return true;
  }
  const bool waits = entry != nullptr && (entry->place == Entry::Place::kReady ||
                                          entry->place == Entry::Place::kHeld);
  if (waits && entry->last_worker == worker.id) {
    // Its lease ran out, but nobody has taken the task since: it need not run twice.
    Take(*entry);
    PutLeased(*entry, worker, now);
    return true;
  }
  auto claim = claims_.find(token);
  return claim != claims_.end() && claim->second == worker.id;
}

void Broker::EndClaimWindow(std::vector<Queue*>& touched, Timestamp now) {
  while (!claimable_.empty()) {
    Entry& entry = *claimable_.begin()->entry;
    Take(entry);
    PutReady(entry, touched, now);
  }
  // What is left with partitions is still to come.
  if (!backlogged_.empty()) return;
  for (auto claim = claims_.begin(); claim != claims_.end();) {
    if (Find(claim->first) == nullptr) {
      claims_.erase(claim++);
    } else {
      ++claim;
    }
  }
}

// Handing out. Between operations no queue has both a ready task and a worker with room, so only
// the queues that got tasks, or the worker that got room, need a look.

void Broker::Dispatch(std::vector<Queue*>& touched, Timestamp now, Effects& effects) {
  while (true) {
    Queue* oldest = nullptr;
    for (Queue* queue : touched) {
      if (queue->ready.empty() || !queue->HasWorkerWithRoom()) continue;
      if (oldest == nullptr || *queue->ready.begin() < *oldest->ready.begin()) oldest = queue;
    }
    if (oldest == nullptr) break;
    Queue::Subscription* turn = oldest->rotation.front();
    oldest->rotation.pop_front();
    oldest->rotation.push_back(turn);
    Deliver(*oldest, *turn->worker, now, effects);
  }
  for (Queue* queue : touched) queue->touched = false;
}

void Broker::Fill(Worker& worker, Timestamp now, Effects& effects) {
  while (worker.HasRoom()) {
    Queue* oldest = nullptr;
    for (const Queue::Subscription& subscription : worker.subscriptions) {
      Queue* queue = subscription.queue;
      if (queue->ready.empty()) continue;
      if (oldest == nullptr || *queue->ready.begin() < *oldest->ready.begin()) oldest = queue;
    }
    if (oldest == nullptr) break;
    Deliver(*oldest, worker, now, effects);
  }
  if (!worker.HasRoom()) return;
  for (Queue::Subscription& subscription : worker.subscriptions) {
    subscription.queue->Join(subscription);
  }
}

void Broker::FillFreed(Timestamp now, Effects& effects) {
  for (WorkerId id : std::exchange(freed_, {})) {
    if (Worker* const worker = FindWorker(id)) Fill(*worker, now, effects);
  }
}

void Broker::Deliver(Queue& queue, Worker& worker, Timestamp now, Effects& effects) {
  Entry& entry = *queue.ready.begin()->entry;
  Take(entry);
  PutLeased(entry, worker, now);
  --worker.credit;

  std::vector<Outbox::Item>& items = worker.outbox->items;
  const size_t bytes = entry.task->arguments.size();
  if (items.empty() || items.back().tasks.empty() ||
      items.back().tasks.size() >= options_.frame_tasks_max ||
      items.back().bytes + bytes > options_.frame_bytes_max) {
    if (items.empty()) effects.outboxes.push_back(worker.outbox);
    items.emplace_back();
  }
  items.back().tasks.push_back(entry.task);
  items.back().bytes += bytes;
}

// Effects.

void Broker::TellCancelled(Worker& worker, const TaskToken& token, Effects& effects) {
  std::vector<Outbox::Item>& items = worker.outbox->items;
  if (items.empty()) effects.outboxes.push_back(worker.outbox);
  if (items.empty() || items.back().cancelled.empty()) items.emplace_back();
  items.back().cancelled.push_back(token);
}

void Broker::Seal(Timestamp now, Effects& effects) {
  if (!freed_.empty()) FillFreed(now, effects);
  if (!backlogged_.empty()) AskForMore(now, effects);
  for (std::shared_ptr<Outbox>& outbox : effects.outboxes) {
    if (outbox->delivering || outbox->items.empty()) continue;
    outbox->delivering = true;
    effects.deliveries.push_back({std::move(outbox), {}});
    effects.deliveries.back().items.swap(effects.deliveries.back().outbox->items);
  }
  effects.outboxes.clear();
}

void Broker::Run(Effects& effects) {
  for (const auto& [token, never_dispatched] : effects.quiesced) {
    if (options_.quiesced) options_.quiesced(token, never_dispatched);
  }
  for (RefillRequest& request : effects.refills) options_.refill(std::move(request));
  while (!effects.deliveries.empty()) {
    for (Effects::Delivery& delivery : effects.deliveries) {
      for (Outbox::Item& item : delivery.items) {
        if (!item.tasks.empty()) delivery.outbox->sink->Push(std::move(item.tasks), options_.lease);
        if (!item.cancelled.empty()) delivery.outbox->sink->Cancel(std::move(item.cancelled));
      }
      delivery.items.clear();
    }
    // Others may have added words for these workers meanwhile and left them to this thread.
    MutexLock lock(mutex_);
    std::erase_if(effects.deliveries, [](Effects::Delivery& delivery) {
      delivery.items.swap(delivery.outbox->items);
      delivery.outbox->delivering = !delivery.items.empty();
      return delivery.items.empty();
    });
  }
}

}  // namespace skald::task
