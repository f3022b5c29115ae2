// The states of a partition's sagas that are in memory: the recently used ones, bounded by bytes,
// and all that changed since the last seal, which are pinned because their rows in views are older.
// Of those, the ones at rest (saga::IsAtRest: ended, or waiting for long) go with the seal: hardly
// anything comes for them soon, their memory is worth more while it is warm, and a million states
// that wait would leave it in pieces.
//
// Thread rule: owned by its partition.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/ids.h"
#include "engine/partition/reply.h"
#include "engine/saga/state.h"

namespace skald::partition {

// A saga in memory. Its address holds until it is evicted, which only Insert of another saga and
// UnpinAll do.
struct CachedSaga {
  saga::SagaState state;

  // Since the last seal.
  bool changed = false;
  History commits;                       // revisions dense
  std::vector<std::string> sealed_keys;  // of the duty rows as of that seal, ordered

 private:
  friend class StateCache;
  size_t bytes_ = 0;
  CachedSaga* newer_ = nullptr;
  CachedSaga* older_ = nullptr;
};

class StateCache {
 public:
  explicit StateCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  // The saga, now the most recently used, or nullptr.
  CachedSaga* Find(const SagaKey& key);

  // Adds a state that views have. Precondition: the saga is not here. `bytes` is what it counts.
  CachedSaga& Insert(saga::SagaState state, size_t bytes);
  // Adds the state of a saga that was just born: pinned.
  CachedSaga& InsertPinned(saga::SagaState state);

  // Pins a saga and lists it as changed. Precondition: not pinned.
  void Pin(CachedSaga& saga);
  // The pinned sagas, in the order they were pinned.
  const std::vector<CachedSaga*>& pinned() const { return pinned_; }
  // The rows of all pinned sagas are written; `bytes[i]` is what pinned()[i] counts from now on, if
  // it stays.
  void UnpinAll(const std::vector<size_t>& bytes);

  size_t size() const { return sagas_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(const SagaKey& key) const { return absl::Hash<SagaKey>()(key); }
    size_t operator()(const std::unique_ptr<CachedSaga>& saga) const {
      return (*this)(saga->state.key);
    }
  };
  struct Equal {
    using is_transparent = void;
    static const SagaKey& KeyOf(const SagaKey& key) { return key; }
    static const SagaKey& KeyOf(const std::unique_ptr<CachedSaga>& saga) { return saga->state.key; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return KeyOf(a) == KeyOf(b);
    }
  };

  CachedSaga& Add(saga::SagaState state, size_t bytes);
  void PushNewest(CachedSaga& saga);
  void Unlink(CachedSaga& saga);
  void Drop(const CachedSaga& saga);
  // Drops the least recently used sagas, but never `keep`, until the rest fits.
  void Evict(const CachedSaga* keep);

  const size_t bytes_max_;
  absl::flat_hash_set<std::unique_ptr<CachedSaga>, Hash, Equal> sagas_;
  std::vector<CachedSaga*> pinned_;
  // Those not pinned, as a list.
  CachedSaga* newest_ = nullptr;
  CachedSaga* oldest_ = nullptr;
  size_t bytes_ = 0;  // of those not pinned
};

}  // namespace skald::partition
