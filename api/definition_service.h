// skald.v1.DefinitionService. Compiling takes milliseconds, so it is done on the pool.
#pragma once

#include "api/context.h"
#include "skald/v1/definition_service.grpc.pb.h"

namespace skald::api {

class DefinitionService final : public v1::DefinitionService::CallbackService {
 public:
  explicit DefinitionService(ApiContext& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* DeployDefinition(Call* call, const v1::DeployDefinitionRequest* request,
                            v1::DeployDefinitionResponse* response) override;
  Reactor* ValidateDefinition(Call* call, const v1::ValidateDefinitionRequest* request,
                              v1::ValidateDefinitionResponse* response) override;
  Reactor* GetDefinition(Call* call, const v1::GetDefinitionRequest* request,
                         v1::GetDefinitionResponse* response) override;
  Reactor* ListDefinitions(Call* call, const v1::ListDefinitionsRequest* request,
                           v1::ListDefinitionsResponse* response) override;

 private:
  ApiContext& context_;
};

}  // namespace skald::api
