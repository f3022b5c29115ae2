#include "api/wait_call.h"

#include <utility>

#include "api/grpc_status.h"
#include "base/errors.h"

namespace skald::api {

std::shared_ptr<WaitCall> WaitCall::Make(ApiContext& context) {
  auto call = std::make_shared<WaitCall>(context);
  call->self_ = call;
  if (!context.calls.Add(call)) call->Fail(ServerStoppingError());
  return call;
}

void WaitCall::Wait(SagaKey key, Timestamp deadline, bool until_parked, Fill fill) {
  auto wait = std::make_shared<SagaWait>(
      context_.engine, std::move(key),
      [self = shared_from_this(), fill = std::move(fill)](absl::StatusOr<saga::SagaView> view) {
        if (!self->Claim()) return;
        // Claimed: the response is alive until Finish.
        if (view.ok()) fill(*view);
        self->Finish(ToGrpcStatus(view.status()));
      });
  {
    MutexLock lock(mutex_);
    if (ended_) return;
    wait_ = wait;
  }
  wait->Begin(deadline, until_parked);
}

void WaitCall::Fail(const absl::Status& status) {
  CancelWait();
  if (Claim()) Finish(ToGrpcStatus(status));
}

void WaitCall::Drain(Micros) { End(); }

void WaitCall::End() { Fail(ServerStoppingError()); }

void WaitCall::OnCancel() {
  CancelWait();
  if (Claim()) Finish(grpc::Status::CANCELLED);
}

void WaitCall::OnDone() {
  context_.calls.Remove(this);
  // May be the last owner: nothing of this object is touched after.
  const std::shared_ptr<WaitCall> self = std::move(self_);
}

bool WaitCall::Claim() {
  std::shared_ptr<SagaWait> over;
  MutexLock lock(mutex_);
  if (ended_) return false;
  ended_ = true;
  over = std::move(wait_);
  return true;
}

void WaitCall::CancelWait() {
  std::shared_ptr<SagaWait> wait;
  {
    MutexLock lock(mutex_);
    wait = wait_;
  }
  if (wait) wait->Cancel();
}

}  // namespace skald::api
