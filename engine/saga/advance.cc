// Going on: which frame can move, and how lists do.

#include "base/check.h"
#include "engine/saga/execution.h"
#include "engine/saga/pending.h"

namespace skald::saga {

void Execution::Advance() {
  while (state_.exists() && !state_.is_ended() && !state_.suspended && !OverBudget()) {
    bool moved = false;
    move_begin_ = slot_bytes_;
    // The newest frames are the deepest: they move first.
    for (size_t i = state_.frames.size(); i-- > 0 && !moved;)
      moved = StepFrame(state_.frames[i].id);
    if (!moved) return;
    ++moves_;
  }
}

bool Execution::IsDoomed(const Frame& frame) const {
  const Frame* at = &frame;
  while (at->id != kRootFrame && at->kind != FrameKind::kUndo) {
    at = state_.Find(at->parent);
    if (at->fault) return true;
  }
  return false;
}

// What may move without waiting must be what CanMove (pending.cc) says.
bool Execution::StepFrame(FrameId id) {
  const Frame& at = frame(id);
  if (at.scope && at.scope->undoing && StepUndo(id)) return true;
  if (at.fault) return ProceedFault(id);
  if (at.phase != Frame::Phase::kRunning && !IsDoomed(at)) return false;
  if (state_.HasChildren(id) || state_.HasExplicitUndo(id) || (at.scope && at.scope->undoing))
    return false;
  if (IsDoomed(at)) {
    CancelFrame(id, CauseOfDoom(at));
    return true;
  }
  switch (at.kind) {
    case FrameKind::kSequence:
    case FrameKind::kTry:
    case FrameKind::kCallFunction:
    case FrameKind::kUndo:
      GoOn(id);
      return true;
    case FrameKind::kCompensate:
      if (IsUnderWay(state_)) return false;
      StepExplicitUndo(id);
      return true;
    case FrameKind::kWorker:
    case FrameKind::kWait:
    case FrameKind::kSimple:
      return false;
  }
  return false;
}

void Execution::GoOn(FrameId id) {
  const Frame& at = frame(id);
  switch (at.onward.kind) {
    case Onward::Kind::kTask: {
      const NodeIndex next = program().Find(at.onward.task);
      SKALD_CHECK(next != definition::kNoNode);
      EnterTask(id, next);
      return;
    }
    case Onward::Kind::kExit:
      FinishList(id, false);
      return;
    case Onward::Kind::kEnd:
      FinishList(id, true);
      return;
    case Onward::Kind::kFirst:
      break;
  }
  if (at.kind == FrameKind::kUndo) {
    const Entry* entry = FindEntry(frame(at.undo_scope).scope->entries, at.undo_seq);
    SKALD_CHECK(entry != nullptr);
    EnterTask(id, CompensationOf(*entry).handler);
    return;
  }
  const Node& node = NodeOf(at);
  if (at.kind == FrameKind::kCallFunction) {
    EnterTask(id, node.callee);
    return;
  }
  const std::vector<NodeIndex>& body = at.in_catch ? node.catch_clause->body : node.body;
  if (body.empty()) {
    FinishList(id, false);
  } else {
    EnterTask(id, body.front());
  }
}

void Execution::FinishList(FrameId id, bool end) {
  const Frame& at = frame(id);
  if (at.kind == FrameKind::kUndo) return FinishStep(id);
  if (id == kRootFrame) return CompleteSaga();
  Output output{.source = log::v1::OUTPUT_SOURCE_DATA};
  const Node& node = NodeOf(at);
  if (end) {
    output.flow = Flow{.kind = Flow::Kind::kEnd};
  } else if (at.in_catch && node.catch_clause->then) {
    output.flow = *node.catch_clause->then;
  }
  FinishTask(id, std::move(output));
}

void Execution::FinishLists() {
  for (size_t i = state_.frames.size(); i-- > 0 && !OverBudget();) {
    const Frame& at = state_.frames[i];
    const bool over = at.onward.kind == Onward::Kind::kExit || at.onward.kind == Onward::Kind::kEnd;
    if (!over || at.fault || IsDoomed(at) || !StepFrame(at.id)) continue;
    if (state_.is_ended()) return;
    i = state_.frames.size();  // its parent may be at its end now
  }
}

void Execution::CompleteSaga() {
  Place place;
  place.frame = kRootFrame;
  Json output = frame(kRootFrame).data;
  uint32_t slot = 0;
  std::optional<Json> problem;
  if (program().output_as) {
    OrProblem<Json> transformed = Evaluate(*program().output_as, output, place);
    if (transformed.ok()) {
      output = *transformed;
    } else {
      problem = transformed.problem();
    }
  }
  if (!problem)
    problem = Violation(program().output_schema, output, "The workflow's output", "/output");
  if (problem) {
    RaiseAt(kRootFrame, *problem, log::v1::COMPENSATION_CAUSE_FAULT, true);
    return;
  }
  if (program().output_as) slot = AddSlot(output);
  log::v1::Event event;
  event.mutable_saga_completed()->set_output_slot(slot);
  Emit(std::move(event));
}

}  // namespace skald::saga
