// Finishing a task: arming its undo, then output, context and where to go (the standard's order of
// evaluation, steps 6 to 10).

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "engine/saga/execution.h"
#include "engine/saga/problem.h"

namespace skald::saga {

using definition::kNoNode;

void Execution::FinishTask(FrameId id, Output output) {
  const Node& node = NodeOf(frame(id));
  Place place = PlaceOf(frame(id));
  Json raw;
  uint32_t raw_slot = 0;
  switch (output.source) {
    case log::v1::OUTPUT_SOURCE_SLOT:
      raw = output.value->value;
      raw_slot = AddSlot(*output.value);
      break;
    case log::v1::OUTPUT_SOURCE_INPUT:
      raw = frame(id).input;
      break;
    default:
      raw = frame(id).data;
      break;
  }
  ArmFinished(id, node, raw_slot);

  log::v1::TaskCompleted completed;
  completed.set_frame(id.value());
  completed.set_task(node.reference);
  completed.set_source(output.source);
  completed.set_output_slot(raw_slot);
  if (!output.note.empty()) completed.set_note_slot(AddSlot(Json::String(output.note)));
  place.raw_output = raw;
  Json transformed = raw;
  if (node.output_as) {
    OrProblem<Json> value = Evaluate(*node.output_as, raw, place);
    if (!value.ok()) return FailFinished(id, value.problem());
    transformed = *value;
    completed.set_transformed_output_slot(AddSlot(transformed));
  }
  if (auto problem =
          Violation(node.output_schema, transformed, "The task's output", node.reference)) {
    return FailFinished(id, *problem);
  }
  if (node.export_as) {
    place.output = transformed;
    OrProblem<Json> value = Evaluate(*node.export_as, transformed, place);
    if (!value.ok()) return FailFinished(id, value.problem());
    if (auto problem =
            Violation(node.export_schema, *value, "The exported context", node.reference)) {
      return FailFinished(id, *problem);
    }
    completed.set_context_slot(AddSlot(*value));
  }
  *completed.mutable_next() = NextOf(node, output.flow.value_or(node.then));
  const FrameId scope = ScopeAround(id);
  const std::optional<WorkerCall> call = frame(id).call;
  log::v1::Event event;
  *event.mutable_task_completed() = std::move(completed);
  Emit(std::move(event));
  if (call && !state_.lingering.empty()) SupersedeLingering(*call, id);
  if (!node.pivot) return;
  log::v1::Event passed;
  passed.mutable_pivot_passed()->set_scope(scope.value());
  passed.mutable_pivot_passed()->set_task(node.reference);
  Emit(std::move(passed));
}

void Execution::SupersedeLingering(const WorkerCall& call, FrameId id) {
  std::vector<Lingering> older;
  for (const Lingering& late : state_.lingering) {
    const bool is_same = late.call.path == call.path && late.call.run == call.run;
    if (is_same && late.quiet && late.frame != id) older.push_back(late);
  }
  for (const Lingering& late : older) {
    log::v1::Event event;
    event.mutable_task_quiesced()->set_frame(late.frame.value());
    event.mutable_task_quiesced()->set_task(late.task);
    event.mutable_task_quiesced()->set_failed(true);
    Emit(std::move(event));
  }
}

void Execution::FinishWithoutOutput(FrameId id, size_t output_bytes) {
  const Node& node = NodeOf(frame(id));
  ArmFinished(id, node, 0, Kept::kNothing);
  FailFinished(id, MakeProblem(Problem::kRuntime, "Task output too large",
                               absl::StrCat("The output takes ", output_bytes, " bytes; at most ",
                                            context_.limits.output_bytes_max,
                                            " are allowed. Store the large value elsewhere and "
                                            "answer with a reference to it"),
                               node.reference));
}

void Execution::FailFinished(FrameId id, const Json& problem) {
  // The run itself completed: entering the task again is a new one.
  FailTaskFrame(id, {.error = problem, .refused_for_good = true});
}

void Execution::ArmFinished(FrameId id, const Node& node, uint32_t output_slot, Kept kept) {
  if (InsideUndo(id)) return;  // an undo is never undone
  const Frame& at = frame(id);
  const bool group = at.scope && !at.scope->sealed && !at.scope->entries.empty();
  if (!node.compensation && !group) return;
  const FrameId scope = ScopeAround(id);
  uint32_t seq = state_.next_seq;
  for (const Entry& entry : frame(scope).scope->entries) {
    // register: attempt; its outcome is known now. One that is known is of an earlier run.
    if (entry.frame == id && entry.outcome == Entry::Outcome::kOpen) seq = entry.seq;
  }
  log::v1::Event event;
  log::v1::CompensationArmed& armed = *event.mutable_compensation_armed();
  armed.set_scope(scope.value());
  armed.set_seq(seq);
  armed.set_frame(id.value());
  armed.set_task(node.reference);
  if (node.compensation) armed.set_handler(node.compensation->reference);
  armed.set_output_slot(output_slot);
  armed.set_output_lost(kept == Kept::kNothing);
  armed.set_path(at.call ? at.call->path : PathOf(at.parent, node));
  if (group) armed.mutable_child_scope()->set_order(static_cast<uint32_t>(at.scope->order));
  Emit(std::move(event));
}

log::v1::Next Execution::NextOf(const Node& node, const Flow& flow) const {
  log::v1::Next next;
  switch (flow.kind) {
    case Flow::Kind::kContinue:
      if (node.next == kNoNode) {
        next.set_kind(log::v1::Next::KIND_EXIT);
      } else {
        next.set_kind(log::v1::Next::KIND_TASK);
        next.set_task(program().node(node.next).reference);
      }
      break;
    case Flow::Kind::kExit:
      next.set_kind(log::v1::Next::KIND_EXIT);
      break;
    case Flow::Kind::kEnd:
      next.set_kind(log::v1::Next::KIND_END);
      break;
    case Flow::Kind::kTask:
      next.set_kind(log::v1::Next::KIND_TASK);
      next.set_task(program().node(flow.target).reference);
      break;
  }
  return next;
}

}  // namespace skald::saga
