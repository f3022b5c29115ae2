// What operators do with parked work and late effects.

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "engine/saga/execution.h"
#include "engine/saga/problem.h"

namespace skald::saga {
namespace {

constexpr absl::string_view kUndoVerbs = "RetryCompensation, SkipCompensation, ResolveCompensation";
constexpr absl::string_view kTaskVerbs = "RetryTask, CompleteTask, FailTask";

bool IsNamed(absl::string_view wanted, absl::string_view reference) {
  return wanted.empty() || wanted == reference || wanted == TaskName(reference);
}

void CollectParked(const std::vector<Entry>& entries, std::vector<const Entry*>& parked) {
  for (const Entry& entry : entries) {
    if (entry.phase == Entry::Phase::kParked) parked.push_back(&entry);
    CollectParked(entry.children, parked);
  }
}

}  // namespace

absl::Status Execution::NothingParkedError(absl::string_view task) const {
  if (task.empty()) return TaskNotParkedError(state_.key, task, "no such work is parked");
  for (const definition::Node& node : program().nodes) {
    if (IsNamed(task, node.reference))
      return TaskNotParkedError(state_.key, task, "it is not parked");
  }
  return TaskNotFoundError(state_.key, task);
}

std::vector<Execution::ParkedUndo> Execution::ParkedUndos(absl::string_view task) const {
  std::vector<ParkedUndo> found;
  for (const Frame& at : state_.frames) {
    if (!at.scope) continue;
    std::vector<const Entry*> parked;
    CollectParked(at.scope->entries, parked);
    for (const Entry* entry : parked) {
      if (IsNamed(task, entry->task)) found.push_back({at.id, entry->seq});
    }
  }
  return found;
}

absl::StatusOr<Execution::ParkedUndo> Execution::FindParkedUndo(absl::string_view task) const {
  if (absl::Status running = RequireRunning(); !running.ok()) return running;
  const std::vector<ParkedUndo> found = ParkedUndos(task);
  const auto task_of = [&](const ParkedUndo& undo) -> const std::string& {
    return FindEntry(frame(undo.scope).scope->entries, undo.seq)->task;
  };
  // Undos of one task that ran more than once cannot be told apart: the first armed is meant.
  if (std::any_of(found.begin(), found.end(), [&](const ParkedUndo& undo) {
        return task_of(undo) != task_of(found.front());
      })) {
    return TaskNotParkedError(state_.key, task,
                              "more than one undo is parked; name one by its JSON pointer");
  }
  if (!found.empty()) return found.front();
  if (std::any_of(state_.frames.begin(), state_.frames.end(), [&](const Frame& at) {
        return at.phase == Frame::Phase::kParked && IsNamed(task, at.task);
      })) {
    return TaskNotParkedError(state_.key, task,
                              absl::StrCat("it is a parked task, not an undo; use ", kTaskVerbs));
  }
  return NothingParkedError(task);
}

absl::StatusOr<FrameId> Execution::FindParkedTask(absl::string_view task) const {
  if (absl::Status running = RequireRunning(); !running.ok()) return running;
  std::vector<FrameId> found;
  bool parked_undo = false;
  for (const Frame& at : state_.frames) {
    if (at.phase == Frame::Phase::kParked && IsNamed(task, at.task)) found.push_back(at.id);
    if (!at.scope) continue;
    std::vector<const Entry*> parked;
    CollectParked(at.scope->entries, parked);
    for (const Entry* entry : parked) parked_undo = parked_undo || IsNamed(task, entry->task);
  }
  if (found.size() == 1) {
    const Frame& at = frame(found.front());
    if (!state_.HasChildren(at.id) && !(at.scope && at.scope->undoing)) return at.id;
    return TaskNotParkedError(state_.key, task,
                              "an undo inside it is under way; try again when that has ended");
  }
  if (found.size() > 1) {
    return TaskNotParkedError(state_.key, task,
                              "more than one task is parked; name one by its JSON pointer");
  }
  if (parked_undo) {
    return TaskNotParkedError(state_.key, task,
                              absl::StrCat("it is a parked undo, not a task; use ", kUndoVerbs));
  }
  return NothingParkedError(task);
}

absl::Status Execution::Handle(const RetryCompensation& request) {
  absl::StatusOr<ParkedUndo> parked = FindParkedUndo(request.task);
  if (!parked.ok()) return parked.status();
  StartStep(parked->scope, parked->seq);
  return absl::OkStatus();
}

absl::Status Execution::Handle(const SkipCompensation& request) {
  absl::StatusOr<ParkedUndo> parked = FindParkedUndo(request.task);
  if (!parked.ok()) return parked.status();
  log::v1::Event event;
  log::v1::CompensationStepSkipped& skipped = *event.mutable_compensation_step_skipped();
  skipped.set_scope(parked->scope.value());
  skipped.set_seq(parked->seq);
  skipped.set_task(FindEntry(frame(parked->scope).scope->entries, parked->seq)->task);
  skipped.set_by_operator(true);
  skipped.set_reason_slot(AddSlot(Json::String(request.reason)));
  Emit(std::move(event));
  return absl::OkStatus();
}

absl::Status Execution::Handle(const ResolveCompensation& request) {
  const bool undo_parked = !ParkedUndos(request.task).empty();
  if (!undo_parked && !state_.late_effects.empty())
    return ResolveLateEffect(request.task, request.note);
  if (undo_parked && request.task.empty() && !state_.late_effects.empty()) {
    return TaskNotParkedError(state_.key, "",
                              "an undo is parked and an effect came late; name one by its pointer");
  }
  absl::StatusOr<ParkedUndo> parked = FindParkedUndo(request.task);
  if (!parked.ok()) return parked.status();
  log::v1::Event event;
  log::v1::CompensationStepResolved& resolved = *event.mutable_compensation_step_resolved();
  resolved.set_scope(parked->scope.value());
  resolved.set_seq(parked->seq);
  resolved.set_task(FindEntry(frame(parked->scope).scope->entries, parked->seq)->task);
  resolved.set_note_slot(AddSlot(Json::String(request.note)));
  Emit(std::move(event));
  return absl::OkStatus();
}

absl::Status Execution::ResolveLateEffect(absl::string_view task, const std::string& note) {
  const LateEffect* found = nullptr;
  for (const LateEffect& late : state_.late_effects) {
    if (!IsNamed(task, late.task)) continue;
    if (found != nullptr && found->task != late.task) {
      return TaskNotParkedError(state_.key, task,
                                "more than one effect came late; name one by its JSON pointer");
    }
    if (found == nullptr) found = &late;  // of several of one task the oldest
  }
  if (found == nullptr) return NothingParkedError(task);
  log::v1::Event event;
  log::v1::LateEffectResolved& resolved = *event.mutable_late_effect_resolved();
  resolved.set_frame(found->frame.value());
  resolved.set_task(found->task);
  resolved.set_note_slot(AddSlot(Json::String(note)));
  Emit(std::move(event));
  return absl::OkStatus();
}

absl::Status Execution::Handle(const RetryTask& request) {
  absl::StatusOr<FrameId> parked = FindParkedTask(request.task);
  if (!parked.ok()) return parked.status();
  const Frame& at = frame(*parked);
  if (at.kind == FrameKind::kWorker) {
    // Nothing is dispatched while an operator holds the saga: the retry is due, and fires on
    // Resume.
    if (state_.suspended) {
      ScheduleRetryAt(*parked, at.retries, 0, {.error = at.error});
    } else {
      Retry(*parked);
    }
    return absl::OkStatus();
  }
  // It failed inside the engine (an expression, a schema, a raise). Its list still stands at it, so
  // going on enters it again from the start.
  log::v1::Event event;
  event.mutable_task_cancelled()->set_frame(parked->value());
  event.mutable_task_cancelled()->set_task(at.task);
  Emit(std::move(event));
  return absl::OkStatus();
}

absl::Status Execution::Handle(const CompleteTask& request) {
  absl::StatusOr<FrameId> parked = FindParkedTask(request.task);
  if (!parked.ok()) return parked.status();
  FinishTask(
      *parked,
      {.source = log::v1::OUTPUT_SOURCE_SLOT, .value = request.output, .note = request.note});
  return absl::OkStatus();
}

absl::Status Execution::Handle(const FailTask& request) {
  absl::StatusOr<FrameId> parked = FindParkedTask(request.task);
  if (!parked.ok()) return parked.status();
  const Json error = frame(*parked).error;
  FailTaskFrame(*parked, {.error = error, .note = request.note, .by_operator = true});
  return absl::OkStatus();
}

}  // namespace skald::saga
