// Requests of SagaService -> commands of the engine. BAD_REQUEST with every violation when a field
// is wrong.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "api/validate.h"
#include "engine/saga/command.h"
#include "skald/v1/saga_service.pb.h"

namespace skald::api {

// `violations` may hold some already, as of the actor; they are told with the request's own.
using CommandOr = absl::StatusOr<saga::Command>;
CommandOr ToCommand(const v1::StartSagaRequest& request, std::string actor, Violations violations);
CommandOr ToCommand(const v1::CancelSagaRequest& request, std::string actor, Violations violations);
CommandOr ToCommand(const v1::TerminateSagaRequest& request, std::string actor,
                    Violations violations);
CommandOr ToCommand(const v1::SuspendSagaRequest& request, std::string actor,
                    Violations violations);
CommandOr ToCommand(const v1::ResumeSagaRequest& request, std::string actor, Violations violations);
CommandOr ToCommand(const v1::RetryCompensationRequest& request, std::string actor,
                    Violations violations);
CommandOr ToCommand(const v1::SkipCompensationRequest& request, std::string actor,
                    Violations violations);
CommandOr ToCommand(const v1::ResolveCompensationRequest& request, std::string actor,
                    Violations violations);
CommandOr ToCommand(const v1::RetryTaskRequest& request, std::string actor, Violations violations);
CommandOr ToCommand(const v1::CompleteTaskRequest& request, std::string actor,
                    Violations violations);
CommandOr ToCommand(const v1::FailTaskRequest& request, std::string actor, Violations violations);

}  // namespace skald::api
