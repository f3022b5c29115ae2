// Who waits for sagas to end, or to need an operator.
//
// Thread rule: owned by its partition.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "base/ids.h"
#include "engine/partition/admission.h"
#include "engine/partition/reply.h"
#include "engine/saga/state.h"
#include "engine/saga/view.h"

namespace skald::partition {

struct Waiter {
  uint64_t id = 0;  // unique
  Timestamp deadline = kNever;
  bool until_parked = false;  // or until it is parked
  Done<saga::SagaView> done;
  Ticket ticket;
};

// Whether a waiter has waited long enough for a saga in this state.
bool IsOver(const saga::SagaState& state, bool until_parked);

class Waiters {
 public:
  void Add(const SagaKey& saga, Waiter waiter);
  // Forgets a waiter; false when it is not here.
  bool Remove(const SagaKey& saga, uint64_t id);

  bool empty() const { return sagas_.empty(); }
  // Takes out those who need not wait any longer for this saga.
  std::vector<Waiter> TakeOver(const saga::SagaState& state);
  // Takes out those whose deadline has passed.
  std::vector<std::pair<SagaKey, Waiter>> TakeExpired(Timestamp now);
  // Takes out everyone, by id: a hash map's order would differ from run to run.
  std::vector<std::pair<SagaKey, Waiter>> TakeAll();

  Timestamp next_deadline() const {
    return deadlines_.empty() ? kNever : deadlines_.begin()->first;
  }

 private:
  absl::flat_hash_map<SagaKey, std::vector<Waiter>> sagas_;
  // Of those that have one, with their ids.
  absl::btree_set<std::pair<Timestamp, uint64_t>> deadlines_;
  absl::flat_hash_map<uint64_t, SagaKey> saga_of_;
};

}  // namespace skald::partition
