// What the broker keeps of tasks, functions and workers. Only broker*.cc include this.
//
// Everything here is guarded by the broker's lock, except a delivery's items once they are taken.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "engine/task/broker.h"

namespace skald::task {

struct Broker::Entry {
  // A task is in one place at a time; kNone only while it moves.
  enum class Place : uint8_t { kNone, kReady, kClaimable, kLeased, kHeld, kCancelled };

  ReadyTaskPtr task;
  uint64_t sequence = 0;
  Queue* queue = nullptr;    // null: cancelled without ever having been enqueued here
  Worker* worker = nullptr;  // who has it, if anybody
  WorkerId last_worker{0};   // who had it last
  Timestamp delivered{0};    // last delivery or renewal
  Timestamp deadline = kNever;
  Place place = Place::kNone;
  bool dispatched = false;  // delivered in this run
  bool held = false;        // withdrawn: not to be handed out

  Ranked ByAge() { return {task->created, sequence, this}; }
  Ranked ByDeadline() { return {deadline, sequence, this}; }
};

struct Broker::Queue {
  // One worker's place in the rotation.
  struct Subscription {
    Queue* queue = nullptr;
    Worker* worker = nullptr;
    bool in_rotation = false;
  };

  std::string function;
  Ranking ready;
  // Workers with room take turns. Those without stay until their turn comes (lazy removal).
  std::deque<Subscription*> rotation;
  size_t entries = 0;  // tasks in any place
  size_t waiting_bytes = 0;  // of the ready and claimable ones
  // Partitions that hold tasks which are not here, with the first of them; and the request for
  // some that is under way.
  absl::btree_map<PartitionId, TaskPlace> rests;
  std::optional<RefillRequest> asked;
  Timestamp asked_at{0};
  size_t claimable = 0;
  size_t leased = 0;
  size_t workers = 0;
  bool touched = false;

  void Join(Subscription& subscription) {
    if (subscription.in_rotation) return;
    subscription.in_rotation = true;
    rotation.push_back(&subscription);
  }

  void Touch(std::vector<Queue*>& list) {
    if (touched) return;
    touched = true;
    list.push_back(this);
  }

  // Lets those that can take nothing leave the rotation; its front can if it is not empty.
  bool HasWorkerWithRoom();
};

// Ordered words to one worker. One thread delivers at a time, so that a cancellation cannot
// overtake its task.
struct Broker::Outbox {
  // Either a frame of tasks or cancellations.
  struct Item {
    std::vector<ReadyTaskPtr> tasks;
    std::vector<TaskToken> cancelled;
    size_t bytes = 0;
  };

  std::shared_ptr<WorkerSink> sink;
  std::vector<Item> items;
  bool delivering = false;  // a thread is at it and will see new items
};

struct Broker::Worker {
  WorkerId id;
  std::string name;
  uint32_t credit = 0;
  size_t leased_bytes = 0;
  size_t leased_bytes_max = 0;
  std::vector<Queue::Subscription> subscriptions;  // addresses are in rotations: never resized
  absl::flat_hash_set<Entry*> entries;             // leased, and cancelled but still at work
  std::shared_ptr<Outbox> outbox;

  bool HasRoom() const { return credit > 0 && leased_bytes < leased_bytes_max; }
};

struct Broker::Effects {
  struct Delivery {
    std::shared_ptr<Outbox> outbox;
    std::vector<Outbox::Item> items;
  };

  std::vector<std::shared_ptr<Outbox>> outboxes;  // that got their first item
  std::vector<Delivery> deliveries;               // of outboxes that this operation delivers
  std::vector<std::pair<TaskToken, bool>> quiesced;
  std::vector<RefillRequest> refills;
};

}  // namespace skald::task
