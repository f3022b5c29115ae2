#include "api/replay_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "api/convert_event.h"
#include "api/convert_saga.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/saga/state.h"

namespace skald::api {
namespace {

// Events folded before others have their turn, and before a caller who gave up is noticed.
constexpr int kEventsAtOnce = 10'000;
// Steps in a frame, beside the bound on its bytes.
constexpr int kStepsPerFrameMax = 1'000;

constexpr int64_t kNanosMax = 999'999'999;

bool EndsCommit(const runtime::RecordedEvent& event) {
  return event.position.value() + 1 == event.commit_first.value() + event.header->count();
}

}  // namespace

runtime::AsOf ReadAsOf(const v1::AsOf& as_of, Violations& violations) {
  switch (as_of.moment_case()) {
    case v1::AsOf::kRevision:
      return Revision(as_of.revision());
    case v1::AsOf::kPosition:
      return Position(as_of.position());
    case v1::AsOf::kTime: {
      const google::protobuf::Timestamp& time = as_of.time();
      // Years 1 to 9999, as protobuf says.
      constexpr int64_t kSecondsMin = -62'135'596'800;
      constexpr int64_t kSecondsMax = 253'402'300'799;
      if (time.seconds() < kSecondsMin || time.seconds() > kSecondsMax || time.nanos() < 0 ||
          time.nanos() > kNanosMax) {
        violations.Add("as_of.time", "is no time between the years 1 and 9999");
        return {};
      }
      return Timestamp(time.seconds() * kSecond + time.nanos() / 1'000);
    }
    case v1::AsOf::MOMENT_NOT_SET:
      break;
  }
  return {};
}

absl::Status GetSagaAsOf(runtime::Engine& engine, SagaKey key, const runtime::AsOf& as_of,
                         absl::FunctionRef<bool()> stopped, v1::Saga& saga) {
  SKALD_ASSIGN_OR_RETURN(const auto replay,
                         runtime::SagaReplay::Open(engine, std::move(key), as_of));
  for (int folded = 1;; ++folded) {
    SKALD_ASSIGN_OR_RETURN(const bool more, replay->Next());
    if (!more) break;
    if (folded % kEventsAtOnce == 0 && stopped()) return absl::CancelledError("the caller is gone");
  }
  SetSaga(saga::ViewOf(replay->state()), SagaDetail::kFull, saga);
  return absl::OkStatus();
}

absl::Status ReplaySource::Begin() {
  SKALD_ASSIGN_OR_RETURN(replay_, runtime::SagaReplay::Open(context_.engine, key_, as_of_));
  if (from_ <= replay_->last()) return absl::OkStatus();
  return BadRequestError(
      "from_revision",
      absl::StrCat("is ", from_.value(), ", but the last step is ", replay_->last().value()));
}

void ReplaySource::AddStep(v1::SagaStep& step) {
  const saga::SagaState& state = replay_->state();
  SetEvent(replay_->event(), *step.mutable_event());
  SetSaga(saga::ViewOf(state), SagaDetail::kFull, *step.mutable_saga());
  if (has_sent_) step.mutable_saga()->clear_input();
  if (!has_sent_ || !(state.context == sent_context_)) {
    sent_context_ = state.context;
    step.set_context(sent_context_.ToText());
  }
  has_sent_ = true;
}

Pulled ReplaySource::Pull(v1::ReplaySagaResponse& frame) {
  if (replay_ == nullptr) {
    if (absl::Status status = Begin(); !status.ok()) return Pulled::End(std::move(status));
  }
  size_t bytes = 0;
  for (int folded = 0, is_full = false; !is_full; ++folded) {
    const absl::StatusOr<bool> more = replay_->Next();
    if (!more.ok()) return Pulled::End(more.status());
    if (!*more) {
      replay_->Rest();
      return frame.steps_size() > 0 ? Pulled::Frame() : Pulled::End(absl::OkStatus());
    }
    const runtime::RecordedEvent event = replay_->event();
    if (event.revision >= from_) {
      frame.set_last_revision(replay_->last().value());
      AddStep(*frame.add_steps());
      bytes += frame.steps(frame.steps_size() - 1).ByteSizeLong();
    }
    is_full = EndsCommit(event) &&
              (folded >= kEventsAtOnce || bytes >= context_.options.log_frame_bytes ||
               frame.steps_size() >= kStepsPerFrameMax);
  }
  replay_->Rest();
  if (frame.steps_size() > 0) return Pulled::Frame();
  wake_();
  return Pulled::NothingNow();
}

}  // namespace skald::api
