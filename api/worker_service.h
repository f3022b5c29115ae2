// skald.v1.WorkerService: each stream is a WorkerSession.
#pragma once

#include "api/context.h"
#include "api/worker_session.h"
#include "skald/v1/worker_service.grpc.pb.h"

namespace skald::api {

class WorkerService final : public v1::WorkerService::CallbackService {
 public:
  explicit WorkerService(ApiContext& context) : context_(context) {}

  grpc::ServerBidiReactor<v1::WorkRequest, v1::WorkResponse>* Work(
      grpc::CallbackServerContext* call) override {
    return WorkerSession::Open(context_, *call);
  }

 private:
  ApiContext& context_;
};

}  // namespace skald::api
