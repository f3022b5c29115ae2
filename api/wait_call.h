// A unary call that waits for a saga: WaitSaga, and StartSaga with `wait`. Ends when the saga does,
// when its time is over, when the caller gives up, or when the server stops; whichever comes first,
// once.
//
// Keeps itself alive until OnDone; the engine's callbacks share it.
#pragma once

#include <functional>
#include <memory>

#include "api/context.h"
#include "api/saga_wait.h"
#include "base/mutex.h"

namespace skald::api {

class WaitCall : public grpc::ServerUnaryReactor,
                 public OpenCall,
                 public std::enable_shared_from_this<WaitCall> {
 public:
  // What writes the response. Called at most once, and only before the call ends.
  using Fill = std::function<void(const saga::SagaView&)>;

  static std::shared_ptr<WaitCall> Make(ApiContext& context);
  explicit WaitCall(ApiContext& context) : context_(context) {}

  // Waits, and ends with what `fill` made of the view. Once.
  void Wait(SagaKey key, Timestamp deadline, bool until_parked, Fill fill);
  // Ends the call with an error.
  void Fail(const absl::Status& status);

  void Drain(Micros grace) override;
  void End() override;

 private:
  void OnCancel() override;
  void OnDone() override;

  // True for the one that may end the call.
  bool Claim();
  void CancelWait();

  ApiContext& context_;
  std::shared_ptr<WaitCall> self_;
  Mutex mutex_;
  bool ended_ SKALD_GUARDED_BY(mutex_) = false;
  std::shared_ptr<SagaWait> wait_ SKALD_GUARDED_BY(mutex_);
};

}  // namespace skald::api
