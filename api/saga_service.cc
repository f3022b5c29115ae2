#include "api/saga_service.h"

#include <algorithm>
#include <utility>

#include "api/convert_common.h"
#include "api/convert_saga.h"
#include "api/grpc_status.h"
#include "api/replay_source.h"
#include "api/saga_commands.h"
#include "api/saga_list.h"
#include "api/start_stream.h"
#include "api/wait_call.h"
#include "base/errors.h"

namespace skald::api {
namespace {

using Reactor = grpc::ServerUnaryReactor;

// Every verb of an operator: the answer is the position it is durable at.
template <typename Request, typename Response>
Reactor* SubmitVerb(ApiContext& context, grpc::CallbackServerContext& call, const Request& request,
                    Response* response) {
  if (context.calls.draining()) return Finished(call, ServerStoppingError());
  Violations violations;
  std::string actor = ActorOf(call, violations);
  CommandOr command = ToCommand(request, std::move(actor), std::move(violations));
  if (!command.ok()) return Finished(call, command.status());
  Reactor* reactor = call.DefaultReactor();
  context.engine.Submit(*std::move(command),
                        [reactor, response](absl::StatusOr<runtime::CommandReply> reply) {
                          if (reply.ok()) {
                            SetPosition(reply->position, *response->mutable_position());
                            response->set_duplicate(reply->duplicate);
                          }
                          reactor->Finish(ToGrpcStatus(reply.status()));
                        });
  return reactor;
}

// When a wait of `span` that starts now is over.
Timestamp WaitDeadline(ApiContext& context, const grpc::CallbackServerContext& call, Micros span) {
  return std::min(After(context.engine.Now(), span), DeadlineOf(call));
}

Reactor* StartAndWait(ApiContext& context, saga::Command command, Timestamp deadline,
                      v1::StartSagaResponse* response) {
  const std::shared_ptr<WaitCall> wait_call = WaitCall::Make(context);
  context.engine.Submit(std::move(command), [wait_call, deadline, response](
                                                absl::StatusOr<runtime::CommandReply> reply) {
    if (!reply.ok()) {
      wait_call->Fail(reply.status());
      return;
    }
    SagaKey key = reply->saga;
    wait_call->Wait(std::move(key), deadline, /*until_parked=*/true,
                    [reply = *std::move(reply), response](const saga::SagaView& view) {
                      SetStarted(reply, *response);
                      SetSaga(view, SagaDetail::kFull, *response->mutable_saga());
                    });
  });
  return wait_call.get();
}

}  // namespace

Reactor* SagaService::StartSaga(Call* call, const v1::StartSagaRequest* request,
                                v1::StartSagaResponse* response) {
  if (context_.calls.draining()) return Finished(*call, ServerStoppingError());
  Violations violations;
  std::string actor = ActorOf(*call, violations);
  CommandOr command = ToCommand(*request, std::move(actor), std::move(violations));
  if (!command.ok()) return Finished(*call, command.status());
  const Micros wait = ToMicros(request->wait(), context_.options.wait_max);
  if (wait > 0) {
    return StartAndWait(context_, *std::move(command), WaitDeadline(context_, *call, wait),
                        response);
  }
  Reactor* reactor = call->DefaultReactor();
  context_.engine.Submit(*std::move(command),
                         [reactor, response](absl::StatusOr<runtime::CommandReply> reply) {
                           if (reply.ok()) SetStarted(*reply, *response);
                           reactor->Finish(ToGrpcStatus(reply.status()));
                         });
  return reactor;
}

grpc::ServerBidiReactor<v1::StartSagasRequest, v1::StartSagasResponse>* SagaService::StartSagas(
    Call* call) {
  return StartStream::Open(context_, *call);
}

Reactor* SagaService::GetSaga(Call* call, const v1::GetSagaRequest* request,
                              v1::GetSagaResponse* response) {
  Violations violations;
  violations.CheckId("namespace", request->namespace_(), Presence::kRequired);
  violations.CheckId("saga_id", request->saga_id(), Presence::kRequired);
  const runtime::AsOf as_of = ReadAsOf(request->as_of(), violations);
  if (!violations.empty()) return Finished(*call, violations.ToStatus());
  if (!std::holds_alternative<std::monostate>(as_of)) {
    return AnswerOnPool(context_, *call, [this, call, request, response, as_of] {
      return GetSagaAsOf(
          context_.engine, {.namespace_name = request->namespace_(), .saga_id = request->saga_id()},
          as_of, [call] { return call->IsCancelled(); }, *response->mutable_saga());
    });
  }
  Reactor* reactor = call->DefaultReactor();
  context_.engine.GetSaga({.namespace_name = request->namespace_(), .saga_id = request->saga_id()},
                          [reactor, response](absl::StatusOr<saga::SagaView> view) {
                            if (view.ok())
                              SetSaga(*view, SagaDetail::kFull, *response->mutable_saga());
                            reactor->Finish(ToGrpcStatus(view.status()));
                          });
  return reactor;
}

Reactor* SagaService::WaitSaga(Call* call, const v1::WaitSagaRequest* request,
                               v1::WaitSagaResponse* response) {
  Violations violations;
  violations.CheckId("namespace", request->namespace_(), Presence::kRequired);
  violations.CheckId("saga_id", request->saga_id(), Presence::kRequired);
  if (!violations.empty()) return Finished(*call, violations.ToStatus());
  const Micros timeout = request->has_timeout()
                             ? ToMicros(request->timeout(), context_.options.wait_max)
                             : context_.options.wait_max;
  const std::shared_ptr<WaitCall> wait_call = WaitCall::Make(context_);
  wait_call->Wait({.namespace_name = request->namespace_(), .saga_id = request->saga_id()},
                  WaitDeadline(context_, *call, timeout), request->until_parked(),
                  [response](const saga::SagaView& view) {
                    SetSaga(view, SagaDetail::kFull, *response->mutable_saga());
                  });
  return wait_call.get();
}

Reactor* SagaService::CancelSaga(Call* call, const v1::CancelSagaRequest* request,
                                 v1::CancelSagaResponse* response) {
  return SubmitVerb(context_, *call, *request, response);
}

Reactor* SagaService::TerminateSaga(Call* call, const v1::TerminateSagaRequest* request,
                                    v1::TerminateSagaResponse* response) {
  return SubmitVerb(context_, *call, *request, response);
}

Reactor* SagaService::SuspendSaga(Call* call, const v1::SuspendSagaRequest* request,
                                  v1::SuspendSagaResponse* response) {
  return SubmitVerb(context_, *call, *request, response);
}

Reactor* SagaService::ResumeSaga(Call* call, const v1::ResumeSagaRequest* request,
                                 v1::ResumeSagaResponse* response) {
  return SubmitVerb(context_, *call, *request, response);
}

Reactor* SagaService::RetryCompensation(Call* call, const v1::RetryCompensationRequest* request,
                                        v1::RetryCompensationResponse* response) {
  return SubmitVerb(context_, *call, *request, response);
}

Reactor* SagaService::SkipCompensation(Call* call, const v1::SkipCompensationRequest* request,
                                       v1::SkipCompensationResponse* response) {
  return SubmitVerb(context_, *call, *request, response);
}

Reactor* SagaService::ResolveCompensation(Call* call, const v1::ResolveCompensationRequest* request,
                                          v1::ResolveCompensationResponse* response) {
  return SubmitVerb(context_, *call, *request, response);
}

Reactor* SagaService::RetryTask(Call* call, const v1::RetryTaskRequest* request,
                                v1::RetryTaskResponse* response) {
  return SubmitVerb(context_, *call, *request, response);
}

Reactor* SagaService::CompleteTask(Call* call, const v1::CompleteTaskRequest* request,
                                   v1::CompleteTaskResponse* response) {
  return SubmitVerb(context_, *call, *request, response);
}

Reactor* SagaService::FailTask(Call* call, const v1::FailTaskRequest* request,
                               v1::FailTaskResponse* response) {
  return SubmitVerb(context_, *call, *request, response);
}

Reactor* SagaService::ListSagas(Call* call, const v1::ListSagasRequest* request,
                                v1::ListSagasResponse* response) {
  return AnswerOnPool(context_, *call, [this, request, response] {
    return FillSagaPage(context_, *request, *response);
  });
}

Reactor* SagaService::ListIncidents(Call* call, const v1::ListIncidentsRequest* request,
                                    v1::ListIncidentsResponse* response) {
  return AnswerOnPool(context_, *call, [this, request, response] {
    return FillIncidentPage(context_, *request, *response);
  });
}

}  // namespace skald::api
