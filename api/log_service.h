// skald.v1.LogService: each method is a PullStream over a source of log_sources.h.
#pragma once

#include "api/context.h"
#include "skald/v1/log_service.grpc.pb.h"

namespace skald::api {

class LogService final : public v1::LogService::CallbackService {
 public:
  explicit LogService(ApiContext& context) : context_(context) {}

  grpc::ServerWriteReactor<v1::ReadHistoryResponse>* ReadHistory(
      grpc::CallbackServerContext* call, const v1::ReadHistoryRequest* request) override;
  grpc::ServerWriteReactor<v1::ReplaySagaResponse>* ReplaySaga(
      grpc::CallbackServerContext* call, const v1::ReplaySagaRequest* request) override;
  grpc::ServerWriteReactor<v1::ReadLogResponse>* ReadLog(
      grpc::CallbackServerContext* call, const v1::ReadLogRequest* request) override;
  grpc::ServerWriteReactor<v1::ExportLogResponse>* ExportLog(
      grpc::CallbackServerContext* call, const v1::ExportLogRequest* request) override;
  grpc::ServerWriteReactor<v1::FollowLogResponse>* FollowLog(
      grpc::CallbackServerContext* call, const v1::FollowLogRequest* request) override;

 private:
  ApiContext& context_;
};

}  // namespace skald::api
