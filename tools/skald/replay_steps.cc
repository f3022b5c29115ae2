#include "tools/skald/replay_steps.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "skald/v1/log_service.grpc.pb.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "tools/skald/render.h"

namespace skald::tools {

Json ReplayStep::ToJson() const { return SagaToJson(saga).With("context", context); }

absl::StatusOr<v1::AsOf> ParseMoment(absl::string_view text) {
  v1::AsOf as_of;
  absl::string_view rest = text;
  uint64_t number = 0;
  absl::Time time;
  if (absl::ConsumePrefix(&rest, "position:")) {
    if (absl::SimpleAtoi(rest, &number)) {
      as_of.set_position(number);
      return as_of;
    }
  } else if (absl::SimpleAtoi(text, &number)) {
    as_of.set_revision(number);
    return as_of;
  } else if (std::string problem; absl::ParseTime(absl::RFC3339_full, text, &time, &problem)) {
    // Of what may be finer, the server knows microseconds.
    const int64_t micros = absl::ToUnixMicros(time);
    const int64_t seconds = absl::ToUnixSeconds(absl::FromUnixMicros(micros));
    as_of.mutable_time()->set_seconds(seconds);
    as_of.mutable_time()->set_nanos(static_cast<int32_t>((micros - seconds * 1'000'000) * 1'000));
    return as_of;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no moment: expected a revision (5), a time ",
                   "(2026-01-31T08:00:00Z) or a place in the log (position:4711)"));
}

grpc::Status FetchSagaAsOf(Invocation& call, const SagaKey& key, const v1::AsOf& as_of,
                           v1::Saga& saga) {
  const auto stub = v1::SagaService::NewStub(call.channel());
  grpc::ClientContext context;
  call.Prepare(context);
  v1::GetSagaRequest request;
  request.set_namespace_(key.namespace_name);
  request.set_saga_id(key.saga_id);
  *request.mutable_as_of() = as_of;
  v1::GetSagaResponse response;
  grpc::Status status = stub->GetSaga(&context, request, &response);
  saga = std::move(*response.mutable_saga());
  return status;
}

grpc::Status ReadSteps(Invocation& call, const SagaKey& key, uint64_t from, const v1::AsOf& as_of,
                       const std::function<bool(ReplayStep)>& visit) {
  const auto stub = v1::LogService::NewStub(call.channel());
  grpc::ClientContext context;
  call.Prepare(context, /*with_deadline=*/false);
  v1::ReplaySagaRequest request;
  request.set_namespace_(key.namespace_name);
  request.set_saga_id(key.saga_id);
  request.set_from_revision(from);
  *request.mutable_as_of() = as_of;
  const auto reader = stub->ReplaySaga(&context, request);
  v1::ReplaySagaResponse frame;
  std::string input;
  Json last_context;
  bool is_first = true;
  while (reader->Read(&frame)) {
    for (v1::SagaStep& sent : *frame.mutable_steps()) {
      // What stays the same is sent once.
      if (std::exchange(is_first, false)) input = sent.saga().input();
      if (sent.has_context()) last_context = ParseOrText(sent.context());
      ReplayStep step{.event = std::move(*sent.mutable_event()),
                      .saga = std::move(*sent.mutable_saga()),
                      .context = last_context};
      step.saga.set_input(input);
      if (visit(std::move(step))) continue;
      context.TryCancel();
      return grpc::Status::OK;
    }
  }
  return reader->Finish();
}

grpc::Status StepWindow::Refresh() {
  v1::Saga saga;
  const grpc::Status status = FetchSagaAsOf(call_, key_, {}, saga);
  if (status.ok()) last_ = saga.revision();
  return status;
}

grpc::Status StepWindow::Load(uint64_t revision) {
  const uint64_t before = revision == 0 ? 0 : revision - 1;
  if (before >= begin_ && revision < begin_ + steps_.size()) return grpc::Status::OK;
  // Someone who goes back will go on going back.
  const bool goes_back = !steps_.empty() && revision < begin_ + steps_.size();
  begin_ = !goes_back ? before : revision < kSteps ? 0 : revision - kSteps + 1;
  steps_.clear();
  v1::AsOf as_of;
  as_of.set_revision(std::min(begin_ + kSteps - 1, last_));
  return ReadSteps(call_, key_, begin_, as_of, [this](ReplayStep step) {
    steps_.push_back(std::move(step));
    return true;
  });
}

}  // namespace skald::tools
