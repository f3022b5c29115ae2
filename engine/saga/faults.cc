// Errors: how they leave a task, where they are held until everything below is quiet and undone,
// and how a saga ends by one.

#include <algorithm>

#include "base/check.h"
#include "engine/saga/execution.h"
#include "engine/saga/problem.h"
#include "engine/saga/undo_order.h"

namespace skald::saga {

using log::v1::COMPENSATION_CAUSE_CANCEL;
using log::v1::COMPENSATION_CAUSE_FAULT;
using log::v1::COMPENSATION_CAUSE_RETRY;
using log::v1::COMPENSATION_CAUSE_TIMEOUT;
using log::v1::FAULT_PLAN_CATCH;
using log::v1::FAULT_PLAN_PROPAGATE;
using log::v1::FAULT_PLAN_RETRY;

void Execution::FailTaskFrame(FrameId id, Fault fault) {
  if (!fault.by_operator && RecoverForward(id, fault)) return;
  const Frame& at = frame(id);
  const FrameId parent = at.parent;
  log::v1::Event event;
  log::v1::TaskFaulted& faulted = *event.mutable_task_faulted();
  faulted.set_frame(id.value());
  faulted.set_task(at.task);
  faulted.set_error_slot(AddSlot(fault.error));
  faulted.set_status(ProblemStatus(fault.error));
  faulted.set_refused_for_good(fault.refused_for_good);
  faulted.set_awaiting_answer(fault.awaiting_answer);
  if (!fault.note.empty()) faulted.set_note_slot(AddSlot(Json::String(fault.note)));
  Emit(std::move(event));
  RaiseAt(parent, fault.error, COMPENSATION_CAUSE_FAULT, false);
}

void Execution::RaiseAt(FrameId id, const Json& error, CompensationCause cause, bool own) {
  const Frame& at = frame(id);
  if (at.fault) return;  // it is being left already
  if (at.kind == FrameKind::kUndo) {
    CancelChildren(id, cause);
    return FailStep(id, error);
  }
  Json raised = error;
  const FaultPlan plan = PlanFor(id, raised, own);
  log::v1::Event event;
  log::v1::ErrorRaised& held = *event.mutable_error_raised();
  held.set_frame(id.value());
  held.set_task(at.task);
  if (!raised.is_null()) {
    held.set_error_slot(AddSlot(raised));
    held.set_status(ProblemStatus(raised));
  }
  held.set_cause(cause);
  held.set_plan(plan);
  // A try's own timeout spans all of its attempts and its catch.
  held.set_keeps_deadline(plan != FAULT_PLAN_PROPAGATE && at.deadline != kNever);
  Emit(std::move(event));
  CancelChildren(id, cause);
}

FaultPlan Execution::PlanFor(FrameId id, Json& error, bool own) {
  const Frame& at = frame(id);
  if (own || at.kind != FrameKind::kTry || at.in_catch) return FAULT_PLAN_PROPAGATE;
  const Node& node = NodeOf(at);
  const definition::CatchClause& clause = *node.catch_clause;
  if (!Matches(clause.filter, error)) return FAULT_PLAN_PROPAGATE;
  Place place = PlaceOf(at);
  place.error_name = clause.as;
  place.error = error;
  const Json dot = at.input;
  for (const auto* condition : {&clause.when, &clause.except_when}) {
    if (!*condition) continue;
    OrProblem<bool> holds = Holds(**condition, dot, place);
    if (!holds.ok()) {
      error = holds.problem();
      return FAULT_PLAN_PROPAGATE;
    }
    if (*holds != (condition == &clause.when)) return FAULT_PLAN_PROPAGATE;
  }
  if (!clause.retry) return FAULT_PLAN_CATCH;
  if (RetryIsDue(*clause.retry, at.retries, at.started, place, dot)) return FAULT_PLAN_RETRY;
  return clause.has_body || clause.then ? FAULT_PLAN_CATCH : FAULT_PLAN_PROPAGATE;
}

// ---- Making it quiet ----

void Execution::CancelChildren(FrameId id, CompensationCause cause) {
  std::vector<FrameId> children;
  for (const Frame& candidate : state_.frames) {
    if (candidate.parent == id && candidate.id != kRootFrame) children.push_back(candidate.id);
  }
  for (size_t i = children.size(); i-- > 0;) CancelFrame(children[i], cause);
}

void Execution::CancelFrame(FrameId id, CompensationCause cause) {
  if (frame(id).kind == FrameKind::kUndo) return;  // an undo that has begun is finished
  CancelChildren(id, cause);
  const Frame& at = frame(id);
  // Within a handler nothing is ever owed, so nothing there has to wait.
  const bool may_owe = at.scope && !InsideUndo(id);
  if (may_owe && (at.fault || at.scope->undoing)) return;  // it is leaving by itself
  if (state_.HasChildren(id) || state_.HasExplicitUndo(id))
    return;  // until what undoes below has ended
  if (may_owe && !at.scope->sealed && (!at.scope->entries.empty() || AwaitsAnswers(id))) {
    log::v1::Event event;
    log::v1::ErrorRaised& held = *event.mutable_error_raised();
    held.set_frame(id.value());
    held.set_task(at.task);
    held.set_cause(cause);
    held.set_plan(FAULT_PLAN_PROPAGATE);
    return Emit(std::move(event));
  }
  log::v1::Event event;
  log::v1::TaskCancelled& cancelled = *event.mutable_task_cancelled();
  cancelled.set_frame(id.value());
  cancelled.set_task(at.task);
  cancelled.set_awaiting_answer(at.kind == FrameKind::kWorker &&
                                at.phase == Frame::Phase::kRunning);
  Emit(std::move(event));
}

CompensationCause Execution::CauseOfDoom(const Frame& frame) const {
  const Frame* at = &frame;
  while (at->id != kRootFrame && at->kind != FrameKind::kUndo) {
    at = state_.Find(at->parent);
    if (at->fault) return at->fault->cause;
  }
  return COMPENSATION_CAUSE_CANCEL;
}

bool Execution::AwaitsAnswers(FrameId scope) const {
  return std::any_of(state_.lingering.begin(), state_.lingering.end(), [&](const Lingering& call) {
    return !call.quiet &&
           std::find(call.scopes.begin(), call.scopes.end(), scope) != call.scopes.end();
  });
}

// ---- Leaving ----

bool Execution::MayUndo(const Frame& at) const {
  const Scope& scope = *at.scope;
  if (scope.sealed || state_.undo_stopped) return false;
  const definition::ScopeOptions& options = OptionsOf(at);
  if (at.fault->plan == FAULT_PLAN_RETRY) return options.compensate_on_retry;
  switch (at.fault->cause) {
    case COMPENSATION_CAUSE_TIMEOUT:
      return options.compensate_on_timeout;
    case COMPENSATION_CAUSE_CANCEL:
      // A cancel that undoes, undoes the root whatever its onCancel says; inner scopes have their
      // own say.
      return at.id == kRootFrame || options.compensate_on_cancel;
    default:
      return options.compensate_on_fault;
  }
}

bool Execution::ProceedFault(FrameId id) {
  // What an explicit undo of it began stands below it until it has ended.
  if (state_.HasChildren(id) || state_.HasExplicitUndo(id)) return false;
  const Frame& at = frame(id);
  if (at.scope && at.scope->undoing) return false;
  if (at.scope && MayUndo(at)) {
    const bool owed = !at.scope->entries.empty();
    const bool may_owe =
        std::any_of(state_.lingering.begin(), state_.lingering.end(), [&](const Lingering& call) {
          return !call.quiet && program().node(program().Find(call.task)).compensation.has_value();
        });
    // An undo must not overtake the call that it undoes.
    if ((owed || may_owe) && AwaitsAnswers(id)) return false;
    if (owed) {
      const CompensationCause cause =
          at.fault->plan == FAULT_PLAN_RETRY ? COMPENSATION_CAUSE_RETRY : at.fault->cause;
      StartUndo(id, cause, ArmedSeqs(at.scope->entries), kRootFrame);
      return true;
    }
  }
  LeaveByFault(id);
  return true;
}

void Execution::LeaveByFault(FrameId id) {
  const Frame& at = frame(id);
  const PendingFault fault = *at.fault;
  const bool stopped = at.scope && at.scope->stopped;
  if (fault.plan == FAULT_PLAN_RETRY && !stopped) return ScheduleRetry(id);
  if (fault.plan == FAULT_PLAN_CATCH && !stopped) {
    log::v1::Event event;
    event.mutable_error_caught()->set_frame(id.value());
    event.mutable_error_caught()->set_task(at.task);
    event.mutable_error_caught()->set_error_slot(AddSlot(fault.error));
    return Emit(std::move(event));
  }
  if (id == kRootFrame) return EndSaga(fault);
  log::v1::Event event;
  if (IsDoomed(at)) {
    event.mutable_task_cancelled()->set_frame(id.value());
    event.mutable_task_cancelled()->set_task(at.task);
    return Emit(std::move(event));
  }
  const FrameId parent = at.parent;
  event.mutable_task_faulted()->set_frame(id.value());
  event.mutable_task_faulted()->set_task(at.task);
  event.mutable_task_faulted()->set_error_slot(AddSlot(fault.error));
  event.mutable_task_faulted()->set_status(ProblemStatus(fault.error));
  Emit(std::move(event));
  RaiseAt(parent, fault.error, COMPENSATION_CAUSE_FAULT, false);
}

log::v1::CompensationSummary Execution::Summary() const {
  log::v1::CompensationSummary summary;
  summary.set_steps(state_.undo_completed + state_.undo_failed + state_.undo_skipped);
  summary.set_failed(state_.undo_failed);
  if (state_.undo_stopped) {
    summary.set_outcome("failed");
  } else if (state_.undo_failed > 0 || state_.undo_skipped > 0) {
    summary.set_outcome("partial");
  } else {
    summary.set_outcome(state_.undo_ran ? "compensated" : "none");
  }
  return summary;
}

void Execution::EndSaga(const PendingFault& fault) {
  log::v1::Event event;
  if (fault.cause == COMPENSATION_CAUSE_CANCEL) {
    *event.mutable_saga_cancelled()->mutable_compensation() = Summary();
  } else {
    event.mutable_saga_faulted()->set_error_slot(AddSlot(fault.error));
    *event.mutable_saga_faulted()->mutable_compensation() = Summary();
  }
  Emit(std::move(event));
}

}  // namespace skald::saga
