// What a saga promises about undo, checked on its events alone: who is owed an undo is worked out
// here a second time, by another path than the engine's fold.
//
// - No undo starts before its scope is quiet, and nothing new starts in a scope that is being left.
// - Under `reverse` undos start one at a time, in descending order of recorded outcomes.
// - What a pivot sealed is never undone, and what came after it only by an explicit call.
// - No two undos make calls under the same idempotency key.
// - An ended saga's undos each have exactly one end: completed, resolved, skipped, failed,
//   disarmed (replaced and sealed ones too) or kept.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/saga/state.h"
#include "skald/log/v1/event.pb.h"

namespace skald::testing {

class PromiseChecker {
 public:
  // The events of the saga, from the first. Failures are reported to the test.
  void See(const log::v1::Event& event);
  // Compares what an ended saga says of its undos with what was seen.
  void CheckEnd(const saga::SagaState& state) const;

 private:
  struct Frame {
    uint32_t parent = 0;
    bool call = false;  // leaves the process
    uint32_t undo = 0;  // seq of the undo it runs
    bool scope = false;
    bool sealed = false;
    bool leaving = false;  // an error is held
    uint32_t order = 0;
  };
  struct Awaited {
    std::set<uint32_t> scopes;
    bool compensation = false;
  };
  enum class Phase { kArmed, kDue, kRunning, kParked, kEnded };
  struct Entry {
    uint32_t scope = 0;  // where it is listed now
    uint32_t group = 0;  // the entry of the child scope it is listed in, 0 without
    uint32_t frame = 0;
    bool is_group = false;
    uint32_t order = 0;  // of a group
    uint64_t rank = 0;   // where its outcome was recorded; 0: not yet
    Phase phase = Phase::kArmed;
    bool sealed = false;
    bool after_pivot = false;
    int ends = 0;
  };

  void On(const log::v1::TaskStarted& e);
  void On(const log::v1::CompensationArmed& e);
  void On(const log::v1::PivotPassed& e);
  void On(const log::v1::CompensationStarted& e);
  void On(const log::v1::CompensationStepStarted& e);
  void Gone(uint32_t frame, bool awaiting_answer);
  void EndStep(uint32_t seq, const char* how);
  bool IsOpen(uint32_t seq) const;
  bool IsRunning(uint32_t seq) const;
  // Whether the frame stands below `scope`, and not inside an undo.
  bool IsForwardWork(uint32_t frame, uint32_t scope) const;

  uint64_t revision_ = 0;
  std::map<uint32_t, Frame> frames_;
  std::map<uint32_t, bool> calls_for_undo_;  // of worker frames
  std::map<uint32_t, Awaited> awaited_;
  std::map<std::pair<std::string, uint32_t>, uint32_t> keys_;  // of undos' calls -> seq
  std::map<uint32_t, Entry> entries_;             // by seq
  std::map<uint32_t, uint32_t> undo_frames_;      // seq -> frame of its running undo
  std::map<uint32_t, uint32_t> explicit_frames_;  // scope -> frame of the call it undoes for
  bool cut_off_ = false;                          // terminated, abandoned, or stopped by `fault`
};

}  // namespace skald::testing
