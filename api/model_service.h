// skald.v1.ModelService. Compiling takes milliseconds, so it is done on the pool.
#pragma once

#include "api/context.h"
#include "skald/v1/model_service.grpc.pb.h"

namespace skald::api {

class ModelService final : public v1::ModelService::CallbackService {
 public:
  explicit ModelService(ApiContext& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* DeployModel(Call* call, const v1::DeployModelRequest* request,
                       v1::DeployModelResponse* response) override;
  Reactor* ValidateModel(Call* call, const v1::ValidateModelRequest* request,
                         v1::ValidateModelResponse* response) override;
  Reactor* DropModel(Call* call, const v1::DropModelRequest* request,
                     v1::DropModelResponse* response) override;
  Reactor* GetModel(Call* call, const v1::GetModelRequest* request,
                    v1::GetModelResponse* response) override;
  Reactor* ListModels(Call* call, const v1::ListModelsRequest* request,
                      v1::ListModelsResponse* response) override;

 private:
  ApiContext& context_;
};

}  // namespace skald::api
