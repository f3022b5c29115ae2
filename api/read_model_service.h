// skald.v1.ReadModelService: reads of models, each a ModelRead; statements, each a PullStream over
// a QuerySource.
#pragma once

#include "api/context.h"
#include "api/model_access.h"
#include "skald/v1/read_model_service.grpc.pb.h"

namespace skald::api {

class ReadModelService final : public v1::ReadModelService::CallbackService {
 public:
  explicit ReadModelService(ApiContext& context) : context_(context), access_(context.options) {}

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* ListReadModels(Call* call, const v1::ListReadModelsRequest* request,
                          v1::ListReadModelsResponse* response) override;
  Reactor* GetRow(Call* call, const v1::GetRowRequest* request,
                  v1::GetRowResponse* response) override;
  Reactor* ListRows(Call* call, const v1::ListRowsRequest* request,
                    v1::ListRowsResponse* response) override;
  Reactor* CountRows(Call* call, const v1::CountRowsRequest* request,
                     v1::CountRowsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchRowsResponse>* WatchRows(
      Call* call, const v1::WatchRowsRequest* request) override;
  grpc::ServerWriteReactor<v1::QueryResponse>* Query(Call* call,
                                                     const v1::QueryRequest* request) override;

 private:
  ApiContext& context_;
  ModelAccess access_;  // ends first: reads that nobody waits for any more use the context
};

}  // namespace skald::api
