// skald.v1.AuditService. Its work is done on a thread of its own: following the log may take long,
// and other reads shall not wait for it.
#pragma once

#include "api/context.h"
#include "api/work_pool.h"
#include "skald/v1/audit_service.grpc.pb.h"

namespace skald::api {

class AuditService final : public v1::AuditService::CallbackService {
 public:
  explicit AuditService(ApiContext& context)
      : pool_(1),
        context_{context.engine, context.options, pool_, context.calls, context.store_id} {}

  grpc::ServerUnaryReactor* GetCheckpoint(grpc::CallbackServerContext* call,
                                          const v1::GetCheckpointRequest* request,
                                          v1::GetCheckpointResponse* response) override;
  grpc::ServerUnaryReactor* ListCheckpoints(grpc::CallbackServerContext* call,
                                            const v1::ListCheckpointsRequest* request,
                                            v1::ListCheckpointsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchCheckpointsResponse>* WatchCheckpoints(
      grpc::CallbackServerContext* call, const v1::WatchCheckpointsRequest* request) override;
  grpc::ServerUnaryReactor* ProveConsistency(grpc::CallbackServerContext* call,
                                             const v1::ProveConsistencyRequest* request,
                                             v1::ProveConsistencyResponse* response) override;
  grpc::ServerWriteReactor<v1::ExportSagaResponse>* ExportSaga(
      grpc::CallbackServerContext* call, const v1::ExportSagaRequest* request) override;
  grpc::ServerUnaryReactor* GetKey(grpc::CallbackServerContext* call,
                                   const v1::GetKeyRequest* request,
                                   v1::GetKeyResponse* response) override;
  grpc::ServerUnaryReactor* RotateKey(grpc::CallbackServerContext* call,
                                      const v1::RotateKeyRequest* request,
                                      v1::RotateKeyResponse* response) override;

 private:
  WorkPool pool_;
  ApiContext context_;  // the server's, with our pool
};

}  // namespace skald::api
