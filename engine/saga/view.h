// What others may know of a saga: computed from its state on demand.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/json.h"

namespace skald::saga {

// The standard's phases.
enum class Status : uint8_t {
  kPending,
  kRunning,
  kWaiting,
  kSuspended,
  kCancelled,
  kFaulted,
  kCompleted
};
absl::string_view StatusName(Status status);  // "running"
inline bool IsEnded(Status status) {
  return status == Status::kCancelled || status == Status::kFaulted || status == Status::kCompleted;
}

// Why a saga is suspended.
enum class SuspendReason : uint8_t { kNone, kOperator, kParked };

// A task that is running, waiting or parked now (leaves of the tree).
struct ActiveTask {
  std::string task;  // JSON pointer
  std::string name;
  std::string state;  // running, waiting, retrying, cancelling, parked
  bool compensation = false;
  uint32_t attempt = 0;
  std::string function;          // of a worker's task
  std::optional<Timestamp> due;  // of a wait or a retry
};

// Work that waits for an operator.
struct Incident {
  enum class Kind : uint8_t { kParkedCompensation, kParkedTask, kLateEffect };
  Kind kind = Kind::kParkedTask;
  std::string task;  // JSON pointer
  std::string name;
  Json error;  // of parked work
  Timestamp since;
  std::string verbs;  // what can be done: "RetryTask, CompleteTask, FailTask"
};

// One undo, done or due, in the order they started (those not started last).
struct CompensationStep {
  std::string task;  // JSON pointer of the task that is undone
  std::string name;
  // armed, running, retrying, completed, skipped, resolved, failed, parked; kept after the end
  std::string state;
  uint32_t attempts = 0;
};

struct CompensationView {
  std::string outcome;  // none, compensated, partial, failed, parked, running
  uint32_t failed = 0;
  std::vector<CompensationStep> steps;
};

struct SagaView {
  SagaKey key;
  std::string definition_name;
  std::string definition_version;
  std::string definition_hash;  // 32 bytes
  Status status = Status::kPending;
  SuspendReason suspend_reason = SuspendReason::kNone;
  Json input;
  Json output;  // of a completed saga
  Json error;   // of a faulted saga (or one being undone); null without
  std::optional<CompensationView> compensation;  // present when an undo ran or runs
  std::vector<ActiveTask> active;
  std::vector<Incident> incidents;
  Timestamp started;
  Timestamp updated;
  std::optional<Timestamp> ended;
  Revision revision;  // of its last event
};

}  // namespace skald::saga
