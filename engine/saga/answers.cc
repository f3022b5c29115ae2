// What workers answer: in time, late, or never.

#include <algorithm>

#include "base/errors.h"
#include "engine/saga/execution.h"
#include "engine/saga/problem.h"

namespace skald::saga {

absl::Status Execution::Handle(const AnswerTask& request) {
  if (!state_.exists()) return SagaNotFoundError(command_.saga);
  const Frame* at = state_.Find(request.token.frame);
  if (at == nullptr || at->kind != FrameKind::kWorker ||
      at->call->attempt != request.token.attempt) {
    return AnswerLate(request);
  }
  // Failed or timed out already: whatever is said of this attempt now comes too late.
  if (at->phase != Frame::Phase::kRunning)
    return TaskNotRunningError(state_.key, at->task, "this attempt has failed already");
  if (request.output && IsTooLarge(*request.output)) {
    FinishWithoutOutput(at->id, request.output->text.size());
    return absl::OkStatus();
  }
  if (request.output) {
    FinishTask(at->id, {.source = log::v1::OUTPUT_SOURCE_SLOT, .value = request.output});
    return absl::OkStatus();
  }
  Json error = NormalizeProblem(request.error.value_or(Json()), at->task);
  const bool refused = IsRefusedForGood(error);
  FailTaskFrame(at->id, {.error = std::move(error), .refused_for_good = refused});
  return absl::OkStatus();
}

absl::Status Execution::AnswerLate(const AnswerTask& request) {
  const FrameId id = request.token.frame;
  auto call = std::find_if(
      state_.lingering.begin(), state_.lingering.end(), [&](const Lingering& lingering) {
        return lingering.frame == id && lingering.call.attempt == request.token.attempt;
      });
  if (call == state_.lingering.end()) {
    const Frame* at = state_.Find(id);
    return TaskNotRunningError(state_.key, at == nullptr ? "" : at->task,
                               "it is not open: it was answered before, or never handed out");
  }
  const Lingering late = *call;
  const absl::Status refusal =
      TaskNotRunningError(state_.key, late.task, "the task has been given up");
  if (request.output && program().node(program().Find(late.task)).compensation) {
    if (!IsSuperseded(late)) {
      ArmLate(late, *request.output);
      return absl::OkStatus();
    }
  }
  if (late.quiet || state_.is_ended()) return refusal;
  log::v1::Event event;
  event.mutable_task_quiesced()->set_frame(id.value());
  event.mutable_task_quiesced()->set_task(late.task);
  event.mutable_task_quiesced()->set_failed(!request.output.has_value());
  Emit(std::move(event));
  return request.output ? refusal : absl::OkStatus();
}

bool Execution::HasNewerOutcome(const Lingering& late) const {
  const auto run = state_.runs.find(late.call.path);
  // The outcome of one that failed but may be tried again is of no use.
  return run != state_.runs.end() && run->second.run == late.call.run &&
         run->second.attempts > late.call.attempt && run->second.grows;
}

bool Execution::IsSuperseded(const Lingering& late) const {
  return HasNewerOutcome(late) ||
         std::any_of(state_.frames.begin(), state_.frames.end(), [&](const Frame& at) {
           return at.call && at.call->path == late.call.path && at.call->run == late.call.run &&
                  at.call->attempt > late.call.attempt;
         });
}

bool Execution::IsTooLarge(const Payload& output) const {
  return output.text.size() > context_.limits.output_bytes_max;
}

void Execution::ArmLate(const Lingering& late, const Payload& output) {
  const uint32_t slot = IsTooLarge(output) ? 0 : AddSlot(output);
  FrameId scope = kRootFrame;
  for (auto at = late.scopes.rbegin(); at != late.scopes.rend(); ++at) {
    if (state_.Find(*at) != nullptr) scope = *at;  // the innermost that still lives
  }
  const bool incident = state_.is_ended() || frame(scope).scope->sealed;
  if (late.quiet || incident) {
    log::v1::Event event;
    log::v1::LateCompletion& completion = *event.mutable_late_completion();
    completion.set_frame(late.frame.value());
    completion.set_task(late.task);
    completion.set_output_slot(slot);
    completion.set_incident(incident);
    Emit(std::move(event));
  }
  if (incident) return;
  // An undo of the unknown outcome that has begun may have come before the effect: then another is
  // owed after it. A parked one is tried again with what is known now.
  uint32_t seq = state_.next_seq;
  bool owed_already = false;
  for (const Entry* entry : EntriesOfFrame(frame(scope).scope->entries, late.frame)) {
    if (entry->phase == Entry::Phase::kRunning || entry->phase == Entry::Phase::kRetrying) continue;
    seq = entry->seq;
    owed_already = entry->phase != Entry::Phase::kArmed;
  }
  log::v1::Event event;
  log::v1::CompensationArmed& armed = *event.mutable_compensation_armed();
  armed.set_scope(scope.value());
  armed.set_seq(seq);
  armed.set_frame(late.frame.value());
  armed.set_task(late.task);
  armed.set_handler(program().node(program().Find(late.task)).compensation->reference);
  armed.set_output_slot(slot);
  armed.set_output_lost(slot == 0);
  armed.set_path(late.call.path);
  Emit(std::move(event));
  const Scope& holder = *frame(scope).scope;
  if (owed_already) return;
  // A failed undo stopped this one for good: what is still armed stays so, and is listed.
  if (holder.undoing && holder.stopped) return;
  if (holder.undoing) return StartUndo(scope, holder.cause, {seq}, holder.explicit_frame);
  if (frame(scope).fault) return;  // undone with the rest, when the scope is quiet
  // The saga goes on as if the task had not been done, so it is undone by itself, now.
  const definition::ScopeOptions& options = OptionsOf(frame(scope));
  const bool undo = frame(scope).phase == Frame::Phase::kBackoff ? options.compensate_on_retry
                                                                 : options.compensate_on_fault;
  if (undo) StartUndo(scope, log::v1::COMPENSATION_CAUSE_CANCEL, {seq}, kRootFrame);
}

absl::Status Execution::Handle(const QuiesceTask& request) {
  auto call = std::find_if(state_.lingering.begin(), state_.lingering.end(),
                           [&](const Lingering& lingering) {
                             return lingering.frame == request.token.frame &&
                                    lingering.call.attempt == request.token.attempt;
                           });
  if (!state_.exists() || state_.is_ended() || call == state_.lingering.end() || call->quiet)
    return absl::OkStatus();
  const Lingering quiet = *call;
  for (FrameId scope : quiet.scopes) {
    if (state_.Find(scope) == nullptr) continue;
    for (const Entry* entry : EntriesOfFrame(frame(scope).scope->entries, quiet.frame)) {
      if (entry->outcome != Entry::Outcome::kOpen) continue;
      log::v1::Event event;
      if (request.never_dispatched) {
        event.mutable_compensation_disarmed()->set_scope(scope.value());
        event.mutable_compensation_disarmed()->set_seq(entry->seq);
        event.mutable_compensation_disarmed()->set_task(entry->task);
      } else {
        event.mutable_compensation_outcome_unknown()->set_scope(scope.value());
        event.mutable_compensation_outcome_unknown()->set_seq(entry->seq);
        event.mutable_compensation_outcome_unknown()->set_task(entry->task);
      }
      Emit(std::move(event));
      break;
    }
  }
  log::v1::Event event;
  event.mutable_task_quiesced()->set_frame(quiet.frame.value());
  event.mutable_task_quiesced()->set_task(quiet.task);
  event.mutable_task_quiesced()->set_never_dispatched(request.never_dispatched);
  event.mutable_task_quiesced()->set_failed(!request.never_dispatched && HasNewerOutcome(quiet));
  Emit(std::move(event));
  return absl::OkStatus();
}

}  // namespace skald::saga
