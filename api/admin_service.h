// skald.v1.AdminService.
#pragma once

#include "absl/status/status.h"
#include "api/context.h"
#include "api/verify_source.h"
#include "skald/v1/admin_service.grpc.pb.h"

namespace skald::api {

class AdminService final : public v1::AdminService::CallbackService {
 public:
  explicit AdminService(ApiContext& context) : context_(context), verifier_(context.engine) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* call,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;
  grpc::ServerWriteReactor<v1::VerifyStoreResponse>* VerifyStore(
      grpc::CallbackServerContext* call, const v1::VerifyStoreRequest* request) override;
  grpc::ServerUnaryReactor* ListModelStatus(grpc::CallbackServerContext* call,
                                            const v1::ListModelStatusRequest* request,
                                            v1::ListModelStatusResponse* response) override;
  grpc::ServerUnaryReactor* RebuildModel(grpc::CallbackServerContext* call,
                                         const v1::RebuildModelRequest* request,
                                         v1::RebuildModelResponse* response) override;
  grpc::ServerUnaryReactor* ControlRebuild(grpc::CallbackServerContext* call,
                                           const v1::ControlRebuildRequest* request,
                                           v1::ControlRebuildResponse* response) override;
  grpc::ServerUnaryReactor* DropPreviousRows(grpc::CallbackServerContext* call,
                                             const v1::DropPreviousRowsRequest* request,
                                             v1::DropPreviousRowsResponse* response) override;

 private:
  ApiContext& context_;
  Verifier verifier_;
};

}  // namespace skald::api
