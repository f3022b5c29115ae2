// Saga rows: SagaState <-> bytes (proto/skald/log/v1/state.proto).

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/saga/state.h"
#include "skald/log/v1/state.pb.h"

namespace skald::saga {
namespace {

using namespace skald::log::v1;  // NOLINT(google-build-using-namespace): the Saved* messages

// Values are written once each, in order of first use.
class Encoder {
 public:
  std::string Encode(const SagaState& state);

 private:
  uint32_t Value(const Json& value);
  static int64_t Time(Timestamp time) { return time == kNever ? 0 : time.value(); }
  void Save(const Frame& frame, SavedFrame* saved);
  void Save(const WorkerCall& call, SavedCall* saved);
  void Save(const Scope& scope, SavedScope* saved);
  void Save(const Entry& entry, SavedEntry* saved);
  void SaveProgress(const SagaState& state);

  SavedSaga saga_;
  absl::flat_hash_map<std::string, uint32_t> numbers_;
};

uint32_t Encoder::Value(const Json& value) {
  if (value.is_null()) return 0;
  std::string text = value.ToText();
  auto [it, inserted] = numbers_.try_emplace(text, static_cast<uint32_t>(numbers_.size() + 1));
  if (inserted) saga_.add_values(std::move(text));
  return it->second;
}

void Encoder::Save(const WorkerCall& call, SavedCall* saved) {
  saved->set_function(call.function);
  saved->set_path(call.path);
  saved->set_run(call.run);
  saved->set_attempt(call.attempt);
  saved->set_compensation(call.compensation);
  saved->set_arguments(Value(call.arguments));
}

void Encoder::Save(const Entry& entry, SavedEntry* saved) {
  saved->set_seq(entry.seq);
  saved->set_frame(entry.frame.value());
  saved->set_task(entry.task);
  saved->set_path(entry.path);
  saved->set_handler(entry.handler);
  saved->set_outcome(static_cast<uint32_t>(entry.outcome));
  saved->set_phase(static_cast<uint32_t>(entry.phase));
  saved->set_outcome_revision(entry.outcome_revision);
  saved->set_has_output(entry.has_output);
  saved->set_input(Value(entry.input));
  saved->set_output(Value(entry.output));
  saved->set_raw_output(Value(entry.raw_output));
  saved->set_context(Value(entry.context));
  saved->set_started_us(entry.started.value());
  saved->set_completed_us(entry.completed.value());
  saved->set_attempts(entry.attempts);
  saved->set_error(Value(entry.error));
  saved->set_since_us(entry.since.value());
  saved->set_child_order(static_cast<uint32_t>(entry.child_order));
  for (const Entry& child : entry.children) Save(child, saved->add_children());
}

void Encoder::Save(const Scope& scope, SavedScope* saved) {
  saved->set_order(static_cast<uint32_t>(scope.order));
  saved->set_sealed(scope.sealed);
  for (const Entry& entry : scope.entries) Save(entry, saved->add_entries());
  saved->set_undoing(scope.undoing);
  saved->set_undone(scope.undone);
  saved->set_stopped(scope.stopped);
  saved->set_cause(static_cast<uint32_t>(scope.cause));
  saved->set_explicit_frame(scope.explicit_frame.value());
  saved->set_undo_deadline_us(Time(scope.undo_deadline));
  saved->set_undo_time_up(scope.undo_time_up);
}

void Encoder::Save(const Frame& frame, SavedFrame* saved) {
  saved->set_id(frame.id.value());
  saved->set_parent(frame.parent.value());
  saved->set_kind(static_cast<uint32_t>(frame.kind));
  saved->set_phase(static_cast<uint32_t>(frame.phase));
  saved->set_task(frame.task);
  saved->set_path(frame.path);
  saved->set_raw_input(Value(frame.raw_input));
  saved->set_input(Value(frame.input));
  saved->set_data(Value(frame.data));
  saved->set_started_us(frame.started.value());
  saved->set_deadline_us(Time(frame.deadline));
  saved->set_due_us(Time(frame.due));
  saved->set_attempt_deadline_us(Time(frame.attempt_deadline));
  saved->set_onward(static_cast<uint32_t>(frame.onward.kind));
  saved->set_onward_task(frame.onward.task);
  saved->set_retries(frame.retries);
  saved->set_in_catch(frame.in_catch);
  saved->set_error(Value(frame.error));
  saved->set_since_us(frame.since.value());
  if (frame.call) Save(*frame.call, saved->mutable_call());
  if (frame.scope) Save(*frame.scope, saved->mutable_scope());
  if (frame.fault) {
    saved->mutable_fault()->set_error(Value(frame.fault->error));
    saved->mutable_fault()->set_cause(static_cast<uint32_t>(frame.fault->cause));
    saved->mutable_fault()->set_plan(static_cast<uint32_t>(frame.fault->plan));
  }
  saved->set_undo_scope(frame.undo_scope.value());
  saved->set_undo_seq(frame.undo_seq);
}

void Encoder::SaveProgress(const SagaState& state) {
  for (const Frame& frame : state.frames) Save(frame, saga_.add_frames());
  saga_.set_next_frame(state.next_frame);
  saga_.set_next_seq(state.next_seq);
  for (const auto& [path, record] : state.runs) {
    SavedRun* run = saga_.add_runs();
    run->set_path(path);
    run->set_run(record.run);
    run->set_attempts(record.attempts);
    run->set_grows(record.grows);
    run->set_undo_seq(record.undo_seq);
  }
  for (const Lingering& call : state.lingering) {
    SavedLingering* saved = saga_.add_lingering();
    saved->set_frame(call.frame.value());
    saved->set_task(call.task);
    Save(call.call, saved->mutable_call());
    saved->set_input(Value(call.input));
    saved->set_started_us(call.started.value());
    for (FrameId scope : call.scopes) saved->add_scopes(scope.value());
    saved->set_quiet(call.quiet);
  }
}

std::string Encoder::Encode(const SagaState& state) {
  saga_.set_schema_version(1);
  saga_.set_namespace_(state.key.namespace_name);
  saga_.set_saga_id(state.key.saga_id);
  saga_.set_definition_name(state.definition_name);
  saga_.set_definition_version(state.definition_version);
  saga_.set_definition_hash(state.definition_hash);
  saga_.set_correlation_id(state.correlation_id);
  saga_.set_request_id(state.request_id);
  saga_.set_request_digest(state.request_digest);
  saga_.set_input(Value(state.input));
  saga_.set_transformed_input(Value(state.transformed_input));
  saga_.set_context(Value(state.context));
  saga_.set_started_us(state.started.value());
  saga_.set_updated_us(state.updated.value());
  saga_.set_events(state.events);
  saga_.set_last_position(state.last_position);
  SaveProgress(state);
  saga_.set_suspended(state.suspended);
  saga_.set_cancelling(state.cancelling);
  saga_.set_abandoned(state.abandoned);
  saga_.set_end(static_cast<uint32_t>(state.end));
  saga_.set_output(Value(state.output));
  saga_.set_error(Value(state.error));
  saga_.set_ended_us(state.ended.value());
  saga_.set_terminated(state.terminated);
  saga_.set_undo_ran(state.undo_ran);
  saga_.set_undo_completed(state.undo_completed);
  saga_.set_undo_failed(state.undo_failed);
  saga_.set_undo_skipped(state.undo_skipped);
  saga_.set_undo_stopped(state.undo_stopped);
  for (const StepRecord& step : state.steps) {
    SavedStep* saved = saga_.add_steps();
    saved->set_task(step.task);
    saved->set_phase(static_cast<uint32_t>(step.phase));
    saved->set_attempts(step.attempts);
  }
  for (const Entry& entry : state.kept) Save(entry, saga_.add_kept());
  for (const LateEffect& late : state.late_effects) {
    SavedLateEffect* saved = saga_.add_late_effects();
    saved->set_frame(late.frame.value());
    saved->set_task(late.task);
    saved->set_output(Value(late.output));
    saved->set_at_us(late.at.value());
  }
  return saga_.SerializeAsString();
}

class Decoder {
 public:
  absl::StatusOr<SagaState> Decode(absl::string_view bytes);

 private:
  Json Value(uint32_t number) {
    if (number == 0) return Json();
    if (number > values_.size()) {
      broken_ = true;
      return Json();
    }
    return values_[number - 1];
  }
  static Timestamp Time(int64_t us) { return us == 0 ? kNever : Timestamp(us); }
  WorkerCall Load(const SavedCall& saved);
  Entry Load(const SavedEntry& saved);
  Scope Load(const SavedScope& saved);
  Frame Load(const SavedFrame& saved);
  Lingering Load(const SavedLingering& saved);
  void LoadHead(SagaState* state);
  void LoadEnd(SagaState* state);

  SavedSaga saga_;
  std::vector<Json> values_;
  bool broken_ = false;
};

WorkerCall Decoder::Load(const SavedCall& saved) {
  return {.function = saved.function(),
          .path = saved.path(),
          .run = saved.run(),
          .attempt = saved.attempt(),
          .compensation = saved.compensation(),
          .arguments = Value(saved.arguments())};
}

Entry Decoder::Load(const SavedEntry& saved) {
  Entry entry;
  entry.seq = saved.seq();
  entry.frame = FrameId(saved.frame());
  entry.task = saved.task();
  entry.path = saved.path();
  entry.handler = saved.handler();
  entry.outcome = static_cast<Entry::Outcome>(saved.outcome());
  entry.phase = static_cast<Entry::Phase>(saved.phase());
  entry.outcome_revision = saved.outcome_revision();
  entry.has_output = saved.has_output();
  entry.input = Value(saved.input());
  entry.output = Value(saved.output());
  entry.raw_output = Value(saved.raw_output());
  entry.context = Value(saved.context());
  entry.started = Timestamp(saved.started_us());
  entry.completed = Timestamp(saved.completed_us());
  entry.attempts = saved.attempts();
  entry.error = Value(saved.error());
  entry.since = Timestamp(saved.since_us());
  entry.child_order = static_cast<UndoOrder>(saved.child_order());
  for (const SavedEntry& child : saved.children()) entry.children.push_back(Load(child));
  return entry;
}

Scope Decoder::Load(const SavedScope& saved) {
  Scope scope;
  scope.order = static_cast<UndoOrder>(saved.order());
  scope.sealed = saved.sealed();
  for (const SavedEntry& entry : saved.entries()) scope.entries.push_back(Load(entry));
  scope.undoing = saved.undoing();
  scope.undone = saved.undone();
  scope.stopped = saved.stopped();
  scope.cause = static_cast<CompensationCause>(saved.cause());
  scope.explicit_frame = FrameId(saved.explicit_frame());
  scope.undo_deadline = Time(saved.undo_deadline_us());
  scope.undo_time_up = saved.undo_time_up();
  return scope;
}

Frame Decoder::Load(const SavedFrame& saved) {
  Frame frame;
  frame.id = FrameId(saved.id());
  frame.parent = FrameId(saved.parent());
  frame.kind = static_cast<FrameKind>(saved.kind());
  frame.phase = static_cast<Frame::Phase>(saved.phase());
  frame.task = saved.task();
  frame.path = saved.path();
  frame.raw_input = Value(saved.raw_input());
  frame.input = Value(saved.input());
  frame.data = Value(saved.data());
  frame.started = Timestamp(saved.started_us());
  frame.deadline = Time(saved.deadline_us());
  frame.due = Time(saved.due_us());
  frame.attempt_deadline = Time(saved.attempt_deadline_us());
  frame.onward.kind = static_cast<Onward::Kind>(saved.onward());
  frame.onward.task = saved.onward_task();
  frame.retries = saved.retries();
  frame.in_catch = saved.in_catch();
  frame.error = Value(saved.error());
  frame.since = Timestamp(saved.since_us());
  if (saved.has_call()) frame.call = Load(saved.call());
  if (saved.has_scope()) frame.scope = Load(saved.scope());
  if (saved.has_fault()) {
    frame.fault = PendingFault{Value(saved.fault().error()),
                               static_cast<CompensationCause>(saved.fault().cause()),
                               static_cast<FaultPlan>(saved.fault().plan())};
  }
  frame.undo_scope = FrameId(saved.undo_scope());
  frame.undo_seq = saved.undo_seq();
  return frame;
}

Lingering Decoder::Load(const SavedLingering& saved) {
  Lingering call{.frame = FrameId(saved.frame()),
                 .task = saved.task(),
                 .call = Load(saved.call()),
                 .input = Value(saved.input()),
                 .started = Timestamp(saved.started_us())};
  for (uint32_t scope : saved.scopes()) call.scopes.push_back(FrameId(scope));
  call.quiet = saved.quiet();
  return call;
}

void Decoder::LoadHead(SagaState* state) {
  state->key = {saga_.namespace_(), saga_.saga_id()};
  state->definition_name = saga_.definition_name();
  state->definition_version = saga_.definition_version();
  state->definition_hash = saga_.definition_hash();
  state->correlation_id = saga_.correlation_id();
  state->request_id = saga_.request_id();
  state->request_digest = saga_.request_digest();
  state->input = Value(saga_.input());
  state->transformed_input = Value(saga_.transformed_input());
  state->context = Value(saga_.context());
  state->started = Timestamp(saga_.started_us());
  state->updated = Timestamp(saga_.updated_us());
  state->events = saga_.events();
  state->last_position = saga_.last_position();
  state->next_frame = saga_.next_frame();
  state->next_seq = saga_.next_seq();
}

void Decoder::LoadEnd(SagaState* state) {
  state->suspended = saga_.suspended();
  state->cancelling = saga_.cancelling();
  state->abandoned = saga_.abandoned();
  state->end = static_cast<Status>(saga_.end());
  state->output = Value(saga_.output());
  state->error = Value(saga_.error());
  state->ended = Timestamp(saga_.ended_us());
  state->terminated = saga_.terminated();
  state->undo_ran = saga_.undo_ran();
  state->undo_completed = saga_.undo_completed();
  state->undo_failed = saga_.undo_failed();
  state->undo_skipped = saga_.undo_skipped();
  state->undo_stopped = saga_.undo_stopped();
  for (const SavedStep& step : saga_.steps()) {
    state->steps.push_back({step.task(), static_cast<Entry::Phase>(step.phase()), step.attempts()});
  }
  for (const SavedEntry& entry : saga_.kept()) state->kept.push_back(Load(entry));
  for (const SavedLateEffect& late : saga_.late_effects()) {
    state->late_effects.push_back(
        {FrameId(late.frame()), late.task(), Value(late.output()), Timestamp(late.at_us())});
  }
}

absl::StatusOr<SagaState> Decoder::Decode(absl::string_view bytes) {
  if (!saga_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      saga_.schema_version() != 1) {
    return absl::DataLossError("A saga row cannot be read; rebuild the views from the log");
  }
  for (const std::string& text : saga_.values()) {
    SKALD_ASSIGN_OR_RETURN(Json value, Json::Parse(text, kStoredJson));
    values_.push_back(std::move(value));
  }
  SagaState state;
  LoadHead(&state);
  for (const SavedFrame& frame : saga_.frames()) state.frames.push_back(Load(frame));
  for (const SavedRun& run : saga_.runs()) {
    state.runs[run.path()] = {.run = run.run(),
                              .attempts = run.attempts(),
                              .grows = run.grows(),
                              .undo_seq = run.undo_seq()};
  }
  for (const SavedLingering& call : saga_.lingering()) state.lingering.push_back(Load(call));
  LoadEnd(&state);
  if (broken_)
    return absl::DataLossError("A saga row refers to a value it does not hold; rebuild the views");
  return state;
}

}  // namespace

std::string EncodeState(const SagaState& state) { return Encoder().Encode(state); }

absl::StatusOr<SagaState> DecodeState(absl::string_view bytes) { return Decoder().Decode(bytes); }

}  // namespace skald::saga
