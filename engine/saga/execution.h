// One decision in the making: a working copy of the state that every emitted event is folded into
// at once, so what decides next sees what has been decided before, and the live state comes from
// the same Evolve as a replayed one.
//
// Private to engine/saga. The methods stand in the order of a saga's life: commands (commands.cc,
// answers.cc, verbs.cc, timers.cc), going on (advance.cc), entering a task (enter.cc), finishing it
// (finish.cc), errors (faults.cc, retries.cc), undo (undo.cc), and what expressions may see
// (bindings.cc).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/definition/program.h"
#include "engine/saga/decide.h"
#include "engine/saga/evolve.h"
#include "engine/saga/pending.h"
#include "engine/saga/state.h"

namespace skald::saga {

// A value or an RFC 7807 error: what evaluating and validating give.
template <typename T>
class OrProblem {
 public:
  OrProblem(T value)
      : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor): as StatusOr
  static OrProblem Failed(Json problem) {
    OrProblem result;
    result.problem_ = std::move(problem);
    return result;
  }
  bool ok() const { return value_.has_value(); }
  T& operator*() { return *value_; }
  T* operator->() { return &*value_; }
  const Json& problem() const { return problem_; }

 private:
  OrProblem() = default;
  std::optional<T> value_;
  Json problem_;
};

class Execution {
 public:
  // All must outlive it; `decision` is where the outcome goes.
  Execution(const SagaState& state, const Command& command, const DecideContext& context,
            Decision& decision);

  void Run() &&;

 private:
  using Program = definition::Program;
  using Node = definition::Node;
  using NodeIndex = definition::NodeIndex;
  using Flow = definition::Flow;
  using Template = definition::Template;

  // What an expression may see at one place (the standard's table of variables).
  struct Place {
    FrameId frame;                   // whose ancestors' catch variables and undo are visible
    const Node* node = nullptr;      // of $task; null at the workflow's own expressions
    Timestamp started;               // of $task
    std::optional<Json> raw_input;   // $task.input
    std::optional<Json> input;       // $input
    std::optional<Json> raw_output;  // $task.output
    std::optional<Json> output;      // $output
    std::string error_name;          // an error variable not held by a frame yet
    Json error;
    const Entry* undo = nullptr;  // $compensation, before its frame exists
    const Scope* undo_scope = nullptr;
  };

  // ---- commands.cc, verbs.cc, answers.cc, timers.cc ----
  absl::Status Handle(const StartSaga& request);
  absl::Status Handle(const CancelSaga& request);
  absl::Status Handle(const TerminateSaga& request);
  absl::Status Handle(const SuspendSaga& request);
  absl::Status Handle(const ResumeSaga& request);
  absl::Status Handle(const AnswerTask& request);
  absl::Status Handle(const QuiesceTask& request);
  absl::Status Handle(const RetryCompensation& request);
  absl::Status Handle(const SkipCompensation& request);
  absl::Status Handle(const ResolveCompensation& request);
  absl::Status Handle(const RetryTask& request);
  absl::Status Handle(const CompleteTask& request);
  absl::Status Handle(const FailTask& request);
  absl::Status Handle(const FireTimer& request);

  absl::Status RequireRunning() const;
  absl::Status AnswerLate(const AnswerTask& request);
  // A newer call of the same run has answered for its effect, or is to.
  bool HasNewerOutcome(const Lingering& call) const;
  bool IsSuperseded(const Lingering& call) const;
  void ArmLate(const Lingering& call, const Payload& output);
  bool IsTooLarge(const Payload& output) const;
  // What a verb is about.
  struct ParkedUndo {
    FrameId scope;
    uint32_t seq = 0;
  };
  std::vector<ParkedUndo> ParkedUndos(absl::string_view task) const;
  absl::StatusOr<ParkedUndo> FindParkedUndo(absl::string_view task) const;
  absl::StatusOr<FrameId> FindParkedTask(absl::string_view task) const;
  absl::Status NothingParkedError(absl::string_view task) const;
  absl::Status ResolveLateEffect(absl::string_view task, const std::string& note);
  bool IsPending(const Timer& timer) const;
  void FireDue(FrameId frame);
  void FireDeadline(FrameId frame);
  void FireAttemptDeadline(FrameId frame);
  void FireUndoDeadline(FrameId frame);
  void Fire(FireTimer::Kind kind, FrameId frame);
  // A timeout that passes after the pivot: what runs is parked instead.
  bool ParkInsteadOfTimeout(FrameId frame, FireTimer::Kind kind, const Json& error);
  void WaiveTimeout(FrameId frame, FireTimer::Kind kind);

  // ---- advance.cc ----
  // Goes on until everything waits, the saga has ended, or the step's bound is reached.
  void Advance();
  bool StepFrame(FrameId frame);
  bool IsDoomed(const Frame& frame) const;
  void GoOn(FrameId frame);
  void FinishList(FrameId frame, bool end);
  // Finishes what an operator's hold kept from finishing: no clock may take that back.
  void FinishLists();
  void CompleteSaga();

  // ---- enter.cc ----
  void EnterTask(FrameId parent, NodeIndex node);
  // Too many tasks in each other, or too much kept, for one more task below `parent`.
  std::optional<Json> ExceededLimit(FrameId parent, const Node& node);
  bool IsStateTooLarge();
  // A task whose condition, input or limits failed before it began.
  void FailEntry(FrameId parent, const Node& node, Json problem);
  void BeginBody(FrameId parent, const Node& node, Json input, bool transformed);
  void BeginCall(FrameId parent, const Node& node, Json input, log::v1::TaskStarted* start);
  void RunSimple(FrameId frame, const Node& node);
  // Emits TaskStarted and returns the new frame.
  FrameId Start(FrameId parent, const Node& node, log::v1::TaskStarted start);
  std::string PathOf(FrameId parent, const Node& node) const;
  log::v1::WorkerCall NextCall(const Node& node, std::string path, uint32_t undo_seq) const;
  // The undo that the frame runs for, 0 for none.
  uint32_t UndoAround(FrameId frame) const;
  bool InsideUndo(FrameId frame) const { return UndoAround(frame) != 0; }
  OrProblem<Flow> ChooseCase(FrameId frame, const Node& node);
  OrProblem<Json> BuildRaised(FrameId frame, const Node& node);

  // ---- finish.cc ----
  struct Output {
    log::v1::OutputSource source = log::v1::OUTPUT_SOURCE_INPUT;
    std::optional<Payload> value;  // of OUTPUT_SOURCE_SLOT
    std::optional<Flow> flow;      // instead of the task's own `then`
    std::string note;              // of an operator
  };
  void FinishTask(FrameId frame, Output output);
  // The task did its work, but its output does not fit the log: its undo is owed, without it.
  void FinishWithoutOutput(FrameId frame, size_t output_bytes);
  // The task did its work, but its output could not be taken over.
  void FailFinished(FrameId frame, const Json& problem);
  enum class Kept { kOutput, kNothing };
  void ArmFinished(FrameId frame, const Node& node, uint32_t output_slot,
                   Kept kept = Kept::kOutput);
  // Calls of the same run that were given up: the one that completed answers for them.
  void SupersedeLingering(const WorkerCall& call, FrameId frame);
  log::v1::Next NextOf(const Node& node, const Flow& flow) const;

  // ---- faults.cc, retries.cc ----
  struct Fault {
    Json error;
    bool refused_for_good = false;
    bool awaiting_answer = false;
    bool raised = false;  // by a raise task
    std::string note;     // of an operator
    bool by_operator = false;
  };
  // The task of this frame (which has no children) failed.
  void FailTaskFrame(FrameId frame, Fault fault);
  // An error arrives at a frame from below, or (own) hits the frame itself.
  void RaiseAt(FrameId frame, const Json& error, CompensationCause cause, bool own);
  // Acts on a frame's pending error once it is quiet. False: it has to wait.
  bool ProceedFault(FrameId frame);
  bool MayUndo(const Frame& frame) const;
  void LeaveByFault(FrameId frame);
  void EndSaga(const PendingFault& fault);
  log::v1::CompensationSummary Summary() const;
  FaultPlan PlanFor(FrameId frame, Json& error, bool own);
  void CancelChildren(FrameId frame, CompensationCause cause);
  void CancelFrame(FrameId frame, CompensationCause cause);
  bool AwaitsAnswers(FrameId scope) const;
  // Of the nearest error around a doomed frame.
  CompensationCause CauseOfDoom(const Frame& frame) const;

  bool RetryIsDue(const definition::RetryPolicy& policy, uint32_t retries, Timestamp since,
                  const Place& place, const Json& dot);
  OrProblem<Micros> RetryDelay(const definition::RetryPolicy& policy, uint32_t retry,
                               const Place& place, const Json& dot);
  void ScheduleRetry(FrameId frame);
  void ScheduleRetryAt(FrameId frame, uint32_t retry, Micros delay, const Fault& fault);
  void Retry(FrameId frame);
  // After a pivot: runs the failed leaf again, or parks it. False: the error may leave.
  bool RecoverForward(FrameId frame, const Fault& fault);
  bool StaysInside(FrameId frame, Json error, FrameId* sealed);
  void CallAgainIn(Micros delay, FrameId frame, const Fault& fault);
  void Park(FrameId frame, const Fault& fault);

  // ---- undo.cc ----
  void StartUndo(FrameId scope, CompensationCause cause, std::vector<uint32_t> seqs,
                 FrameId explicit_frame);
  bool StepUndo(FrameId scope);
  // Begins the undo that the definition asks for, or completes the task when nothing is owed (any
  // more).
  void StepExplicitUndo(FrameId frame);
  void CollectTargets(const std::vector<Entry>& entries, const definition::CompensateTarget& target,
                      std::vector<uint32_t>& seqs) const;
  void StartStep(FrameId scope, uint32_t seq);
  void FinishStep(FrameId undo_frame);
  // The handler failed; it is tried again, or given up.
  void FailStep(FrameId undo_frame, const Json& error);
  void ExhaustStep(FrameId undo_frame, const Json& error);
  const definition::Compensation& CompensationOf(const Entry& entry) const;
  const definition::ScopeOptions& OptionsOf(const Frame& scope) const;
  std::string ScopeName(const Frame& scope) const;
  // The nearest scope around a frame, itself not counted.
  FrameId ScopeAround(FrameId frame) const;

  // ---- bindings.cc ----
  // A value that may be kept: as it will be read from the log.
  OrProblem<Json> Evaluate(const Template& expression, const Json& dot, const Place& place);
  // As the expression gives it: not-a-number is true, and null is not.
  OrProblem<Json> Compute(const Template& expression, const Json& dot, const Place& place);
  // `bytes`: as measured.
  bool IsTooLarge(const Json& value, size_t bytes) const;
  OrProblem<bool> Holds(const Template& expression, const Json& dot, const Place& place);
  OrProblem<definition::Duration> EvaluateDuration(const definition::DurationTemplate& duration,
                                                   const Json& dot, const Place& place);
  // The moment a timeout passes, counted from now; kNever without one.
  OrProblem<Timestamp> Deadline(const std::optional<definition::DurationTemplate>& duration,
                                const Json& dot, const Place& place);
  // Null when it fits.
  std::optional<Json> Violation(const std::optional<schema::Schema>& schema, const Json& value,
                                absl::string_view what, absl::string_view instance);
  Json Variable(absl::string_view name, const Place& place) const;
  Json TaskDescriptor(const Place& place) const;
  Json WorkflowDescriptor() const;
  Json CompensationVariable(const Place& place) const;
  // A Place for expressions of a live frame's own task.
  Place PlaceOf(const Frame& frame) const;

  // ---- execution.cc ----
  void Emit(log::v1::Event event);
  uint32_t AddSlot(const Json& value);
  uint32_t AddSlot(const Payload& payload);
  Frame& frame(FrameId id) { return *state_.Find(id); }
  const Frame& frame(FrameId id) const { return *state_.Find(id); }
  const Node& NodeOf(const Frame& frame) const;
  const Program& program() const { return *context_.program; }
  FrameId NewFrameId() const { return FrameId(state_.next_frame); }
  bool OverBudget() const;
  uint64_t NextRandom();

  const Command& command_;
  const DecideContext& context_;
  // Parts of the decision.
  SagaState& state_;
  log::v1::CommitHeader& header_;
  log::v1::EventBodies& bodies_;
  std::vector<std::string>& slot_texts_;
  absl::Status& reply_;
  size_t& moves_;
  std::vector<Json> slot_values_;
  size_t slot_bytes_ = 0;
  size_t move_begin_ = 0;  // slot_bytes_ when the last move began
  uint64_t random_state_ = 0;
};

}  // namespace skald::saga
