// Undo: which entries of a scope are owed, running their handlers in order, and what happens when a
// handler fails.

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "engine/saga/execution.h"
#include "engine/saga/problem.h"
#include "engine/saga/undo_order.h"

namespace skald::saga {

using definition::OnExhausted;

FrameId Execution::ScopeAround(FrameId id) const {
  for (FrameId at = id; at != kRootFrame;) {
    at = frame(at).parent;
    if (frame(at).scope) return at;
  }
  return kRootFrame;
}

const definition::ScopeOptions& Execution::OptionsOf(const Frame& at) const {
  const Node& node = at.id == kRootFrame ? program().node(0) : NodeOf(at);
  SKALD_CHECK(node.scope.has_value());
  return *node.scope;
}

std::string Execution::ScopeName(const Frame& at) const {
  const std::string& name = OptionsOf(at).name;
  if (!name.empty()) return name;
  return at.id == kRootFrame ? program().name : NodeOf(at).name;
}

const definition::Compensation& Execution::CompensationOf(const Entry& entry) const {
  const NodeIndex index = program().Find(entry.task);
  SKALD_CHECK(index != definition::kNoNode && program().node(index).compensation.has_value());
  return *program().node(index).compensation;
}

// What is owed for the task or the finished scope that is meant, also inside finished scopes.
void Execution::CollectTargets(const std::vector<Entry>& entries,
                               const definition::CompensateTarget& target,
                               std::vector<uint32_t>& seqs) const {
  for (const Entry& entry : entries) {
    bool is_meant = TaskName(entry.task) == target.name;
    if (target.kind == definition::CompensateTarget::Kind::kScope) {
      const Node& node = program().node(program().Find(entry.task));
      is_meant =
          node.scope && (node.scope->name.empty() ? node.name : node.scope->name) == target.name;
    }
    if (!is_meant) {
      CollectTargets(entry.children, target, seqs);
      continue;
    }
    const std::vector<uint32_t> owed =
        entry.handler.empty() ? ArmedSeqs(entry.children) : std::vector{entry.seq};
    seqs.insert(seqs.end(), owed.begin(), owed.end());
  }
}

void Execution::StepExplicitUndo(FrameId id) {
  const Node& node = NodeOf(frame(id));
  if (InsideUndo(id)) {
    return FailTaskFrame(
        id, {.error = MakeProblem(Problem::kConfiguration, "Compensation inside a compensation",
                                  "A handler cannot undo other work", node.reference)});
  }
  const definition::CompensateTarget& target = node.compensate_target;
  FrameId scope = ScopeAround(id);
  std::vector<uint32_t> seqs;
  for (FrameId at = scope;; at = ScopeAround(at)) {
    const Scope& candidate = *frame(at).scope;
    if (target.kind == definition::CompensateTarget::Kind::kInnermost ||
        (target.kind == definition::CompensateTarget::Kind::kScope &&
         ScopeName(frame(at)) == target.name)) {
      seqs = ArmedSeqs(candidate.entries);
    } else {
      CollectTargets(candidate.entries, target, seqs);
    }
    if (!seqs.empty() || at == kRootFrame ||
        target.kind == definition::CompensateTarget::Kind::kInnermost) {
      scope = at;
      break;
    }
  }
  if (seqs.empty()) return FinishTask(id, {.source = log::v1::OUTPUT_SOURCE_INPUT});
  StartUndo(scope, log::v1::COMPENSATION_CAUSE_EXPLICIT, std::move(seqs), id);
}

void Execution::StartUndo(FrameId id, CompensationCause cause, std::vector<uint32_t> seqs,
                          FrameId explicit_frame) {
  for (uint32_t seq : seqs) {
    const Entry* entry = FindEntry(frame(id).scope->entries, seq);
    if (entry->outcome != Entry::Outcome::kOpen) continue;
    log::v1::Event unknown;
    unknown.mutable_compensation_outcome_unknown()->set_scope(id.value());
    unknown.mutable_compensation_outcome_unknown()->set_seq(seq);
    unknown.mutable_compensation_outcome_unknown()->set_task(entry->task);
    Emit(std::move(unknown));
  }
  OrProblem<Timestamp> deadline = kNever;
  if (const Scope& scope = *frame(id).scope; scope.undoing) {
    // One more entry for an undo that runs: the whole of it has the time that it had.
    deadline = scope.undo_time_up ? context_.now : scope.undo_deadline;
  } else {
    deadline = Deadline(OptionsOf(frame(id)).timeout, Json(), {.frame = id});
  }
  log::v1::Event event;
  log::v1::CompensationStarted& started = *event.mutable_compensation_started();
  started.set_scope(id.value());
  started.set_task(frame(id).task);
  started.set_cause(cause);
  for (uint32_t seq : seqs) started.add_seqs(seq);
  started.set_explicit_frame(explicit_frame.value());
  if (deadline.ok() && *deadline != kNever) started.set_deadline_us(deadline->value());
  Emit(std::move(event));
}

bool Execution::StepUndo(FrameId id) {
  if (!frame(id).scope->stopped) {
    const std::vector<uint32_t> startable = StartableUndos(*frame(id).scope);
    for (uint32_t seq : startable) {
      if (frame(id).scope->stopped || OverBudget()) break;
      StartStep(id, seq);
    }
    if (!startable.empty()) return true;
  }
  const Scope& scope = *frame(id).scope;
  const bool over = scope.stopped ? !IsUndoRunning(scope) : IsUndoFinished(scope);
  if (!over) return false;
  const FrameId explicit_frame = scope.explicit_frame;
  const bool stopped = scope.stopped;
  log::v1::Event event;
  event.mutable_compensation_completed()->set_scope(id.value());
  event.mutable_compensation_completed()->set_task(frame(id).task);
  event.mutable_compensation_completed()->set_stopped(stopped);
  Emit(std::move(event));
  if (explicit_frame != kRootFrame && stopped) {
    const Frame& call = frame(explicit_frame);
    FailTaskFrame(
        explicit_frame,
        {.error = MakeProblem(Problem::kRuntime, "Compensation failed",
                              "An undo failed for good and its onExhausted is fault", call.task)});
  }
  return true;
}

// The path that the handler's calls extend: that of what encloses the task that is undone, or, for
// a handler that is not written at the task but inherited, the task's own.
std::string UndoPath(const Entry& entry) {
  absl::string_view path = entry.path;
  if (!absl::StartsWith(entry.handler, absl::StrCat(entry.task, "/"))) return std::string(path);
  if (absl::EndsWith(path, entry.task)) path.remove_suffix(entry.task.size());
  if (absl::EndsWith(path, ":")) path.remove_suffix(1);
  return std::string(path);
}

void Execution::StartStep(FrameId id, uint32_t seq) {
  const Entry& entry = *FindEntry(frame(id).scope->entries, seq);
  const definition::Compensation& compensation = CompensationOf(entry);
  const Json dot = entry.has_output ? entry.output : Json();
  Place place{.frame = id, .undo = &entry, .undo_scope = &*frame(id).scope};
  std::optional<Json> problem;
  if (compensation.condition) {
    OrProblem<bool> holds = Holds(*compensation.condition, dot, place);
    if (holds.ok() && !*holds) {
      log::v1::Event event;
      event.mutable_compensation_step_skipped()->set_scope(id.value());
      event.mutable_compensation_step_skipped()->set_seq(seq);
      event.mutable_compensation_step_skipped()->set_task(entry.task);
      return Emit(std::move(event));
    }
    if (!holds.ok()) problem = holds.problem();
  }
  log::v1::Event event;
  log::v1::CompensationStepStarted& started = *event.mutable_compensation_step_started();
  started.set_scope(id.value());
  started.set_seq(seq);
  started.set_task(entry.task);
  const FrameId undo_frame = NewFrameId();
  started.set_frame(undo_frame.value());
  started.set_attempt(entry.attempts + 1);
  started.set_path(UndoPath(entry));
  if (compensation.with && !problem) {
    OrProblem<Json> input = Evaluate(*compensation.with, dot, place);
    if (input.ok()) {
      started.set_input_slot(AddSlot(*input));
    } else {
      problem = input.problem();
    }
  }
  OrProblem<Timestamp> deadline = Deadline(compensation.timeout, dot, place);
  if (!deadline.ok() && !problem) problem = deadline.problem();
  if (deadline.ok() && *deadline != kNever) started.set_deadline_us(deadline->value());
  Emit(std::move(event));
  if (problem)
    FailStep(undo_frame, problem->With("instance", Json::String(compensation.reference)));
}

void Execution::FinishStep(FrameId undo_frame) {
  const Frame& at = frame(undo_frame);
  log::v1::Event event;
  log::v1::CompensationStepCompleted& completed = *event.mutable_compensation_step_completed();
  completed.set_scope(at.undo_scope.value());
  completed.set_seq(at.undo_seq);
  completed.set_task(FindEntry(frame(at.undo_scope).scope->entries, at.undo_seq)->task);
  Emit(std::move(event));
}

void Execution::FailStep(FrameId undo_frame, const Json& error) {
  const Frame& at = frame(undo_frame);
  const Scope& scope = *frame(at.undo_scope).scope;
  const Entry& entry = *FindEntry(scope.entries, at.undo_seq);
  const definition::Compensation& compensation = CompensationOf(entry);
  Place place{.frame = undo_frame, .error_name = "error", .error = error};
  const Json dot = at.input;
  if (compensation.retry && !scope.undo_time_up &&
      RetryIsDue(*compensation.retry, at.retries, at.started, place, dot)) {
    OrProblem<Micros> delay = RetryDelay(*compensation.retry, at.retries + 1, place, dot);
    if (delay.ok()) return ScheduleRetryAt(undo_frame, at.retries + 1, *delay, {.error = error});
  }
  ExhaustStep(undo_frame, error);
}

void Execution::ExhaustStep(FrameId undo_frame, const Json& error) {
  const Frame& at = frame(undo_frame);
  const FrameId scope = at.undo_scope;
  const uint32_t seq = at.undo_seq;
  const Entry& entry = *FindEntry(frame(scope).scope->entries, seq);
  const OnExhausted rule = CompensationOf(entry).on_exhausted;
  log::v1::Event event;
  if (rule == OnExhausted::kPark) {
    log::v1::CompensationStepParked& parked = *event.mutable_compensation_step_parked();
    parked.set_scope(scope.value());
    parked.set_seq(seq);
    parked.set_task(entry.task);
    parked.set_error_slot(AddSlot(error));
    parked.set_status(ProblemStatus(error));
  } else {
    log::v1::CompensationStepFailed& failed = *event.mutable_compensation_step_failed();
    failed.set_scope(scope.value());
    failed.set_seq(seq);
    failed.set_task(entry.task);
    failed.set_error_slot(AddSlot(error));
    failed.set_status(ProblemStatus(error));
    failed.set_stop(rule == OnExhausted::kFault);
  }
  Emit(std::move(event));
}

}  // namespace skald::saga
