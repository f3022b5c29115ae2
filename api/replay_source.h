// A saga as it was: the steps of ReplaySaga, and GetSaga's answer as of a moment.
#pragma once

#include <functional>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "api/context.h"
#include "api/pull_stream.h"
#include "engine/runtime/saga_replay.h"
#include "skald/v1/log_service.pb.h"
#include "skald/v1/saga.pb.h"

namespace skald::api {

// The moment a request names; `violations` says what is wrong with it.
runtime::AsOf ReadAsOf(const v1::AsOf& as_of, Violations& violations);

// Folds the saga up to then. CANCELLED when `stopped`, asked from time to time, says so.
absl::Status GetSagaAsOf(runtime::Engine& engine, SagaKey key, const runtime::AsOf& as_of,
                         absl::FunctionRef<bool()> stopped, v1::Saga& saga);

class ReplaySource final : public FrameSource<v1::ReplaySagaResponse> {
 public:
  // Sends the steps from `from` on.
  ReplaySource(ApiContext& context, SagaKey key, runtime::AsOf as_of, Revision from)
      : context_(context), key_(std::move(key)), as_of_(as_of), from_(from) {}

  void Open(std::function<void()> wake) override { wake_ = std::move(wake); }
  Pulled Pull(v1::ReplaySagaResponse& frame) override;
  void Close() override {}

 private:
  absl::Status Begin();
  void AddStep(v1::SagaStep& step);

  ApiContext& context_;
  const SagaKey key_;
  const runtime::AsOf as_of_;
  const Revision from_;
  std::function<void()> wake_;
  std::unique_ptr<runtime::SagaReplay> replay_;
  bool has_sent_ = false;
  Json sent_context_;  // of the last step
};

}  // namespace skald::api
