// skald.v1.SagaService. Handlers check, convert, submit, and return; the engine's callback ends the
// call.
#pragma once

#include "api/context.h"
#include "skald/v1/saga_service.grpc.pb.h"

namespace skald::api {

class SagaService final : public v1::SagaService::CallbackService {
 public:
  explicit SagaService(ApiContext& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* StartSaga(Call* call, const v1::StartSagaRequest* request,
                     v1::StartSagaResponse* response) override;
  grpc::ServerBidiReactor<v1::StartSagasRequest, v1::StartSagasResponse>* StartSagas(
      Call* call) override;
  Reactor* GetSaga(Call* call, const v1::GetSagaRequest* request,
                   v1::GetSagaResponse* response) override;
  Reactor* WaitSaga(Call* call, const v1::WaitSagaRequest* request,
                    v1::WaitSagaResponse* response) override;
  Reactor* CancelSaga(Call* call, const v1::CancelSagaRequest* request,
                      v1::CancelSagaResponse* response) override;
  Reactor* TerminateSaga(Call* call, const v1::TerminateSagaRequest* request,
                         v1::TerminateSagaResponse* response) override;
  Reactor* SuspendSaga(Call* call, const v1::SuspendSagaRequest* request,
                       v1::SuspendSagaResponse* response) override;
  Reactor* ResumeSaga(Call* call, const v1::ResumeSagaRequest* request,
                      v1::ResumeSagaResponse* response) override;
  Reactor* RetryCompensation(Call* call, const v1::RetryCompensationRequest* request,
                             v1::RetryCompensationResponse* response) override;
  Reactor* SkipCompensation(Call* call, const v1::SkipCompensationRequest* request,
                            v1::SkipCompensationResponse* response) override;
  Reactor* ResolveCompensation(Call* call, const v1::ResolveCompensationRequest* request,
                               v1::ResolveCompensationResponse* response) override;
  Reactor* RetryTask(Call* call, const v1::RetryTaskRequest* request,
                     v1::RetryTaskResponse* response) override;
  Reactor* CompleteTask(Call* call, const v1::CompleteTaskRequest* request,
                        v1::CompleteTaskResponse* response) override;
  Reactor* FailTask(Call* call, const v1::FailTaskRequest* request,
                    v1::FailTaskResponse* response) override;
  Reactor* ListSagas(Call* call, const v1::ListSagasRequest* request,
                     v1::ListSagasResponse* response) override;
  Reactor* ListIncidents(Call* call, const v1::ListIncidentsRequest* request,
                         v1::ListIncidentsResponse* response) override;

 private:
  ApiContext& context_;
};

}  // namespace skald::api
