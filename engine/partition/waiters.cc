#include "engine/partition/waiters.h"

#include <algorithm>

#include "base/check.h"

namespace skald::partition {

bool IsOver(const saga::SagaState& state, bool until_parked) {
  if (state.is_ended()) return true;
  // Suspended without an operator's doing: parked.
  return until_parked && !state.suspended &&
         saga::StatusOf(state) == saga::Status::kSuspended;
}

void Waiters::Add(const SagaKey& saga, Waiter waiter) {
  if (waiter.deadline != kNever) {
    deadlines_.insert({waiter.deadline, waiter.id});
    saga_of_.emplace(waiter.id, saga);
  }
  sagas_[saga].push_back(std::move(waiter));
}

bool Waiters::Remove(const SagaKey& saga, uint64_t id) {
  const auto found = sagas_.find(saga);
  if (found == sagas_.end()) return false;
  std::vector<Waiter>& waiters = found->second;
  const auto waiter = std::find_if(waiters.begin(), waiters.end(),
                                   [&](const Waiter& each) { return each.id == id; });
  if (waiter == waiters.end()) return false;
  deadlines_.erase({waiter->deadline, id});
  saga_of_.erase(id);
  waiters.erase(waiter);
  if (waiters.empty()) sagas_.erase(found);
  return true;
}

std::vector<Waiter> Waiters::TakeOver(const saga::SagaState& state) {
  std::vector<Waiter> over;
  const auto found = sagas_.find(state.key);
  if (found == sagas_.end()) return over;
  std::vector<Waiter>& waiters = found->second;
  const auto rest = std::stable_partition(waiters.begin(), waiters.end(), [&](const Waiter& each) {
    return !IsOver(state, each.until_parked);
  });
  for (auto waiter = rest; waiter != waiters.end(); ++waiter) {
    deadlines_.erase({waiter->deadline, waiter->id});
    saga_of_.erase(waiter->id);
    over.push_back(std::move(*waiter));
  }
  waiters.erase(rest, waiters.end());
  if (waiters.empty()) sagas_.erase(found);
  return over;
}

std::vector<std::pair<SagaKey, Waiter>> Waiters::TakeExpired(Timestamp now) {
  std::vector<std::pair<SagaKey, Waiter>> expired;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const uint64_t id = deadlines_.begin()->second;
    SagaKey saga = saga_of_.at(id);
    for (Waiter& waiter : sagas_.at(saga)) {
      if (waiter.id == id) expired.emplace_back(saga, std::move(waiter));
    }
    SKALD_CHECK(Remove(saga, id));
  }
  return expired;
}

std::vector<std::pair<SagaKey, Waiter>> Waiters::TakeAll() {
  std::vector<std::pair<SagaKey, Waiter>> all;
  for (auto& [saga, waiters] : sagas_) {
    for (Waiter& waiter : waiters) all.emplace_back(saga, std::move(waiter));
  }
  sagas_.clear();
  deadlines_.clear();
  saga_of_.clear();
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.second.id < b.second.id; });
  return all;
}

}  // namespace skald::partition
