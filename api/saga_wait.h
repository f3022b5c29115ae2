// One wait for a saga that can be given up at any time, also while it is being answered.
//
// Owned by whoever waits and by the engine, until answered or cancelled. Thread rule: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "engine/runtime/engine.h"

namespace skald::api {

class SagaWait : public std::enable_shared_from_this<SagaWait> {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<saga::SagaView>)>;

  // `done` is called once, unless Cancel comes first. Begin starts it; both are called once.
  SagaWait(runtime::Engine& engine, SagaKey key, Done done);
  void Begin(Timestamp deadline, bool until_parked);

  // True: `done` will not be called, and the engine has forgotten the wait. False: it was or is
  // being called.
  bool Cancel();

 private:
  void Answer(absl::StatusOr<saga::SagaView> view);

  runtime::Engine& engine_;
  const SagaKey key_;
  Mutex mutex_;
  Done done_ SKALD_GUARDED_BY(mutex_);
  bool over_ SKALD_GUARDED_BY(mutex_) = false;  // answered or cancelled
  bool cancelled_ SKALD_GUARDED_BY(mutex_) = false;
  std::optional<uint64_t> id_ SKALD_GUARDED_BY(mutex_);
};

}  // namespace skald::api
