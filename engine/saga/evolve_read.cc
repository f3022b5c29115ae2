// What Evolve relies on, looked at before it is called: events that were read may be damaged behind
// right checksums, made by somebody else, or of a newer build.
#include <algorithm>
#include <initializer_list>
#include <limits>

#include "base/errors.h"
#include "engine/saga/evolve.h"

namespace skald::saga {
namespace {

using log::v1::Event;

constexpr absl::string_view kFine = "";
constexpr absl::string_view kNoFrame = "an event is of a task that does not run";
constexpr absl::string_view kOldFrame = "a task begins in the place of another";
constexpr absl::string_view kNoScope = "an event is of a scope that is not there";
constexpr absl::string_view kNoEntry = "an event is of an undo that is not owed";
constexpr absl::string_view kNoCall = "an event is of a call that nobody made";
constexpr absl::string_view kNoSlot = "an event's payload is missing";
constexpr absl::string_view kBadTime = "a time is before 1970";
constexpr absl::string_view kNoStart = "a saga's first event is not its start, or a later one is";
constexpr absl::string_view kUnknown = "an event is of a kind that this build does not know";
constexpr absl::string_view kUnsound = "after it tasks run in none that does";

// A method per kind, each in a few words what keeps the event from following the state.
class EventCheck {
 public:
  EventCheck(const EventContext& context, const SagaState& state)
      : context_(context), state_(state) {}

  absl::string_view Objection(const Event& event) const {
    if (event.has_saga_started() != (state_.events == 0)) return kNoStart;
    switch (event.kind_case()) {
      case Event::kSagaStarted:
        return On(event.saga_started());
      case Event::kSagaCompleted:
        return On(event.saga_completed());
      case Event::kSagaFaulted:
        return AtEnd(event.saga_faulted().error_slot());
      case Event::kSagaCancelled:
        return AtEnd(0);
      case Event::kSagaSuspended:
        return Slots({event.saga_suspended().reason_slot()});
      case Event::kSagaResumed:
        return kFine;
      case Event::kCancelRequested:
        return Slots({event.cancel_requested().reason_slot()});
      case Event::kTaskStarted:
        return On(event.task_started());
      case Event::kTaskCompleted:
        return On(event.task_completed());
      case Event::kTaskSkipped:
        return OfFrame(event.task_skipped().parent(), 0);
      case Event::kTaskFaulted:
        return On(event.task_faulted());
      case Event::kTaskQuiesced:
        return On(event.task_quiesced());
      case Event::kTaskCancelled:
        return Leaving(event.task_cancelled().frame(), event.task_cancelled().awaiting_answer());
      case Event::kTaskRetryScheduled:
        return On(event.task_retry_scheduled());
      case Event::kTaskRetried:
        return On(event.task_retried());
      case Event::kErrorCaught:
        return OfFrame(event.error_caught().frame(), event.error_caught().error_slot());
      case Event::kTaskParked:
        return OfFrame(event.task_parked().frame(), event.task_parked().error_slot());
      case Event::kErrorRaised:
        return OfFrame(event.error_raised().frame(), event.error_raised().error_slot());
      case Event::kLateCompletion:
        return Slots({event.late_completion().output_slot()});
      case Event::kTimeoutWaived:
        return On(event.timeout_waived());
      case Event::kLateEffectResolved:
        return On(event.late_effect_resolved());
      default:
        return ObjectionToUndo(event);
    }
  }

  // Of what a whole commit leaves behind: others walk from each task to those around it.
  absl::string_view ObjectionToState() const {
    if (state_.frames.empty()) return state_.is_ended() ? kFine : kUnsound;
    if (state_.frames.front().id != kRootFrame) return kUnsound;
    for (const Frame& frame : state_.frames) {
      if (frame.id == kRootFrame || frame.kind == FrameKind::kUndo) continue;
      if (frame.parent >= frame.id || state_.Find(frame.parent) == nullptr) return kUnsound;
    }
    return kFine;
  }

 private:
  absl::string_view ObjectionToUndo(const Event& event) const {
    switch (event.kind_case()) {
      case Event::kCompensationArmed:
        return On(event.compensation_armed());
      case Event::kCompensationDisarmed:
        return OfEntry(event.compensation_disarmed(), 0);
      case Event::kPivotPassed:
        return OfScope(event.pivot_passed().scope());
      case Event::kCompensationStarted:
        return On(event.compensation_started());
      case Event::kCompensationStepStarted:
        return On(event.compensation_step_started());
      case Event::kCompensationStepCompleted:
        return OfEntry(event.compensation_step_completed(), 0);
      case Event::kCompensationStepSkipped:
        return OfEntry(event.compensation_step_skipped(),
                       event.compensation_step_skipped().reason_slot());
      case Event::kCompensationStepFailed:
        return OfEntry(event.compensation_step_failed(),
                       event.compensation_step_failed().error_slot());
      case Event::kCompensationStepParked:
        return OfEntry(event.compensation_step_parked(),
                       event.compensation_step_parked().error_slot());
      case Event::kCompensationStepResolved:
        return OfEntry(event.compensation_step_resolved(),
                       event.compensation_step_resolved().note_slot());
      case Event::kCompensationCompleted:
        return OfScope(event.compensation_completed().scope());
      case Event::kCompensationOutcomeUnknown:
        return OfEntry(event.compensation_outcome_unknown(), 0);
      // Of partitions' own streams, and of builds to come.
      default:
        return kUnknown;
    }
  }

  // ---- The saga ----

  absl::string_view On(const log::v1::SagaStarted& e) const {
    if (!state_.frames.empty()) return kNoStart;
    if (e.scope().order() > kOrderMax) return kUnknown;
    if (e.deadline_us() < 0) return kBadTime;
    return Slots({e.input_slot(), e.transformed_input_slot()});
  }

  absl::string_view On(const log::v1::SagaCompleted& e) const {
    return e.output_slot() == 0 && !Has(0) ? kNoFrame : AtEnd(e.output_slot());
  }

  absl::string_view AtEnd(uint32_t slot) const {
    for (const Frame& frame : state_.frames) {
      if (frame.call && !IsInRoot(frame)) return kUnsound;
    }
    return Slots({slot});
  }

  // ---- Tasks ----

  absl::string_view On(const log::v1::TaskStarted& e) const {
    if (!Has(e.parent())) return kNoFrame;
    if (!IsNew(e.frame())) return kOldFrame;
    if (e.kind() < log::v1::FRAME_KIND_SEQUENCE || e.kind() > log::v1::FRAME_KIND_COMPENSATE ||
        e.scope().order() > kOrderMax) {
      return kUnknown;
    }
    if (e.kind() == log::v1::FRAME_KIND_WORKER && !e.has_call()) return kNoCall;
    if (std::min({e.deadline_us(), e.due_us(), e.attempt_deadline_us()}) < 0) return kBadTime;
    return Slots({e.input_slot(), e.call().arguments_slot()});
  }

  absl::string_view On(const log::v1::TaskCompleted& e) const {
    const Frame* const frame = state_.Find(FrameId(e.frame()));
    if (frame == nullptr || frame->id == kRootFrame || !Has(frame->parent.value())) return kNoFrame;
    return Slots({e.output_slot(), e.transformed_output_slot(), e.context_slot(), e.note_slot()});
  }

  absl::string_view On(const log::v1::TaskFaulted& e) const {
    const absl::string_view why = Leaving(e.frame(), e.awaiting_answer());
    return why.empty() ? Slots({e.error_slot(), e.note_slot()}) : why;
  }

  absl::string_view On(const log::v1::TaskQuiesced& e) const {
    const bool is_known =
        std::any_of(state_.lingering.begin(), state_.lingering.end(),
                    [&](const Lingering& call) { return call.frame == FrameId(e.frame()); });
    return is_known ? kFine : kNoCall;
  }

  absl::string_view On(const log::v1::TaskRetryScheduled& e) const {
    const Frame* const frame = state_.Find(FrameId(e.frame()));
    if (frame == nullptr) return kNoFrame;
    if (!HasItsEntry(*frame)) return kNoEntry;
    return Slots({e.error_slot()});
  }

  absl::string_view On(const log::v1::TaskRetried& e) const {
    const Frame* const frame = state_.Find(FrameId(e.frame()));
    if (frame == nullptr) return kNoFrame;
    if (!HasItsEntry(*frame)) return kNoEntry;
    if (frame->kind == FrameKind::kWorker && !frame->call) return kNoCall;
    return e.attempt_deadline_us() < 0 ? kBadTime : kFine;
  }

  absl::string_view On(const log::v1::TimeoutWaived& e) const {
    return e.undo() ? OfScope(e.frame()) : OfFrame(e.frame(), 0);
  }

  absl::string_view On(const log::v1::LateEffectResolved& e) const {
    const bool is_known =
        std::any_of(state_.late_effects.begin(), state_.late_effects.end(),
                    [&](const LateEffect& effect) { return effect.frame == FrameId(e.frame()); });
    return is_known ? Slots({e.note_slot()}) : kNoCall;
  }

  // ---- Compensation ----

  absl::string_view On(const log::v1::CompensationArmed& e) const {
    const Scope* const scope = ScopeOf(e.scope());
    if (scope == nullptr) return kNoScope;
    if (e.has_child_scope()) {
      const bool is_new = FindEntry(scope->entries, e.seq()) == nullptr;
      const Frame* const frame = state_.Find(FrameId(e.frame()));
      // Its entries become those of the entry, which is not its own.
      if (is_new && frame != nullptr && (!frame->scope || e.frame() == e.scope())) return kNoScope;
      if (e.child_scope().order() > kOrderMax) return kUnknown;
    }
    return Slots({e.output_slot()});
  }

  absl::string_view On(const log::v1::CompensationStarted& e) const {
    const Scope* const scope = ScopeOf(e.scope());
    if (scope == nullptr) return kNoScope;
    for (const uint32_t seq : e.seqs()) {
      if (FindEntry(scope->entries, seq) == nullptr) return kNoEntry;
    }
    return e.deadline_us() < 0 ? kBadTime : kFine;
  }

  absl::string_view On(const log::v1::CompensationStepStarted& e) const {
    if (!IsNew(e.frame())) return kOldFrame;
    if (e.deadline_us() < 0) return kBadTime;
    return OfEntry(e, e.input_slot());
  }

  // ---- Parts ----

  static constexpr uint32_t kOrderMax = static_cast<uint32_t>(UndoOrder::kParallel);

  absl::string_view Slots(std::initializer_list<uint32_t> numbers) const {
    return std::max(numbers) > context_.slots.size() ? kNoSlot : kFine;
  }
  bool Has(uint32_t frame) const { return state_.Find(FrameId(frame)) != nullptr; }
  // Frames are in order, and the next has a number too.
  bool IsNew(uint32_t frame) const {
    return !state_.frames.empty() && FrameId(frame) > state_.frames.back().id &&
           frame != std::numeric_limits<uint32_t>::max();
  }
  bool IsInRoot(const Frame& frame) const {
    const Frame* at = &frame;
    while (at->id != kRootFrame) {
      if (at->parent >= at->id) return false;
      at = state_.Find(at->parent);
      if (at == nullptr) return false;
    }
    return true;
  }
  const Scope* ScopeOf(uint32_t id) const {
    const Frame* const frame = state_.Find(FrameId(id));
    return frame != nullptr && frame->scope ? &*frame->scope : nullptr;
  }
  // What a frame that runs an undo undoes.
  bool HasItsEntry(const Frame& frame) const {
    if (frame.kind != FrameKind::kUndo) return true;
    const Scope* const scope = ScopeOf(frame.undo_scope.value());
    return scope != nullptr && FindEntry(scope->entries, frame.undo_seq) != nullptr;
  }
  absl::string_view OfFrame(uint32_t frame, uint32_t slot) const {
    return Has(frame) ? Slots({slot}) : kNoFrame;
  }
  absl::string_view OfScope(uint32_t scope) const {
    return ScopeOf(scope) != nullptr ? kFine : kNoScope;
  }
  template <typename Step>
  absl::string_view OfEntry(const Step& e, uint32_t slot) const {
    const Scope* const scope = ScopeOf(e.scope());
    if (scope == nullptr) return kNoScope;
    return FindEntry(scope->entries, e.seq()) != nullptr ? Slots({slot}) : kNoEntry;
  }
  absl::string_view Leaving(uint32_t id, bool awaits_answer) const {
    const Frame* const frame = state_.Find(FrameId(id));
    if (frame == nullptr || frame->id == kRootFrame) return kNoFrame;
    if (!awaits_answer) return kFine;
    return !frame->call ? kNoCall : IsInRoot(*frame) ? kFine : kUnsound;
  }

  const EventContext& context_;
  const SagaState& state_;
};

}  // namespace

absl::Status EvolveRead(const Event& event, const EventContext& context, SagaState& state) {
  const log::v1::CommitHeader& header = context.header;
  const auto refuse = [&](absl::string_view why) {
    return EventNotFoldableError(PartitionId(header.partition()), context.position, why);
  };
  const EventCheck check(context, state);
  if (const absl::string_view why = check.Objection(event); !why.empty()) return refuse(why);
  Evolve(event, context, state);
  const bool is_last = context.position.Next().value() == header.first_position() + header.count();
  const absl::string_view why = is_last ? check.ObjectionToState() : kFine;
  return why.empty() ? absl::OkStatus() : refuse(why);
}

}  // namespace skald::saga
