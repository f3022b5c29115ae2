#include "api/saga_commands.h"

#include <utility>

#include <xxhash.h>

#include "base/status_macros.h"

namespace skald::api {
namespace {

// What a repeated request must have in common with the first: everything but its id and how long it
// waits.
uint64_t DigestOf(v1::StartSagaRequest request) {
  request.clear_request_id();
  request.clear_wait();
  const std::string bytes = request.SerializeAsString();
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), 0);
}

// The method's name is part of it: the same id must not serve two methods.
template <typename Request>
uint64_t DigestOf(Request request) {
  request.clear_request_id();
  const std::string bytes = Request::descriptor()->full_name() + request.SerializeAsString();
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), 0);
}

// Checks and sets what all but StartSaga have in common.
template <typename Request>
saga::Command BaseCommand(const Request& request, std::string actor, Violations& violations) {
  violations.CheckId("namespace", request.namespace_(), Presence::kRequired);
  violations.CheckId("saga_id", request.saga_id(), Presence::kRequired);
  violations.CheckId("request_id", request.request_id(), Presence::kOptional);
  saga::Command command;
  command.saga = {.namespace_name = request.namespace_(), .saga_id = request.saga_id()};
  command.actor = std::move(actor);
  if (!request.request_id().empty()) {
    command.request_id = request.request_id();
    command.request_digest = DigestOf(request);
  }
  return command;
}

void CheckTask(absl::string_view task, Violations& violations) {
  violations.CheckNote("task", task, Presence::kOptional);
}

CommandOr Checked(saga::Command command, const Violations& violations) {
  SKALD_RETURN_IF_ERROR(violations.ToStatus());
  return command;
}

}  // namespace

CommandOr ToCommand(const v1::StartSagaRequest& request, std::string actor, Violations violations) {
  violations.CheckId("namespace", request.namespace_(), Presence::kRequired);
  violations.CheckId("definition_name", request.definition_name(), Presence::kRequired);
  violations.CheckId("definition_version", request.definition_version(), Presence::kOptional);
  violations.CheckId("saga_id", request.saga_id(), Presence::kOptional);
  violations.CheckId("request_id", request.request_id(), Presence::kOptional);
  violations.CheckId("correlation_id", request.correlation_id(), Presence::kOptional);
  saga::Command command;
  command.saga = {.namespace_name = request.namespace_(), .saga_id = request.saga_id()};
  command.actor = std::move(actor);
  command.correlation_id = request.correlation_id();
  if (!request.request_id().empty()) {
    command.request_id = request.request_id();
    command.request_digest = DigestOf(request);
  }
  command.request = saga::StartSaga{.definition_name = request.definition_name(),
                                    .definition_version = request.definition_version(),
                                    .input = violations.ParseJson("input", request.input(), "{}")};
  return Checked(std::move(command), violations);
}

CommandOr ToCommand(const v1::CancelSagaRequest& request, std::string actor,
                    Violations violations) {
  saga::Command command = BaseCommand(request, std::move(actor), violations);
  violations.CheckNote("reason", request.reason(), Presence::kOptional);
  std::optional<bool> compensate;
  switch (request.undo()) {
    case v1::CancelSagaRequest::UNDO_UNSPECIFIED:
      break;
    case v1::CancelSagaRequest::UNDO_COMPENSATE:
      compensate = true;
      break;
    case v1::CancelSagaRequest::UNDO_ABANDON:
      compensate = false;
      break;
    default:
      violations.Add("undo", "is not a value of this enum");
  }
  command.request = saga::CancelSaga{
      .reason = request.reason(), .compensate = compensate, .force = request.force()};
  return Checked(std::move(command), violations);
}

CommandOr ToCommand(const v1::TerminateSagaRequest& request, std::string actor,
                    Violations violations) {
  saga::Command command = BaseCommand(request, std::move(actor), violations);
  violations.CheckNote("reason", request.reason(), Presence::kOptional);
  command.request = saga::TerminateSaga{.reason = request.reason()};
  return Checked(std::move(command), violations);
}

CommandOr ToCommand(const v1::SuspendSagaRequest& request, std::string actor,
                    Violations violations) {
  saga::Command command = BaseCommand(request, std::move(actor), violations);
  violations.CheckNote("reason", request.reason(), Presence::kOptional);
  command.request = saga::SuspendSaga{.reason = request.reason()};
  return Checked(std::move(command), violations);
}

CommandOr ToCommand(const v1::ResumeSagaRequest& request, std::string actor,
                    Violations violations) {
  saga::Command command = BaseCommand(request, std::move(actor), violations);
  command.request = saga::ResumeSaga{};
  return Checked(std::move(command), violations);
}

CommandOr ToCommand(const v1::RetryCompensationRequest& request, std::string actor,
                    Violations violations) {
  saga::Command command = BaseCommand(request, std::move(actor), violations);
  CheckTask(request.task(), violations);
  command.request = saga::RetryCompensation{.task = request.task()};
  return Checked(std::move(command), violations);
}

CommandOr ToCommand(const v1::SkipCompensationRequest& request, std::string actor,
                    Violations violations) {
  saga::Command command = BaseCommand(request, std::move(actor), violations);
  CheckTask(request.task(), violations);
  violations.CheckNote("reason", request.reason(), Presence::kRequired);
  command.request = saga::SkipCompensation{.task = request.task(), .reason = request.reason()};
  return Checked(std::move(command), violations);
}

CommandOr ToCommand(const v1::ResolveCompensationRequest& request, std::string actor,
                    Violations violations) {
  saga::Command command = BaseCommand(request, std::move(actor), violations);
  CheckTask(request.task(), violations);
  violations.CheckNote("note", request.note(), Presence::kRequired);
  command.request = saga::ResolveCompensation{.task = request.task(), .note = request.note()};
  return Checked(std::move(command), violations);
}

CommandOr ToCommand(const v1::RetryTaskRequest& request, std::string actor, Violations violations) {
  saga::Command command = BaseCommand(request, std::move(actor), violations);
  CheckTask(request.task(), violations);
  command.request = saga::RetryTask{.task = request.task()};
  return Checked(std::move(command), violations);
}

CommandOr ToCommand(const v1::CompleteTaskRequest& request, std::string actor,
                    Violations violations) {
  saga::Command command = BaseCommand(request, std::move(actor), violations);
  CheckTask(request.task(), violations);
  violations.CheckNote("note", request.note(), Presence::kRequired);
  command.request =
      saga::CompleteTask{.task = request.task(),
                         .output = violations.ParseJson("output", request.output(), "null"),
                         .note = request.note()};
  return Checked(std::move(command), violations);
}

CommandOr ToCommand(const v1::FailTaskRequest& request, std::string actor, Violations violations) {
  saga::Command command = BaseCommand(request, std::move(actor), violations);
  CheckTask(request.task(), violations);
  violations.CheckNote("note", request.note(), Presence::kRequired);
  command.request = saga::FailTask{.task = request.task(), .note = request.note()};
  return Checked(std::move(command), violations);
}

}  // namespace skald::api
