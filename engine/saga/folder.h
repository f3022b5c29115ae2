// How Evolve applies one event: a method per kind, in the order of event.proto.
//
// Private to engine/saga. Tasks and the saga stand in evolve.cc, compensation in evolve_undo.cc.
#pragma once

#include "base/check.h"
#include "engine/saga/evolve.h"
#include "engine/saga/state.h"
#include "skald/log/v1/event.pb.h"

namespace skald::saga {

class Folder {
 public:
  Folder(const EventContext& context, SagaState& state)
      : context_(context), state_(state), now_(Timestamp(context.header.time_us())) {}

  void Apply(const log::v1::Event& event);

 private:
  void On(const log::v1::SagaStarted& e);
  void On(const log::v1::SagaCompleted& e);
  void On(const log::v1::SagaFaulted& e);
  void On(const log::v1::SagaCancelled& e);
  void On(const log::v1::CancelRequested& e);
  void On(const log::v1::TaskStarted& e);
  void On(const log::v1::TaskCompleted& e);
  void On(const log::v1::TaskSkipped& e);
  void On(const log::v1::TaskFaulted& e);
  void On(const log::v1::TaskQuiesced& e);
  void On(const log::v1::TaskCancelled& e);
  void On(const log::v1::TaskRetryScheduled& e);
  void On(const log::v1::TaskRetried& e);
  void On(const log::v1::ErrorCaught& e);
  void On(const log::v1::TaskParked& e);
  void On(const log::v1::ErrorRaised& e);
  void On(const log::v1::LateCompletion& e);
  void On(const log::v1::TimeoutWaived& e);
  void On(const log::v1::LateEffectResolved& e);
  void On(const log::v1::CompensationArmed& e);
  void On(const log::v1::CompensationDisarmed& e);
  void On(const log::v1::CompensationOutcomeUnknown& e);
  void On(const log::v1::PivotPassed& e);
  void On(const log::v1::CompensationStarted& e);
  void On(const log::v1::CompensationStepStarted& e);
  void On(const log::v1::CompensationStepSkipped& e);
  void On(const log::v1::CompensationStepFailed& e);
  void On(const log::v1::CompensationStepParked& e);
  void On(const log::v1::CompensationCompleted& e);

  Json Slot(uint32_t number) const {
    if (number == 0) return Json();
    SKALD_CHECK(number <= context_.slots.size());
    return context_.slots[number - 1];
  }
  Frame& FrameOf(uint32_t id) {
    Frame* frame = state_.Find(FrameId(id));
    SKALD_CHECK(frame != nullptr);
    return *frame;
  }
  Scope& ScopeOf(uint32_t id) {
    Frame& frame = FrameOf(id);
    SKALD_CHECK(frame.scope.has_value());
    return *frame.scope;
  }
  Entry& EntryOf(uint32_t scope, uint32_t seq) {
    Entry* entry = FindEntry(ScopeOf(scope).entries, seq);
    SKALD_CHECK(entry != nullptr);
    return *entry;
  }
  // The entry that stands for a frame's task in a scope around it, or nullptr.
  Entry* EntryOfFrame(FrameId frame);
  void RemoveFrame(FrameId id);
  // Remembers that the frame's call may still be answered.
  void LetLinger(const Frame& frame);
  void RememberCall(const log::v1::WorkerCall& call);
  // The undo's frame goes, the entry reaches a final phase and leaves its scope.
  void FinishStep(uint32_t scope, uint32_t seq, Entry::Phase phase);
  void RemoveUndoFrame(uint32_t scope, uint32_t seq);
  void End(Status status);
  // What a scope still owes when it is left without undo stays listed.
  void Keep(Frame& frame);
  static bool Prune(std::vector<Entry>& entries, uint32_t seq);
  static WorkerCall CallFrom(const log::v1::WorkerCall& call, Json arguments);

  const EventContext& context_;
  SagaState& state_;
  const Timestamp now_;
};

// The moment an event holds; 0 stands for never.
inline Timestamp TimeOrNever(int64_t us) { return us == 0 ? kNever : Timestamp(us); }

}  // namespace skald::saga
