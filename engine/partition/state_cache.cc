#include "engine/partition/state_cache.h"

#include <utility>

#include "base/check.h"
#include "engine/saga/pending.h"

namespace skald::partition {

CachedSaga* StateCache::Find(const SagaKey& key) {
  const auto found = sagas_.find(key);
  if (found == sagas_.end()) return nullptr;
  CachedSaga* const saga = found->get();
  if (!saga->changed && saga != newest_) {
    Unlink(*saga);
    PushNewest(*saga);
  }
  return saga;
}

CachedSaga& StateCache::Add(saga::SagaState state, size_t bytes) {
  auto owned = std::make_unique<CachedSaga>();
  owned->state = std::move(state);
  owned->bytes_ = bytes;
  const auto [place, added] = sagas_.insert(std::move(owned));
  SKALD_CHECK(added);
  return **place;
}

CachedSaga& StateCache::Insert(saga::SagaState state, size_t bytes) {
  CachedSaga& saga = Add(std::move(state), bytes);
  PushNewest(saga);
  bytes_ += bytes;
  Evict(&saga);
  return saga;
}

CachedSaga& StateCache::InsertPinned(saga::SagaState state) {
  CachedSaga& saga = Add(std::move(state), 0);
  saga.changed = true;
  pinned_.push_back(&saga);
  return saga;
}

void StateCache::Pin(CachedSaga& saga) {
  SKALD_CHECK(!saga.changed);
  Unlink(saga);
  bytes_ -= saga.bytes_;
  saga.changed = true;
  pinned_.push_back(&saga);
}

void StateCache::UnpinAll(const std::vector<size_t>& bytes) {
  SKALD_CHECK(bytes.size() == pinned_.size());
  for (size_t i = 0; i < pinned_.size(); ++i) {
    CachedSaga& saga = *pinned_[i];
    if (saga::IsAtRest(saga.state)) {
      Drop(saga);
      continue;
    }
    saga.changed = false;
    saga.bytes_ = bytes[i];
    bytes_ += bytes[i];
    PushNewest(saga);
  }
  pinned_.clear();
  Evict(nullptr);
}

void StateCache::PushNewest(CachedSaga& saga) {
  saga.older_ = newest_;
  saga.newer_ = nullptr;
  (newest_ != nullptr ? newest_->newer_ : oldest_) = &saga;
  newest_ = &saga;
}

void StateCache::Unlink(CachedSaga& saga) {
  (saga.newer_ != nullptr ? saga.newer_->older_ : newest_) = saga.older_;
  (saga.older_ != nullptr ? saga.older_->newer_ : oldest_) = saga.newer_;
  saga.newer_ = saga.older_ = nullptr;
}

void StateCache::Evict(const CachedSaga* keep) {
  while (bytes_ > bytes_max_ && oldest_ != nullptr && oldest_ != keep) {
    CachedSaga& victim = *oldest_;
    Unlink(victim);
    bytes_ -= victim.bytes_;
    Drop(victim);
  }
}

void StateCache::Drop(const CachedSaga& saga) {
  const auto place = sagas_.find(saga.state.key);
  SKALD_CHECK(place != sagas_.end());
  sagas_.erase(place);
}

}  // namespace skald::partition
