// The state of one saga: what folding its events gives. A tree of frames, each one execution of a
// task or of an undo.
//
// Plain values, changed by Evolve alone (evolve.h). It knows nothing of the definition but JSON
// pointers and what the events told it, so an old history folds under new code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/saga/command.h"
#include "engine/saga/view.h"
#include "skald/log/v1/event.pb.h"

namespace skald::saga {

using log::v1::CompensationCause;
using log::v1::FaultPlan;

inline constexpr FrameId kRootFrame{0};

// What a frame executes. The first eight are numbered as log::v1::FrameKind.
enum class FrameKind : uint8_t {
  kSequence = 1,
  kSimple = 2,
  kCallFunction = 3,
  kWorker = 4,
  kTry = 5,
  kWait = 6,
  kCompensate = 7,
  kUndo = 8,  // runs one handler; parent of what the handler does
};

// How a scope orders its undo.
enum class UndoOrder : uint8_t { kReverse = 0, kMirror = 1, kParallel = 2 };

// Where a list goes on when none of its tasks is running.
struct Onward {
  enum class Kind : uint8_t { kFirst = 0, kTask = 1, kExit = 2, kEnd = 3 };
  Kind kind = Kind::kFirst;
  std::string task;
};

// One undo that is owed, or was.
struct Entry {
  enum class Outcome : uint8_t { kOpen = 0, kCompleted = 1, kFailed = 2, kUnknown = 3 };
  // kArmed: owed if its scope undoes. kDue: its scope undoes now. The last five are final.
  enum class Phase : uint8_t {
    kArmed = 0,
    kDue = 1,
    kRunning = 2,
    kRetrying = 3,
    kParked = 4,
    kCompleted = 5,
    kSkipped = 6,
    kResolved = 7,
    kFailed = 8,
    kDisarmed = 9,
  };

  uint32_t seq = 0;
  FrameId frame;     // the task's
  std::string task;  // JSON pointer of the task
  std::string path;  // its idempotency path
  std::string
      handler;  // JSON pointer of the compensate value; empty: a child scope undone entry by entry
  Outcome outcome = Outcome::kOpen;
  Phase phase = Phase::kArmed;
  uint64_t outcome_revision = 0;  // where the outcome was recorded: the order of reverse undo
  bool has_output = false;
  Json input, output, raw_output, context;
  Timestamp started, completed;
  uint32_t attempts = 0;  // of the undo
  Json error;             // of a parked or failed undo
  Timestamp since;        // when the phase began

  UndoOrder child_order = UndoOrder::kReverse;
  std::vector<Entry> children;  // of a child scope

  bool is_final() const { return phase >= Phase::kCompleted; }
};

// What a scope frame owes, and how its undo is going.
struct Scope {
  UndoOrder order = UndoOrder::kReverse;
  bool sealed = false;  // by its pivot
  std::vector<Entry> entries;
  bool undoing = false;
  bool undone = false;   // an undo of it has ended, since it was entered or ran again
  bool stopped = false;  // by onExhausted: fault
  CompensationCause cause = log::v1::COMPENSATION_CAUSE_UNSPECIFIED;
  FrameId explicit_frame;  // of an explicit undo, else the root frame
  Timestamp undo_deadline = kNever;
  bool undo_time_up = false;  // undo_deadline has passed: a failing undo is not retried
};

// A call that leaves the process.
struct WorkerCall {
  std::string function;
  std::string path;
  uint32_t run = 1;
  uint32_t attempt = 1;
  bool compensation = false;
  Json arguments;
};

// An error that a frame holds until it is quiet and undone.
struct PendingFault {
  Json error;
  CompensationCause cause = log::v1::COMPENSATION_CAUSE_FAULT;
  FaultPlan plan = log::v1::FAULT_PLAN_PROPAGATE;
};

struct Frame {
  enum class Phase : uint8_t { kRunning = 0, kBackoff = 1, kParked = 2 };

  FrameId id;
  FrameId parent;
  FrameKind kind = FrameKind::kSequence;
  Phase phase = Phase::kRunning;
  std::string task;
  std::string path;  // kCallFunction and kUndo: the idempotency path that those inside extend
  Json raw_input, input;
  Json data;  // of lists and calls: what the next task gets, the last output
  Timestamp started;
  Timestamp deadline = kNever;
  Timestamp due = kNever;
  Timestamp attempt_deadline = kNever;  // kTry
  Onward onward;

  uint32_t retries = 0;   // kTry, kUndo, and kWorker after a pivot
  bool in_catch = false;  // kTry
  Json error;             // kTry in its catch: the error; kParked and kBackoff: why
  Timestamp since;        // when the phase began

  std::optional<WorkerCall> call;  // kWorker
  std::optional<Scope> scope;
  std::optional<PendingFault> fault;

  // kUndo: what it undoes.
  FrameId undo_scope;
  uint32_t undo_seq = 0;
};

// A worker's call that was given up while its answer could still come.
struct Lingering {
  FrameId frame;
  std::string task;
  WorkerCall call;
  Json input;
  Timestamp started;
  std::vector<FrameId> scopes;  // that enclosed it, innermost first
  bool quiet = false;           // no answer is expected; kept to recognise a late one
};

// What is known of one idempotency path.
struct RunRecord {
  uint32_t run = 1;
  uint32_t attempts = 0;  // of this run
  bool grows = false;     // the next entry is a new run
  uint32_t undo_seq = 0;  // of an undo's call: whose
};

// A finished undo step, for the record.
struct StepRecord {
  std::string task;
  Entry::Phase phase = Entry::Phase::kCompleted;
  uint32_t attempts = 0;
};

// A success that came after the end.
struct LateEffect {
  FrameId frame;
  std::string task;
  Json output;
  Timestamp at;
};

struct SagaState {
  SagaKey key;
  std::string definition_name, definition_version;
  std::string definition_hash;
  std::string correlation_id;
  std::string request_id;  // of its start
  uint64_t request_digest = 0;

  Json input;  // raw
  Json transformed_input;
  Json context;
  Timestamp started, updated;
  uint64_t events = 0;  // so far: the next revision
  uint64_t last_position = 0;

  std::vector<Frame> frames;  // ordered by id; frames[0] is the root while the saga runs
  uint32_t next_frame = 1;
  uint32_t next_seq = 1;
  absl::btree_map<std::string, RunRecord> runs;
  std::vector<Lingering> lingering;

  bool suspended = false;  // by an operator
  bool cancelling = false;
  bool abandoned = false;  // cancelled without undo

  // After the end.
  Status end = Status::kPending;  // cancelled, faulted or completed; pending while it runs
  Json output;
  Json error;
  Timestamp ended;
  bool terminated = false;

  // Undo so far.
  bool undo_ran = false;
  uint32_t undo_completed = 0, undo_failed = 0, undo_skipped = 0;
  bool undo_stopped = false;
  std::vector<StepRecord> steps;  // finished, at most kStepsKept
  std::vector<Entry> kept;        // entries left over at the end (onExhausted: fault)
  std::vector<LateEffect> late_effects;

  // What `events` was when the size was last looked at. Not in the row.
  uint64_t measured_at = 0;

  bool exists() const { return events > 0; }
  bool is_ended() const { return IsEnded(end); }

  // The frame, or nullptr.
  Frame* Find(FrameId id);
  const Frame* Find(FrameId id) const;
  // True when any frame has `id` as its parent.
  bool HasChildren(FrameId id) const;
  // True while an undo runs on behalf of the explicit call in that frame.
  bool HasExplicitUndo(FrameId id) const;
};

inline constexpr size_t kStepsKept = 200;

// The entry with that seq anywhere in the list, children included, or nullptr.
Entry* FindEntry(std::vector<Entry>& entries, uint32_t seq);
const Entry* FindEntry(const std::vector<Entry>& entries, uint32_t seq);

// The entries of a frame anywhere in the list, children included, in order of arming.
std::vector<const Entry*> EntriesOfFrame(const std::vector<Entry>& entries, FrameId frame);

// The status that others see.
Status StatusOf(const SagaState& state);
// What waits for an operator.
std::vector<Incident> IncidentsOf(const SagaState& state);
// As SagaView has them; the error belongs to the state.
SuspendReason SuspendReasonOf(const SagaState& state);
const Json& ErrorOf(const SagaState& state);
std::optional<CompensationView> CompensationOf(const SagaState& state);
std::vector<ActiveTask> ActiveTasksOf(const SagaState& state);
// What others see of it.
SagaView ViewOf(const SagaState& state);

// "charge" of "/do/1/charge".
absl::string_view TaskName(absl::string_view reference);

// Bytes of a saga row, canonical: equal states give equal bytes.
std::string EncodeState(const SagaState& state);
absl::StatusOr<SagaState> DecodeState(absl::string_view bytes);

// A rough count of the memory a state takes.
size_t ApproximateBytes(const SagaState& state);

}  // namespace skald::saga
