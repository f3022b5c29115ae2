// What clients and operators ask of a whole saga.

#include "base/errors.h"
#include "engine/saga/execution.h"
#include "engine/saga/problem.h"

namespace skald::saga {

absl::Status Execution::RequireRunning() const {
  if (!state_.exists()) return SagaNotFoundError(command_.saga);
  if (state_.is_ended()) return SagaAlreadyEndedError(command_.saga, StatusName(state_.end));
  return absl::OkStatus();
}

absl::Status Execution::Handle(const StartSaga& request) {
  if (state_.exists()) return SagaAlreadyExistsError(command_.saga);
  Place place;
  Json input = request.input.value;
  std::optional<Json> problem =
      Violation(program().input_schema, input, "The workflow's input", "/input");
  log::v1::Event event;
  log::v1::SagaStarted& started = *event.mutable_saga_started();
  started.set_definition_name(program().name);
  started.set_definition_version(program().version);
  started.set_input_slot(AddSlot(request.input));
  if (program().input_from && !problem) {
    OrProblem<Json> transformed = Evaluate(*program().input_from, input, place);
    if (transformed.ok()) {
      input = *transformed;
      started.set_transformed_input_slot(AddSlot(input));
    } else {
      problem = transformed.problem();
    }
  }
  OrProblem<Timestamp> deadline = Deadline(program().timeout, input, place);
  if (!deadline.ok() && !problem) problem = deadline.problem();
  if (deadline.ok() && *deadline != kNever) started.set_deadline_us(deadline->value());
  const std::optional<definition::ScopeOptions>& root = program().node(0).scope;
  started.mutable_scope()->set_order(root ? static_cast<uint32_t>(root->order) : 0);
  Emit(std::move(event));
  if (problem) RaiseAt(kRootFrame, *problem, log::v1::COMPENSATION_CAUSE_FAULT, true);
  return absl::OkStatus();
}

absl::Status Execution::Handle(const CancelSaga& request) {
  if (absl::Status running = RequireRunning(); !running.ok()) return running;
  const Frame& root = frame(kRootFrame);
  if (state_.cancelling || root.fault) return absl::OkStatus();  // it is being undone already
  for (const Frame& at : state_.frames) {
    if (at.scope && at.scope->sealed && !request.force)
      return SagaPivotPassedError(state_.key, ScopeName(at));
  }
  const std::optional<definition::ScopeOptions>& options = program().node(0).scope;
  const bool undo = request.compensate.value_or(!options || options->compensate_on_cancel);
  log::v1::Event event;
  log::v1::CancelRequested& requested = *event.mutable_cancel_requested();
  requested.set_reason_slot(AddSlot(Json::String(request.reason)));
  requested.set_abandon(!undo);
  requested.set_forced(request.force);
  Emit(std::move(event));
  if (undo) {
    RaiseAt(kRootFrame, Json(), log::v1::COMPENSATION_CAUSE_CANCEL, true);
    return absl::OkStatus();
  }
  log::v1::Event cancelled;
  cancelled.mutable_saga_cancelled();
  Emit(std::move(cancelled));
  return absl::OkStatus();
}

absl::Status Execution::Handle(const TerminateSaga& request) {
  if (absl::Status running = RequireRunning(); !running.ok()) return running;
  log::v1::Event requested;
  requested.mutable_cancel_requested()->set_reason_slot(AddSlot(Json::String(request.reason)));
  requested.mutable_cancel_requested()->set_abandon(true);
  Emit(std::move(requested));
  log::v1::Event event;
  event.mutable_saga_cancelled()->set_terminated(true);
  Emit(std::move(event));
  return absl::OkStatus();
}

absl::Status Execution::Handle(const SuspendSaga& request) {
  if (absl::Status running = RequireRunning(); !running.ok()) return running;
  if (state_.suspended) return absl::OkStatus();
  log::v1::Event event;
  event.mutable_saga_suspended()->set_reason_slot(AddSlot(Json::String(request.reason)));
  Emit(std::move(event));
  return absl::OkStatus();
}

absl::Status Execution::Handle(const ResumeSaga&) {
  if (absl::Status running = RequireRunning(); !running.ok()) return running;
  if (!state_.suspended) {
    const SagaView view = ViewOf(state_);
    if (view.suspend_reason == SuspendReason::kParked) {
      return SagaParkedError(state_.key,
                             view.incidents.empty() ? "" : view.incidents.front().verbs);
    }
    return SagaNotSuspendedError(state_.key, StatusName(view.status));
  }
  log::v1::Event event;
  event.mutable_saga_resumed();
  Emit(std::move(event));
  FinishLists();
  // Clocks ran on: what came due meanwhile fires now, unless what fired before made it pointless.
  for (const Timer& timer : PendingTimers(state_)) {
    if (timer.due > context_.now || timer.kind == FireTimer::Kind::kContinue) continue;
    if (OverBudget()) break;  // the rest is due as soon as this is done
    if (IsPending(timer)) Fire(timer.kind, timer.frame);
  }
  return absl::OkStatus();
}

}  // namespace skald::saga
