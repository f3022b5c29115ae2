#include "engine/saga/evolve.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/saga/folder.h"

namespace skald::saga {
namespace {

using log::v1::Event;

// How many given-up calls are remembered to recognise a late answer.
constexpr size_t kQuietCallsKept = 64;

Onward OnwardFrom(const log::v1::Next& next) {
  switch (next.kind()) {
    case log::v1::Next::KIND_TASK:
      return {Onward::Kind::kTask, next.task()};
    case log::v1::Next::KIND_END:
      return {Onward::Kind::kEnd, ""};
    case log::v1::Next::KIND_EXIT:
    case log::v1::Next::KIND_UNSPECIFIED:
    default:
      return {Onward::Kind::kExit, ""};
  }
}

}  // namespace

void Folder::Apply(const Event& event) {
  switch (event.kind_case()) {
    case Event::kSagaStarted:
      On(event.saga_started());
      break;
    case Event::kSagaCompleted:
      On(event.saga_completed());
      break;
    case Event::kSagaFaulted:
      On(event.saga_faulted());
      break;
    case Event::kSagaCancelled:
      On(event.saga_cancelled());
      break;
    case Event::kSagaSuspended:
      state_.suspended = true;
      break;
    case Event::kSagaResumed:
      state_.suspended = false;
      break;
    case Event::kCancelRequested:
      On(event.cancel_requested());
      break;
    case Event::kTaskStarted:
      On(event.task_started());
      break;
    case Event::kTaskCompleted:
      On(event.task_completed());
      break;
    case Event::kTaskSkipped:
      On(event.task_skipped());
      break;
    case Event::kTaskFaulted:
      On(event.task_faulted());
      break;
    case Event::kTaskQuiesced:
      On(event.task_quiesced());
      break;
    case Event::kTaskCancelled:
      On(event.task_cancelled());
      break;
    case Event::kTaskRetryScheduled:
      On(event.task_retry_scheduled());
      break;
    case Event::kTaskRetried:
      On(event.task_retried());
      break;
    case Event::kErrorCaught:
      On(event.error_caught());
      break;
    case Event::kTaskParked:
      On(event.task_parked());
      break;
    case Event::kErrorRaised:
      On(event.error_raised());
      break;
    case Event::kLateCompletion:
      On(event.late_completion());
      break;
    case Event::kTimeoutWaived:
      On(event.timeout_waived());
      break;
    case Event::kLateEffectResolved:
      On(event.late_effect_resolved());
      break;
    case Event::kCompensationArmed:
      On(event.compensation_armed());
      break;
    case Event::kCompensationDisarmed:
      On(event.compensation_disarmed());
      break;
    case Event::kPivotPassed:
      On(event.pivot_passed());
      break;
    case Event::kCompensationStarted:
      On(event.compensation_started());
      break;
    case Event::kCompensationStepStarted:
      On(event.compensation_step_started());
      break;
    case Event::kCompensationStepCompleted:
      FinishStep(event.compensation_step_completed().scope(),
                 event.compensation_step_completed().seq(), Entry::Phase::kCompleted);
      break;
    case Event::kCompensationStepSkipped:
      On(event.compensation_step_skipped());
      break;
    case Event::kCompensationStepFailed:
      On(event.compensation_step_failed());
      break;
    case Event::kCompensationStepParked:
      On(event.compensation_step_parked());
      break;
    case Event::kCompensationStepResolved:
      FinishStep(event.compensation_step_resolved().scope(),
                 event.compensation_step_resolved().seq(), Entry::Phase::kResolved);
      break;
    case Event::kCompensationCompleted:
      On(event.compensation_completed());
      break;
    case Event::kCompensationOutcomeUnknown:
      On(event.compensation_outcome_unknown());
      break;
    case Event::kDefinitionDeployed:
    case Event::kMessageSent:
    case Event::kMessageReceived:
    case Event::kMessageRefused:
    case Event::kMessagesAcked:
    case Event::kModelDeployed:
    case Event::kModelDropped:
    case Event::kAuditKeyRotated:
    case Event::KIND_NOT_SET:
      // The partition's own events never stand in a saga's stream, and an unknown kind must stop
      // us.
      SKALD_CHECK(false);
  }
  state_.events = context_.revision.value() + 1;
  state_.last_position = context_.position.value();
  state_.updated = now_;
}

// ---- The saga ----

void Folder::On(const log::v1::SagaStarted& e) {
  const log::v1::CommitHeader& header = context_.header;
  state_.key = {header.namespace_(), header.saga_id()};
  state_.definition_name = e.definition_name();
  state_.definition_version = e.definition_version();
  state_.definition_hash = header.definition_hash();
  state_.correlation_id = header.correlation_id();
  state_.request_id = header.request_id();
  state_.request_digest = header.request_digest();
  state_.input = Slot(e.input_slot());
  state_.transformed_input =
      e.transformed_input_slot() ? Slot(e.transformed_input_slot()) : state_.input;
  state_.context = Json::EmptyObject();
  state_.started = now_;
  Frame root;
  root.id = kRootFrame;
  root.parent = kRootFrame;
  root.kind = FrameKind::kSequence;
  root.task = "/do";
  root.raw_input = state_.input;
  root.input = state_.transformed_input;
  root.data = state_.transformed_input;
  root.started = now_;
  root.deadline = TimeOrNever(e.deadline_us());
  root.scope.emplace();
  root.scope->order = static_cast<UndoOrder>(e.scope().order());
  state_.frames.push_back(std::move(root));
}

void Folder::Keep(Frame& frame) {
  if (!frame.scope) return;
  for (Entry& entry : frame.scope->entries) state_.kept.push_back(std::move(entry));
  frame.scope->entries.clear();
}

void Folder::End(Status status) {
  state_.end = status;
  state_.ended = now_;
  state_.suspended = false;
  state_.cancelling = false;
  if (status != Status::kCompleted) {
    for (Frame& frame : state_.frames) Keep(frame);
  }
  // Calls that were under way may still succeed: then someone has to look.
  for (const Frame& frame : state_.frames) {
    if (frame.call && frame.phase == Frame::Phase::kRunning) LetLinger(frame);
  }
  state_.frames.clear();
  state_.runs.clear();
  for (Lingering& call : state_.lingering) call.quiet = true;
}

void Folder::On(const log::v1::SagaCompleted& e) {
  state_.output = e.output_slot() ? Slot(e.output_slot()) : FrameOf(0).data;
  End(Status::kCompleted);
}

void Folder::On(const log::v1::SagaFaulted& e) {
  state_.error = Slot(e.error_slot());
  End(Status::kFaulted);
}

void Folder::On(const log::v1::SagaCancelled& e) {
  state_.terminated = e.terminated();
  End(Status::kCancelled);
}

void Folder::On(const log::v1::CancelRequested& e) {
  state_.cancelling = true;
  state_.abandoned = e.abandon();
}

// ---- Tasks ----

WorkerCall Folder::CallFrom(const log::v1::WorkerCall& call, Json arguments) {
  return {.function = call.function(),
          .path = call.path(),
          .run = call.run(),
          .attempt = call.attempt(),
          .compensation = call.compensation(),
          .arguments = std::move(arguments)};
}

void Folder::RememberCall(const log::v1::WorkerCall& call) {
  RunRecord& record = state_.runs[call.path()];
  record.run = call.run();
  record.attempts = call.attempt();
  record.grows = false;
  record.undo_seq = call.undo_seq();
}

void Folder::On(const log::v1::TaskStarted& e) {
  const Frame& parent = FrameOf(e.parent());
  Frame frame;
  frame.id = FrameId(e.frame());
  frame.parent = parent.id;
  frame.kind = static_cast<FrameKind>(e.kind());
  frame.task = e.task();
  frame.raw_input = parent.data;
  frame.input = e.input_slot() ? Slot(e.input_slot()) : frame.raw_input;
  frame.data = frame.input;
  frame.started = now_;
  frame.since = now_;
  frame.deadline = TimeOrNever(e.deadline_us());
  frame.due = TimeOrNever(e.due_us());
  frame.attempt_deadline = TimeOrNever(e.attempt_deadline_us());
  if (e.has_scope()) {
    frame.scope.emplace();
    frame.scope->order = static_cast<UndoOrder>(e.scope().order());
  }
  if (e.has_call()) {
    Json arguments = e.call().arguments_slot() ? Slot(e.call().arguments_slot()) : frame.input;
    if (frame.kind == FrameKind::kWorker) {
      frame.call = CallFrom(e.call(), std::move(arguments));
      RememberCall(e.call());
    } else {
      frame.path = e.call().path();
      frame.data = std::move(arguments);
    }
  }
  state_.next_frame = std::max(state_.next_frame, e.frame() + 1);
  state_.frames.push_back(std::move(frame));
}

Entry* Folder::EntryOfFrame(FrameId frame) {
  for (Frame& holder : state_.frames) {
    if (!holder.scope) continue;
    // The newest: a frame that ran again after it had completed has one for each run.
    std::vector<Entry>& entries = holder.scope->entries;
    const auto found = std::find_if(entries.rbegin(), entries.rend(),
                                    [&](const Entry& entry) { return entry.frame == frame; });
    if (found != entries.rend()) return &*found;
  }
  return nullptr;
}

void Folder::On(const log::v1::TaskCompleted& e) {
  Frame& frame = FrameOf(e.frame());
  Json raw;
  switch (e.source()) {
    case log::v1::OUTPUT_SOURCE_SLOT:
      raw = Slot(e.output_slot());
      break;
    case log::v1::OUTPUT_SOURCE_INPUT:
      raw = frame.input;
      break;
    default:
      raw = frame.data;
      break;
  }
  Json output = e.transformed_output_slot() ? Slot(e.transformed_output_slot()) : raw;
  if (e.context_slot()) state_.context = Slot(e.context_slot());
  if (Entry* entry = EntryOfFrame(frame.id)) {
    entry->output = output;
    entry->raw_output = std::move(raw);
    entry->has_output = true;
    entry->context = state_.context;
  }
  if (frame.call) state_.runs[frame.call->path].grows = true;
  Frame& parent = FrameOf(frame.parent.value());
  parent.data = std::move(output);
  parent.onward = OnwardFrom(e.next());
  RemoveFrame(frame.id);
}

void Folder::On(const log::v1::TaskSkipped& e) {
  FrameOf(e.parent()).onward = OnwardFrom(e.next());
}

void Folder::RemoveFrame(FrameId id) {
  auto it = std::lower_bound(state_.frames.begin(), state_.frames.end(), id,
                             [](const Frame& frame, FrameId wanted) { return frame.id < wanted; });
  SKALD_CHECK(it != state_.frames.end() && it->id == id);
  state_.frames.erase(it);
}

void Folder::LetLinger(const Frame& frame) {
  SKALD_CHECK(frame.call.has_value());
  Lingering lingering{.frame = frame.id,
                      .task = frame.task,
                      .call = *frame.call,
                      .input = frame.input,
                      .started = frame.started};
  for (const Frame* at = &frame; at->id != kRootFrame;) {
    at = state_.Find(at->parent);
    if (at->scope) lingering.scopes.push_back(at->id);
  }
  state_.lingering.push_back(std::move(lingering));
}

void Folder::On(const log::v1::TaskFaulted& e) {
  Frame& frame = FrameOf(e.frame());
  if (frame.call) state_.runs[frame.call->path].grows = e.refused_for_good();
  if (e.awaiting_answer()) {
    LetLinger(frame);
  } else if (Entry* entry = EntryOfFrame(frame.id);
             entry && entry->outcome == Entry::Outcome::kOpen) {
    entry->outcome = Entry::Outcome::kFailed;
    entry->outcome_revision = context_.revision.value();
    entry->completed = now_;
  }
  Keep(frame);
  RemoveFrame(frame.id);
}

void Folder::On(const log::v1::TaskQuiesced& e) {
  auto it = std::find_if(state_.lingering.begin(), state_.lingering.end(),
                         [&](const Lingering& call) { return call.frame == FrameId(e.frame()); });
  SKALD_CHECK(it != state_.lingering.end());
  if (e.failed()) {
    if (Entry* entry = EntryOfFrame(it->frame); entry && entry->outcome == Entry::Outcome::kOpen) {
      entry->outcome = Entry::Outcome::kFailed;
      entry->outcome_revision = context_.revision.value();
      entry->completed = now_;
    }
  }
  if (e.failed() || e.never_dispatched()) {
    state_.lingering.erase(it);
    return;
  }
  it->quiet = true;
  size_t quiet = std::count_if(state_.lingering.begin(), state_.lingering.end(),
                               [](const Lingering& call) { return call.quiet; });
  if (quiet > kQuietCallsKept) {
    state_.lingering.erase(std::find_if(state_.lingering.begin(), state_.lingering.end(),
                                        [](const Lingering& call) { return call.quiet; }));
  }
}

void Folder::On(const log::v1::TaskCancelled& e) {
  Frame& frame = FrameOf(e.frame());
  if (e.awaiting_answer()) LetLinger(frame);
  Keep(frame);
  RemoveFrame(frame.id);
}

void Folder::On(const log::v1::TaskRetryScheduled& e) {
  Frame& frame = FrameOf(e.frame());
  frame.phase = Frame::Phase::kBackoff;
  if (e.refused_for_good() && frame.call) state_.runs[frame.call->path].grows = true;
  frame.retries = e.retry();
  // Never negative, though a delay once could be.
  frame.due = Timestamp(std::max<int64_t>(0, e.due_us()));
  frame.attempt_deadline = kNever;
  frame.error = Slot(e.error_slot());
  frame.since = now_;
  frame.fault.reset();
  if (frame.scope) frame.scope->undone = false;
  if (frame.kind == FrameKind::kUndo) {
    EntryOf(frame.undo_scope.value(), frame.undo_seq).phase = Entry::Phase::kRetrying;
    frame.deadline = kNever;
  }
}

void Folder::On(const log::v1::TaskRetried& e) {
  Frame& frame = FrameOf(e.frame());
  frame.phase = Frame::Phase::kRunning;
  frame.due = kNever;
  frame.error = Json();
  frame.since = now_;
  switch (frame.kind) {
    case FrameKind::kWorker: {
      Json arguments = frame.call->arguments;
      frame.call = CallFrom(e.call(), std::move(arguments));
      RememberCall(e.call());
      if (e.attempt_deadline_us() != 0) frame.deadline = Timestamp(e.attempt_deadline_us());
      break;
    }
    case FrameKind::kUndo: {
      Entry& entry = EntryOf(frame.undo_scope.value(), frame.undo_seq);
      entry.phase = Entry::Phase::kRunning;
      ++entry.attempts;
      frame.deadline = TimeOrNever(e.attempt_deadline_us());
      break;
    }
    default:
      frame.attempt_deadline = TimeOrNever(e.attempt_deadline_us());
      break;
  }
  frame.data = frame.input;
  frame.onward = {};
}

void Folder::On(const log::v1::ErrorCaught& e) {
  Frame& frame = FrameOf(e.frame());
  frame.in_catch = true;
  frame.error = Slot(e.error_slot());
  frame.fault.reset();
  frame.data = frame.input;
  frame.onward = {};
  frame.attempt_deadline = kNever;
  if (frame.scope) frame.scope->undone = false;
}

void Folder::On(const log::v1::TaskParked& e) {
  Frame& frame = FrameOf(e.frame());
  frame.phase = Frame::Phase::kParked;
  if (e.refused_for_good() && frame.call) state_.runs[frame.call->path].grows = true;
  frame.error = Slot(e.error_slot());
  frame.due = kNever;
  frame.deadline = kNever;
  frame.since = now_;
}

void Folder::On(const log::v1::ErrorRaised& e) {
  Frame& frame = FrameOf(e.frame());
  frame.fault = PendingFault{Slot(e.error_slot()), e.cause(), e.plan()};
  frame.attempt_deadline = kNever;
  if (!e.keeps_deadline()) frame.deadline = kNever;
}

void Folder::On(const log::v1::LateCompletion& e) {
  state_.lingering.erase(std::remove_if(state_.lingering.begin(), state_.lingering.end(),
                                        [&](const Lingering& call) {
                                          return !e.incident() ? false
                                                               : call.frame == FrameId(e.frame());
                                        }),
                         state_.lingering.end());
  if (e.incident()) {
    state_.late_effects.push_back({FrameId(e.frame()), e.task(), Slot(e.output_slot()), now_});
  }
}

void Folder::On(const log::v1::TimeoutWaived& e) {
  Frame& frame = FrameOf(e.frame());
  if (!e.undo()) {
    (e.attempt() ? frame.attempt_deadline : frame.deadline) = kNever;
    return;
  }
  SKALD_CHECK(frame.scope.has_value());
  frame.scope->undo_deadline = kNever;
  frame.scope->undo_time_up = true;
}

void Folder::On(const log::v1::LateEffectResolved& e) {
  auto late =
      std::find_if(state_.late_effects.begin(), state_.late_effects.end(),
                   [&](const LateEffect& effect) { return effect.frame == FrameId(e.frame()); });
  SKALD_CHECK(late != state_.late_effects.end());
  state_.late_effects.erase(late);
}

void Evolve(const Event& event, const EventContext& context, SagaState& state) {
  Folder(context, state).Apply(event);
}

}  // namespace skald::saga
