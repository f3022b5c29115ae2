#include "api/convert_saga.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/convert_common.h"
#include "base/check.h"

namespace skald::api {
namespace {

// "parked" and the prefix "STATE_" -> the enum value STATE_PARKED; the first value, UNSPECIFIED,
// for a word this API has no name for.
template <typename Enum>
Enum ParseWord(bool (*parse)(google::protobuf::ConstStringParam, Enum*), absl::string_view prefix,
               absl::string_view word) {
  Enum value{};
  if (!parse(absl::StrCat(prefix, absl::AsciiStrToUpper(word)), &value)) return Enum{};
  return value;
}

void SetCompensation(const saga::CompensationView& view, v1::Compensation& proto) {
  proto.set_outcome(ParseWord<v1::Compensation::Outcome>(&v1::Compensation::Outcome_Parse,
                                                         "OUTCOME_", view.outcome));
  proto.set_failed(view.failed);
  for (const saga::CompensationStep& step : view.steps) {
    v1::CompensationStep& out = *proto.add_steps();
    out.set_task(step.task);
    out.set_name(step.name);
    out.set_state(ParseWord<v1::CompensationStep::State>(&v1::CompensationStep::State_Parse,
                                                         "STATE_", step.state));
    out.set_attempts(step.attempts);
  }
}

void SetActiveTask(const saga::ActiveTask& task, v1::ActiveTask& proto) {
  proto.set_task(task.task);
  proto.set_name(task.name);
  proto.set_state(
      ParseWord<v1::ActiveTask::State>(&v1::ActiveTask::State_Parse, "STATE_", task.state));
  proto.set_compensation(task.compensation);
  proto.set_attempt(task.attempt);
  proto.set_function(task.function);
  if (task.due) SetTimestamp(*task.due, *proto.mutable_due_time());
}

v1::SuspendReason ToProto(saga::SuspendReason reason) {
  switch (reason) {
    case saga::SuspendReason::kNone:
      return v1::SUSPEND_REASON_UNSPECIFIED;
    case saga::SuspendReason::kOperator:
      return v1::SUSPEND_REASON_OPERATOR;
    case saga::SuspendReason::kParked:
      return v1::SUSPEND_REASON_PARKED;
  }
  return v1::SUSPEND_REASON_UNSPECIFIED;
}

v1::Incident::Kind ToProto(saga::Incident::Kind kind) {
  switch (kind) {
    case saga::Incident::Kind::kParkedCompensation:
      return v1::Incident::KIND_PARKED_COMPENSATION;
    case saga::Incident::Kind::kParkedTask:
      return v1::Incident::KIND_PARKED_TASK;
    case saga::Incident::Kind::kLateEffect:
      return v1::Incident::KIND_LATE_EFFECT;
  }
  return v1::Incident::KIND_UNSPECIFIED;
}

}  // namespace

v1::SagaStatus ToProto(saga::Status status) {
  switch (status) {
    case saga::Status::kPending:
      return v1::SAGA_STATUS_PENDING;
    case saga::Status::kRunning:
      return v1::SAGA_STATUS_RUNNING;
    case saga::Status::kWaiting:
      return v1::SAGA_STATUS_WAITING;
    case saga::Status::kSuspended:
      return v1::SAGA_STATUS_SUSPENDED;
    case saga::Status::kCancelled:
      return v1::SAGA_STATUS_CANCELLED;
    case saga::Status::kFaulted:
      return v1::SAGA_STATUS_FAULTED;
    case saga::Status::kCompleted:
      return v1::SAGA_STATUS_COMPLETED;
  }
  return v1::SAGA_STATUS_UNSPECIFIED;
}

saga::Status FromProto(v1::SagaStatus status) {
  for (saga::Status known : {saga::Status::kPending, saga::Status::kRunning, saga::Status::kWaiting,
                             saga::Status::kSuspended, saga::Status::kCancelled,
                             saga::Status::kFaulted, saga::Status::kCompleted}) {
    if (ToProto(known) == status) return known;
  }
  SKALD_CHECK(false);
}

void SetIncident(const saga::Incident& incident, v1::Incident& proto) {
  proto.set_kind(ToProto(incident.kind));
  proto.set_task(incident.task);
  proto.set_name(incident.name);
  if (!incident.error.is_null()) SetProblem(incident.error, *proto.mutable_error());
  SetTimestamp(incident.since, *proto.mutable_create_time());
  for (absl::string_view verb : absl::StrSplit(incident.verbs, ',', absl::SkipWhitespace())) {
    proto.add_verbs(std::string(absl::StripAsciiWhitespace(verb)));
  }
}

void SetSaga(const saga::SagaView& view, SagaDetail detail, v1::Saga& proto) {
  proto.set_namespace_(view.key.namespace_name);
  proto.set_saga_id(view.key.saga_id);
  proto.set_definition_name(view.definition_name);
  proto.set_definition_version(view.definition_version);
  proto.set_definition_hash(view.definition_hash);
  proto.set_status(ToProto(view.status));
  proto.set_suspend_reason(ToProto(view.suspend_reason));
  if (detail == SagaDetail::kFull) {
    view.input.AppendTo(*proto.mutable_input());
    if (view.status == saga::Status::kCompleted) view.output.AppendTo(*proto.mutable_output());
  }
  if (!view.error.is_null()) SetProblem(view.error, *proto.mutable_error());
  if (view.compensation) SetCompensation(*view.compensation, *proto.mutable_compensation());
  for (const saga::ActiveTask& task : view.active) SetActiveTask(task, *proto.add_active_tasks());
  for (const saga::Incident& incident : view.incidents) {
    SetIncident(incident, *proto.add_incidents());
  }
  SetTimestamp(view.started, *proto.mutable_create_time());
  SetTimestamp(view.updated, *proto.mutable_update_time());
  if (view.ended) SetTimestamp(*view.ended, *proto.mutable_end_time());
  proto.set_revision(view.revision.value());
}

}  // namespace skald::api
