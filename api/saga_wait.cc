#include "api/saga_wait.h"

#include <utility>

namespace skald::api {

SagaWait::SagaWait(runtime::Engine& engine, SagaKey key, Done done)
    : engine_(engine), key_(std::move(key)), done_(std::move(done)) {}

void SagaWait::Begin(Timestamp deadline, bool until_parked) {
  const uint64_t id =
      engine_.WaitSaga(key_, deadline, until_parked,
                       [self = shared_from_this()](absl::StatusOr<saga::SagaView> view) {
                         self->Answer(std::move(view));
                       });
  {
    MutexLock lock(mutex_);
    id_ = id;
    // Cancelled before the id was known: whoever cancelled could not tell the engine.
    if (!cancelled_) return;
  }
  engine_.StopWaiting(key_, id);
}

bool SagaWait::Cancel() {
  std::optional<uint64_t> id;
  Done dropped;
  {
    MutexLock lock(mutex_);
    if (over_) return cancelled_;
    over_ = true;
    cancelled_ = true;
    dropped = std::move(done_);
    id = id_;
  }
  if (id) engine_.StopWaiting(key_, *id);
  return true;
}

void SagaWait::Answer(absl::StatusOr<saga::SagaView> view) {
  Done done;
  {
    MutexLock lock(mutex_);
    if (over_) return;
    over_ = true;
    done = std::move(done_);
  }
  done(std::move(view));
}

}  // namespace skald::api
