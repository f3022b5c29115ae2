// Entering a task: condition, input, then its body by kind (the standard's order of evaluation,
// steps 1 to 5).

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "engine/saga/execution.h"
#include "engine/saga/problem.h"

namespace skald::saga {

using definition::NodeKind;

namespace {

// Events between two looks at the size of a state.
constexpr uint64_t kMeasureEvents = 16;

}  // namespace

void Execution::EnterTask(FrameId parent, NodeIndex index) {
  const Node& node = program().node(index);
  const Json raw = frame(parent).data;
  Place place{.frame = parent, .node = &node, .started = context_.now, .raw_input = raw};
  if (auto problem = ExceededLimit(parent, node)) {
    return FailEntry(parent, node, *std::move(problem));
  }
  if (node.condition) {
    OrProblem<bool> holds = Holds(*node.condition, raw, place);
    if (!holds.ok()) return FailEntry(parent, node, holds.problem());
    if (!*holds) {
      log::v1::Event event;
      log::v1::TaskSkipped& skipped = *event.mutable_task_skipped();
      skipped.set_parent(parent.value());
      skipped.set_task(node.reference);
      *skipped.mutable_next() = NextOf(node, Flow{});  // a skipped task's own `then` does not apply
      return Emit(std::move(event));
    }
  }
  if (auto problem = Violation(node.input_schema, raw, "The task's input", node.reference)) {
    return FailEntry(parent, node, *std::move(problem));
  }
  if (!node.input_from) return BeginBody(parent, node, raw, false);
  OrProblem<Json> input = Evaluate(*node.input_from, raw, place);
  if (!input.ok()) return FailEntry(parent, node, input.problem());
  BeginBody(parent, node, *input, true);
}

std::optional<Json> Execution::ExceededLimit(FrameId parent, const Node& node) {
  size_t depth = 0;
  for (FrameId at = parent; at != kRootFrame; at = frame(at).parent) ++depth;
  if (depth >= context_.limits.depth_max) {
    return MakeProblem(
        Problem::kConfiguration, "Tasks nested too deep",
        absl::StrCat("More than ", context_.limits.depth_max, " tasks stand in each other"),
        node.reference);
  }
  if (!InsideUndo(parent) && IsStateTooLarge()) {
    return MakeProblem(
        Problem::kConfiguration, "Saga too large",
        absl::StrCat("What the saga keeps takes more than ", context_.limits.state_bytes_max,
                     " bytes, with all that is needed to undo what it did. Keep "
                     "references to large data, undo or seal (pivot) what is done, or "
                     "start further sagas instead of a loop"),
        node.reference);
  }
  return std::nullopt;
}

// Now and then, as it has to be counted: few events between add little.
bool Execution::IsStateTooLarge() {
  if (state_.events < state_.measured_at + kMeasureEvents) return false;
  if (ApproximateBytes(state_) > context_.limits.state_bytes_max) return true;
  state_.measured_at = state_.events;
  return false;
}

void Execution::FailEntry(FrameId parent, const Node& node, Json problem) {
  log::v1::TaskStarted start;
  start.set_kind(log::v1::FRAME_KIND_SIMPLE);
  FailTaskFrame(Start(parent, node, std::move(start)), {.error = std::move(problem)});
}

FrameId Execution::Start(FrameId parent, const Node& node, log::v1::TaskStarted start) {
  const FrameId id = NewFrameId();
  start.set_frame(id.value());
  start.set_parent(parent.value());
  start.set_task(node.reference);
  log::v1::Event event;
  *event.mutable_task_started() = std::move(start);
  Emit(std::move(event));
  return id;
}

void Execution::BeginBody(FrameId parent, const Node& node, Json input, bool transformed) {
  Place place{.frame = parent,
              .node = &node,
              .started = context_.now,
              .raw_input = frame(parent).data,
              .input = input};
  log::v1::TaskStarted start;
  OrProblem<Timestamp> deadline = Deadline(node.timeout, input, place);
  if (!deadline.ok()) return FailEntry(parent, node, deadline.problem());
  if (*deadline != kNever) start.set_deadline_us(deadline->value());
  if (transformed) start.set_input_slot(AddSlot(input));
  if (node.scope) start.mutable_scope()->set_order(static_cast<uint32_t>(node.scope->order));
  switch (node.kind) {
    case NodeKind::kDo:
      start.set_kind(log::v1::FRAME_KIND_SEQUENCE);
      Start(parent, node, std::move(start));
      return;
    case NodeKind::kTry: {
      start.set_kind(log::v1::FRAME_KIND_TRY);
      if (node.catch_clause && node.catch_clause->retry) {
        OrProblem<Timestamp> attempt =
            Deadline(node.catch_clause->retry->attempt_duration, input, place);
        if (!attempt.ok()) return FailEntry(parent, node, attempt.problem());
        if (*attempt != kNever) start.set_attempt_deadline_us(attempt->value());
      }
      Start(parent, node, std::move(start));
      return;
    }
    case NodeKind::kWait: {
      start.set_kind(log::v1::FRAME_KIND_WAIT);
      OrProblem<Timestamp> due = Deadline(node.wait, input, place);
      if (!due.ok()) return FailEntry(parent, node, due.problem());
      start.set_due_us(due->value());
      const FrameId id = Start(parent, node, std::move(start));
      if (*due <= context_.now) FinishTask(id, {.source = log::v1::OUTPUT_SOURCE_INPUT});
      return;
    }
    case NodeKind::kSet:
    case NodeKind::kSwitch:
    case NodeKind::kRaise:
      start.set_kind(log::v1::FRAME_KIND_SIMPLE);
      RunSimple(Start(parent, node, std::move(start)), node);
      return;
    case NodeKind::kCallFunction:
    case NodeKind::kCallWorker:
      BeginCall(parent, node, std::move(input), &start);
      return;
    case NodeKind::kCompensate:
      start.set_kind(log::v1::FRAME_KIND_COMPENSATE);
      Start(parent, node, std::move(start));  // the undo begins when nothing else is under way
      return;
  }
}

void Execution::BeginCall(FrameId parent, const Node& node, Json input,
                          log::v1::TaskStarted* start) {
  const bool worker = node.kind == NodeKind::kCallWorker;
  start->set_kind(worker ? log::v1::FRAME_KIND_WORKER : log::v1::FRAME_KIND_CALL_FUNCTION);
  const uint32_t undo = UndoAround(parent);
  log::v1::WorkerCall call = NextCall(node, PathOf(parent, node), undo);
  if (node.with) {
    Place place{.frame = parent,
                .node = &node,
                .started = context_.now,
                .raw_input = frame(parent).data,
                .input = input};
    OrProblem<Json> arguments = Evaluate(*node.with, input, place);
    if (!arguments.ok()) return FailEntry(parent, node, arguments.problem());
    call.set_arguments_slot(AddSlot(*arguments));
  }
  *start->mutable_call() = call;
  const FrameId id = Start(parent, node, std::move(*start));
  if (!worker || !node.compensation || !node.compensation->register_attempt || undo != 0) return;
  // register: attempt. Owed before the call can leave the process, because its outcome may never be
  // known.
  log::v1::Event event;
  log::v1::CompensationArmed& armed = *event.mutable_compensation_armed();
  armed.set_scope(ScopeAround(id).value());
  armed.set_seq(state_.next_seq);
  armed.set_frame(id.value());
  armed.set_task(node.reference);
  armed.set_handler(node.compensation->reference);
  armed.set_open(true);
  armed.set_path(call.path());
  Emit(std::move(event));
}

log::v1::WorkerCall Execution::NextCall(const Node& node, std::string path,
                                        uint32_t undo_seq) const {
  log::v1::WorkerCall call;
  call.set_function(node.function);
  call.set_compensation(undo_seq != 0);
  call.set_undo_seq(undo_seq);
  uint32_t run = 1;
  uint32_t attempt = 1;
  if (auto known = state_.runs.find(path); known != state_.runs.end()) {
    const RunRecord& last = known->second;
    const bool grows = last.grows || (last.undo_seq != 0 && last.undo_seq != undo_seq);
    run = grows ? last.run + 1 : last.run;
    attempt = grows ? 1 : last.attempts + 1;
  }
  call.set_path(std::move(path));
  call.set_run(run);
  call.set_attempt(attempt);
  return call;
}

std::string Execution::PathOf(FrameId parent, const Node& node) const {
  for (FrameId at = parent;; at = frame(at).parent) {
    const Frame& around = frame(at);
    if (around.kind == FrameKind::kUndo || around.kind == FrameKind::kCallFunction) {
      return around.path.empty() ? node.reference : absl::StrCat(around.path, ":", node.reference);
    }
    if (at == kRootFrame) return node.reference;
  }
}

uint32_t Execution::UndoAround(FrameId id) const {
  for (FrameId at = id;; at = frame(at).parent) {
    if (frame(at).kind == FrameKind::kUndo) return frame(at).undo_seq;
    if (at == kRootFrame) return 0;
  }
}

void Execution::RunSimple(FrameId id, const Node& node) {
  if (node.kind == NodeKind::kSet) {
    const Place place = PlaceOf(frame(id));
    OrProblem<Json> value = Evaluate(node.value, frame(id).input, place);
    if (!value.ok()) return FailTaskFrame(id, {.error = value.problem()});
    return FinishTask(id, {.source = log::v1::OUTPUT_SOURCE_SLOT, .value = Payload::Of(*value)});
  }
  if (node.kind == NodeKind::kSwitch) {
    OrProblem<Flow> flow = ChooseCase(id, node);
    if (!flow.ok()) return FailTaskFrame(id, {.error = flow.problem()});
    return FinishTask(id, {.source = log::v1::OUTPUT_SOURCE_INPUT, .flow = *flow});
  }
  SKALD_CHECK(node.kind == NodeKind::kRaise && node.error.has_value());
  OrProblem<Json> error = BuildRaised(id, node);
  if (!error.ok()) return FailTaskFrame(id, {.error = error.problem()});
  FailTaskFrame(id, {.error = *error, .raised = true});
}

OrProblem<definition::Flow> Execution::ChooseCase(FrameId id, const Node& node) {
  const Place place = PlaceOf(frame(id));
  const definition::SwitchCase* fallback = nullptr;
  for (const definition::SwitchCase& candidate : node.cases) {
    if (!candidate.when) {
      fallback = &candidate;
      continue;
    }
    OrProblem<bool> holds = Holds(*candidate.when, frame(id).input, place);
    if (!holds.ok()) return OrProblem<Flow>::Failed(holds.problem());
    if (*holds) return candidate.then;
  }
  return fallback ? fallback->then : node.then;
}

OrProblem<Json> Execution::BuildRaised(FrameId id, const Node& node) {
  const Place place = PlaceOf(frame(id));
  const definition::ErrorTemplate& written = *node.error;
  Json::ObjectBuilder error;
  struct Part {
    absl::string_view name;
    const Template* value;
  };
  for (const Part& part : {Part{"type", &written.type}, Part{"title", &written.title},
                           Part{"detail", &written.detail}, Part{"instance", &written.instance}}) {
    OrProblem<Json> value = Evaluate(*part.value, frame(id).input, place);
    if (!value.ok()) return value;
    if (part.name == "instance" && value->is_null()) *value = Json::String(node.reference);
    if (!value->is_null()) error.Add(part.name, *value);
    if (part.name == "type") error.Add("status", Json::Int(written.status));
  }
  return BoundedProblem(std::move(error).Build());
}

}  // namespace skald::saga
