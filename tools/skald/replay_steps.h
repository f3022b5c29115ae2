// The steps of a saga, as the server replays them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"
#include "grpcpp/support/status.h"
#include "skald/v1/event.pb.h"
#include "skald/v1/log_service.pb.h"
#include "skald/v1/saga.pb.h"
#include "tools/skald/invocation.h"

namespace skald::tools {

// An event with the saga after it.
struct ReplayStep {
  v1::RecordedEvent event;
  v1::Saga saga;
  Json context;

  // As `skald get --json` shows it, with its context.
  Json ToJson() const;
};

// "5": a revision; "position:4711"; or a time. INVALID_ARGUMENT says what is expected.
absl::StatusOr<v1::AsOf> ParseMoment(absl::string_view text);

// The saga as of a moment.
grpc::Status FetchSagaAsOf(Invocation& call, const SagaKey& key, const v1::AsOf& as_of,
                           v1::Saga& saga);

// Calls `visit` with each step from revision `from` through `as_of`, until it returns false.
grpc::Status ReadSteps(Invocation& call, const SagaKey& key, uint64_t from, const v1::AsOf& as_of,
                       const std::function<bool(ReplayStep)>& visit);

// Steps by revision, in any order; fetches some around the one that is asked for and keeps only
// those.
class StepWindow {
 public:
  StepWindow(Invocation& call, SagaKey key) : call_(call), key_(std::move(key)) {}

  // Looks for the last revision there is.
  grpc::Status Refresh();
  uint64_t last() const { return last_; }

  // Precondition: revision <= last().
  grpc::Status Load(uint64_t revision);
  // Precondition: it was loaded last, or it is the one before that.
  const ReplayStep& At(uint64_t revision) const { return steps_[revision - begin_]; }

 private:
  static constexpr uint64_t kSteps = 64;

  Invocation& call_;
  const SagaKey key_;
  uint64_t last_ = 0;
  uint64_t begin_ = 0;  // revision of the first of steps_
  std::vector<ReplayStep> steps_;
};

}  // namespace skald::tools
