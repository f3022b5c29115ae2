// Trying again: a try's retries, an undo's own, and forward recovery after a pivot.

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "engine/saga/execution.h"
#include "engine/saga/problem.h"

namespace skald::saga {
namespace {

constexpr Micros kDelayMax = kDay;

// Forward recovery where the definition says nothing: 1 s doubling to 5 min, 20 retries, then park.
constexpr Micros kForwardDelay = kSecond;
constexpr Micros kForwardDelayMax = 5 * kMinute;
constexpr uint32_t kForwardRetries = 20;

// span * factor, at most `limit`.
Micros Scaled(Micros span, double factor, Micros limit) {
  if (span == 0) return 0;  // also of a factor that is infinite by now
  const double scaled = static_cast<double>(span) * factor;
  return scaled < static_cast<double>(limit) ? static_cast<Micros>(scaled) : limit;
}

Micros SpanOf(const definition::Duration& duration, Timestamp now) {
  return std::max<Micros>(0, duration.From(now).value() - now.value());
}

}  // namespace

bool Execution::RetryIsDue(const definition::RetryPolicy& policy, uint32_t retries, Timestamp since,
                           const Place& place, const Json& dot) {
  if (policy.attempt_count_max && retries >= *policy.attempt_count_max) return false;
  for (const auto* condition : {&policy.when, &policy.except_when}) {
    if (!*condition) continue;
    OrProblem<bool> holds = Holds(**condition, dot, place);
    if (!holds.ok() || *holds != (condition == &policy.when)) return false;
  }
  if (!policy.total_duration) return true;
  OrProblem<definition::Duration> total = EvaluateDuration(*policy.total_duration, dot, place);
  OrProblem<Micros> delay = RetryDelay(policy, retries + 1, place, dot);
  return total.ok() && delay.ok() && After(context_.now, *delay) <= total->From(since);
}

OrProblem<Micros> Execution::RetryDelay(const definition::RetryPolicy& policy, uint32_t retry,
                                        const Place& place, const Json& dot) {
  OrProblem<definition::Duration> base = EvaluateDuration(policy.delay, dot, place);
  if (!base.ok()) return OrProblem<Micros>::Failed(base.problem());
  const Micros span = SpanOf(*base, context_.now);
  double factor = 1;
  switch (policy.backoff) {
    case definition::Backoff::kConstant:
      break;
    case definition::Backoff::kLinear:
      factor = retry;
      break;
    case definition::Backoff::kExponential:
      factor = std::exp2(static_cast<double>(retry) - 1);
      break;
  }
  Micros delay = Scaled(span, factor, kDelayMax);
  if (policy.jitter) {
    OrProblem<definition::Duration> from = EvaluateDuration(policy.jitter->first, dot, place);
    if (!from.ok()) return OrProblem<Micros>::Failed(from.problem());
    OrProblem<definition::Duration> to = EvaluateDuration(policy.jitter->second, dot, place);
    if (!to.ok()) return OrProblem<Micros>::Failed(to.problem());
    const Micros low = SpanOf(*from, context_.now);
    const Micros high = std::max(low, SpanOf(*to, context_.now));
    delay += low + static_cast<Micros>(NextRandom() % (static_cast<uint64_t>(high - low) + 1));
  }
  return std::min(delay, kDelayMax);
}

void Execution::ScheduleRetryAt(FrameId id, uint32_t retry, Micros delay, const Fault& fault) {
  const Json& error = fault.error;
  const Frame& at = frame(id);
  log::v1::Event event;
  log::v1::TaskRetryScheduled& scheduled = *event.mutable_task_retry_scheduled();
  scheduled.set_frame(id.value());
  scheduled.set_task(at.task);
  scheduled.set_retry(retry);
  scheduled.set_due_us(After(context_.now, delay).value());
  scheduled.set_error_slot(AddSlot(error));
  scheduled.set_status(ProblemStatus(error));
  scheduled.set_refused_for_good(fault.refused_for_good);
  Emit(std::move(event));
  if (delay == 0 && !state_.suspended) Retry(id);
}

void Execution::ScheduleRetry(FrameId id) {
  const Frame& at = frame(id);
  const Json error = at.fault->error;
  const definition::CatchClause& clause = *NodeOf(at).catch_clause;
  Place place = PlaceOf(at);
  place.error_name = clause.as;
  place.error = error;
  const Json dot = at.input;
  const uint32_t retry = at.retries + 1;
  OrProblem<Micros> delay = RetryDelay(*clause.retry, retry, place, dot);
  // A delay that cannot be computed is no reason to lose the retry.
  ScheduleRetryAt(id, retry, delay.ok() ? *delay : 0, {.error = error});
}

void Execution::Retry(FrameId id) {
  const Frame& at = frame(id);
  log::v1::Event event;
  log::v1::TaskRetried& retried = *event.mutable_task_retried();
  retried.set_frame(id.value());
  retried.set_task(at.task);
  retried.set_retry(at.retries);
  const Json dot = at.input;
  OrProblem<Timestamp> deadline = kNever;
  switch (at.kind) {
    case FrameKind::kTry: {
      const definition::CatchClause& clause = *NodeOf(at).catch_clause;
      if (clause.retry) deadline = Deadline(clause.retry->attempt_duration, dot, PlaceOf(at));
      break;
    }
    case FrameKind::kUndo: {
      const Entry* entry = FindEntry(frame(at.undo_scope).scope->entries, at.undo_seq);
      Place place{.frame = id};
      deadline = Deadline(CompensationOf(*entry).timeout, dot, place);
      break;
    }
    case FrameKind::kWorker: {
      const Node& node = NodeOf(at);
      log::v1::WorkerCall& call = *retried.mutable_call();
      call = NextCall(node, at.call->path, UndoAround(id));
      // Answers name frame and attempt: one to an earlier call must not fit, also when a run begins.
      call.set_attempt(std::max(call.attempt(), at.call->attempt + 1));
      deadline = Deadline(node.timeout, dot, PlaceOf(at));
      break;
    }
    default:
      break;
  }
  if (deadline.ok() && *deadline != kNever) retried.set_attempt_deadline_us(deadline->value());
  Emit(std::move(event));
}

// ---- After a pivot ----

// True when the error, raised in `id`, would not be caught before it leaves a sealed scope; then
// `sealed` is that scope.
bool Execution::StaysInside(FrameId id, Json error, FrameId* sealed) {
  for (FrameId at = id; at != kRootFrame;) {
    at = frame(at).parent;
    const Frame& around = frame(at);
    if (around.kind == FrameKind::kUndo || around.fault) return false;
    if (around.kind == FrameKind::kTry &&
        PlanFor(at, error, false) != log::v1::FAULT_PLAN_PROPAGATE)
      return false;
    if (around.scope && around.scope->sealed) {
      *sealed = at;
      return true;
    }
  }
  return false;
}

bool Execution::RecoverForward(FrameId id, const Fault& fault) {
  FrameId sealed;
  if (!StaysInside(id, fault.error, &sealed)) return false;
  const Frame& at = frame(id);
  if (at.kind != FrameKind::kWorker || fault.raised || IsDefinitionProblem(fault.error)) {
    Park(id, fault);
    return true;
  }
  const Node& node = NodeOf(at);
  const definition::RetryPolicy* policy = node.forward ? &*node.forward : nullptr;
  // By frames: inside a function those of the definition end at the function.
  for (FrameId up = id; policy == nullptr && up != kRootFrame;) {
    up = frame(up).parent;
    const Node& around = up == kRootFrame ? program().node(0) : NodeOf(frame(up));
    if (around.forward) policy = &*around.forward;
    if (around.scope && around.scope->forward) policy = &*around.scope->forward;
  }
  Place place = PlaceOf(at);
  place.error_name = "error";
  place.error = fault.error;
  const Json dot = at.input;
  if (policy == nullptr) {
    if (at.retries >= kForwardRetries) {
      Park(id, fault);
    } else {
      CallAgainIn(Scaled(kForwardDelay, std::exp2(at.retries), kForwardDelayMax), id, fault);
    }
    return true;
  }
  OrProblem<Micros> delay = RetryDelay(*policy, at.retries + 1, place, dot);
  if (!delay.ok() || !RetryIsDue(*policy, at.retries, at.started, place, dot)) {
    Park(id, fault);
  } else {
    CallAgainIn(*delay, id, fault);
  }
  return true;
}

void Execution::CallAgainIn(Micros delay, FrameId id, const Fault& fault) {
  // The timeout is one call's: the next gets its own, and none runs between.
  if (frame(id).deadline != kNever) WaiveTimeout(id, FireTimer::Kind::kDeadline);
  ScheduleRetryAt(id, frame(id).retries + 1, delay, fault);
}

void Execution::Park(FrameId id, const Fault& fault) {
  log::v1::Event event;
  log::v1::TaskParked& parked = *event.mutable_task_parked();
  parked.set_frame(id.value());
  parked.set_task(frame(id).task);
  parked.set_error_slot(AddSlot(fault.error));
  parked.set_status(ProblemStatus(fault.error));
  parked.set_refused_for_good(fault.refused_for_good);
  Emit(std::move(event));
}

}  // namespace skald::saga
