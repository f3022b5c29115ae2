#include "tests/property/promise_checker.h"

#include <algorithm>

#include "engine/saga/view.h"
#include "gtest/gtest.h"

namespace skald::testing {

using log::v1::Event;

void PromiseChecker::See(const Event& event) {
  ++revision_;
  switch (event.kind_case()) {
    case Event::kSagaStarted:
      frames_[0] = {.scope = true, .order = event.saga_started().scope().order()};
      break;
    case Event::kCancelRequested:
      cut_off_ = cut_off_ || event.cancel_requested().abandon();
      break;
    case Event::kTaskStarted:
      return On(event.task_started());
    case Event::kTaskCompleted:
      return Gone(event.task_completed().frame(), false);
    case Event::kTaskFaulted: {
      const auto& e = event.task_faulted();
      for (auto& [seq, entry] : entries_) {
        if (entry.frame == e.frame() && entry.rank == 0 && !e.awaiting_answer())
          entry.rank = revision_;
      }
      return Gone(e.frame(), e.awaiting_answer());
    }
    case Event::kTaskCancelled:
      return Gone(event.task_cancelled().frame(), event.task_cancelled().awaiting_answer());
    case Event::kTaskQuiesced: {
      const auto& e = event.task_quiesced();
      awaited_.erase(e.frame());
      for (auto& [seq, entry] : entries_) {
        if (entry.frame == e.frame() && entry.rank == 0 && e.failed()) entry.rank = revision_;
      }
      break;
    }
    case Event::kLateCompletion:
      awaited_.erase(event.late_completion().frame());
      break;
    case Event::kErrorRaised:
      frames_[event.error_raised().frame()].leaving = true;
      break;
    case Event::kErrorCaught:
      frames_[event.error_caught().frame()].leaving = false;
      break;
    case Event::kTaskRetryScheduled:
      frames_[event.task_retry_scheduled().frame()].leaving = false;
      break;
    case Event::kCompensationArmed:
      return On(event.compensation_armed());
    case Event::kCompensationOutcomeUnknown:
      entries_[event.compensation_outcome_unknown().seq()].rank = revision_;
      break;
    case Event::kCompensationDisarmed:
      return EndStep(event.compensation_disarmed().seq(), "disarmed");
    case Event::kPivotPassed:
      return On(event.pivot_passed());
    case Event::kCompensationStarted:
      return On(event.compensation_started());
    case Event::kCompensationStepStarted:
      return On(event.compensation_step_started());
    case Event::kCompensationStepParked: {
      const uint32_t seq = event.compensation_step_parked().seq();
      entries_[seq].phase = Phase::kParked;
      frames_.erase(undo_frames_[seq]);
      break;
    }
    case Event::kCompensationStepCompleted:
      return EndStep(event.compensation_step_completed().seq(), "completed");
    case Event::kCompensationStepSkipped:
      return EndStep(event.compensation_step_skipped().seq(), "skipped");
    case Event::kCompensationStepResolved:
      return EndStep(event.compensation_step_resolved().seq(), "resolved");
    case Event::kCompensationCompleted:
      // What a stopped undo has not begun is owed as before.
      for (auto& [seq, entry] : entries_) {
        const bool listed = entry.scope == event.compensation_completed().scope();
        if (listed && entry.phase == Phase::kDue) entry.phase = Phase::kArmed;
      }
      break;
    case Event::kCompensationStepFailed:
      cut_off_ = cut_off_ || event.compensation_step_failed().stop();
      return EndStep(event.compensation_step_failed().seq(), "failed");
    default:
      break;
  }
}

void PromiseChecker::On(const log::v1::TaskStarted& e) {
  for (uint32_t at = e.parent();; at = frames_[at].parent) {
    if (const uint32_t undo = frames_[at].undo; undo != 0) {
      if (!e.has_call() || e.kind() != log::v1::FRAME_KIND_WORKER) break;
      const uint32_t owner =
          keys_.emplace(std::pair(e.call().path(), e.call().run()), undo).first->second;
      EXPECT_EQ(owner, undo) << "undos " << owner << " and " << undo << " share the key of "
                             << e.task();
      break;
    }
    EXPECT_FALSE(frames_[at].leaving) << e.task() << " starts in what is being left";
    if (at == 0) break;
  }
  Frame& frame = frames_[e.frame()];
  frame = {.parent = e.parent(),
           .call = e.kind() == log::v1::FRAME_KIND_WORKER,
           .scope = e.has_scope(),
           .order = e.scope().order()};
  calls_for_undo_[e.frame()] = e.call().compensation();
}

void PromiseChecker::Gone(uint32_t frame, bool awaiting_answer) {
  if (awaiting_answer) {
    Awaited awaited{.compensation = calls_for_undo_[frame]};
    for (uint32_t at = frame; at != 0;) {
      at = frames_[at].parent;
      if (frames_[at].scope) awaited.scopes.insert(at);
    }
    awaited_[frame] = std::move(awaited);
  }
  frames_.erase(frame);
}

bool PromiseChecker::IsForwardWork(uint32_t frame, uint32_t scope) const {
  for (uint32_t at = frame; at != 0;) {
    const auto found = frames_.find(at);
    if (found == frames_.end() || found->second.undo != 0) return false;
    at = found->second.parent;
    if (at == scope) return true;
  }
  return false;
}

void PromiseChecker::On(const log::v1::CompensationArmed& e) {
  awaited_.erase(e.frame());
  Entry& entry = entries_[e.seq()];
  entry.scope = e.scope();
  entry.frame = e.frame();
  entry.after_pivot = frames_[e.scope()].sealed;
  if (!e.open()) entry.rank = revision_;
  if (!e.has_child_scope()) return;
  entry.is_group = e.handler().empty();
  entry.order = e.child_scope().order();
  for (auto& [seq, inner] : entries_) {
    if (inner.scope != e.frame() || seq == e.seq()) continue;
    if (!entry.is_group) {
      if (inner.phase != Phase::kEnded && !inner.is_group) EndStep(seq, "replaced");
    } else {
      inner.scope = e.scope();
      if (inner.group == 0) inner.group = e.seq();
    }
  }
}

void PromiseChecker::On(const log::v1::PivotPassed& e) {
  frames_[e.scope()].sealed = true;
  for (auto& [seq, entry] : entries_) {
    if (entry.scope != e.scope() || entry.phase == Phase::kEnded) continue;
    if (!entry.is_group && entry.phase != Phase::kArmed) continue;  // its undo is under way
    entry.sealed = true;
    if (!entry.is_group) EndStep(seq, "sealed");
  }
}

void PromiseChecker::EndStep(uint32_t seq, const char* how) {
  Entry& entry = entries_[seq];
  ++entry.ends;
  EXPECT_EQ(entry.ends, 1) << "undo " << seq << " is " << how << ", and had ended before";
  entry.phase = Phase::kEnded;
  if (undo_frames_.count(seq) > 0) frames_.erase(undo_frames_[seq]);
}

void PromiseChecker::On(const log::v1::CompensationStarted& e) {
  const bool asked = e.cause() == log::v1::COMPENSATION_CAUSE_EXPLICIT;
  const bool leaving = frames_[e.scope()].leaving;
  explicit_frames_[e.scope()] = e.explicit_frame();
  for (uint32_t seq : e.seqs()) {
    Entry& entry = entries_[seq];
    EXPECT_FALSE(entry.sealed) << "undo " << seq << " was sealed by a pivot";
    EXPECT_TRUE(asked || !entry.after_pivot) << "undo " << seq << " was armed after a pivot";
    EXPECT_EQ(entry.scope, e.scope()) << "undo " << seq << " is another scope's";
    EXPECT_TRUE(entry.phase == Phase::kArmed) << "undo " << seq << " is under way or has ended";
    EXPECT_EQ(awaited_.count(entry.frame), 0u) << "undo " << seq << " overtakes its call";
    EXPECT_EQ(frames_.count(entry.frame), 0u) << "undo " << seq << " of a task that runs";
    EXPECT_NE(entry.rank, 0u) << "undo " << seq << " has no outcome";
    entry.phase = Phase::kDue;
  }
  // A late success is undone by itself while its scope goes on.
  if (!asked && !leaving) {
    EXPECT_EQ(e.seqs_size(), 1) << "more than a late success is undone in a scope that goes on";
    return;
  }
  for (const auto& [frame, awaited] : awaited_) {
    if (awaited.compensation) continue;
    EXPECT_EQ(awaited.scopes.count(e.scope()), 0u)
        << "scope " << e.scope() << " is undone while the call " << frame << " may be answered";
  }
  for (const auto& [id, frame] : frames_) {
    EXPECT_FALSE(frame.call && IsForwardWork(id, e.scope()))
        << "scope " << e.scope() << " is undone while the call " << id << " is open";
  }
}

bool PromiseChecker::IsOpen(uint32_t seq) const {
  const Entry& entry = entries_.at(seq);
  if (!entry.is_group) return entry.phase != Phase::kArmed && entry.phase != Phase::kEnded;
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& inner) {
    return inner.second.group == seq && IsOpen(inner.first);
  });
}

bool PromiseChecker::IsRunning(uint32_t seq) const {
  const Entry& entry = entries_.at(seq);
  if (!entry.is_group) return entry.phase == Phase::kRunning;
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& inner) {
    return inner.second.group == seq && IsRunning(inner.first);
  });
}

void PromiseChecker::On(const log::v1::CompensationStepStarted& e) {
  constexpr uint32_t kParallel = 2;
  Entry& entry = entries_[e.seq()];
  EXPECT_TRUE(entry.phase == Phase::kDue || entry.phase == Phase::kParked)
      << "undo " << e.seq() << " starts, but is not due";
  // At each level from the entry up to its scope's list: it comes before all that are owed there.
  for (uint32_t at = e.seq(); at != 0; at = entries_[at].group) {
    const Entry& own = entries_[at];
    const uint32_t order = own.group != 0 ? entries_[own.group].order : frames_[own.scope].order;
    if (order == kParallel) continue;
    for (const auto& [seq, other] : entries_) {
      if (seq == at || other.scope != own.scope || other.group != own.group || !IsOpen(seq))
        continue;
      EXPECT_FALSE(IsRunning(seq)) << "undo " << e.seq() << " starts while " << seq << " runs";
      if (e.attempt() > 1) continue;  // an operator retries a parked one when they like
      EXPECT_GT(std::make_pair(own.rank, at), std::make_pair(other.rank, seq))
          << "undo " << e.seq() << " starts before " << seq;
    }
  }
  entry.phase = Phase::kRunning;
  undo_frames_[e.seq()] = e.frame();
  const uint32_t caller = explicit_frames_[e.scope()];
  frames_[e.frame()] = {.parent = caller != 0 ? caller : e.scope(), .undo = e.seq()};
}

void PromiseChecker::CheckEnd(const saga::SagaState& state) const {
  for (const auto& [seq, entry] : entries_) {
    if (entry.is_group || entry.ends > 0) continue;
    EXPECT_TRUE(entry.phase == Phase::kArmed || cut_off_)
        << "undo " << seq << " is neither kept nor has it ended";
  }
  std::vector<const saga::Entry*> kept;
  for (const saga::Entry& entry : state.kept) kept.push_back(&entry);
  for (size_t i = 0; i < kept.size(); ++i) {
    for (const saga::Entry& inner : kept[i]->children) kept.push_back(&inner);
    if (kept[i]->handler.empty()) continue;
    const auto found = entries_.find(kept[i]->seq);
    EXPECT_TRUE(found != entries_.end() && found->second.ends == 0)
        << "undo " << kept[i]->seq << " is kept, but has ended";
  }
  const saga::SagaView view = saga::ViewOf(state);
  if (!view.compensation) return;
  const std::set<std::string> ends = {"completed", "resolved", "skipped", "failed", "kept"};
  for (const saga::CompensationStep& step : view.compensation->steps)
    EXPECT_EQ(ends.count(step.state), 1u) << step.task << " is " << step.state << " after the end";
}

}  // namespace skald::testing
