// The common part of verbs that change one saga: call, and say what became of it.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "tools/skald/invocation.h"
#include "tools/skald/render.h"

namespace skald::tools {

// Calls `method` for the saga with what is set in `request`. `done` is said of it: "suspended".
template <typename Request, typename Response>
int ChangeSaga(Invocation& call, const SagaKey& saga, absl::string_view done,
               grpc::Status (v1::SagaService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
               Request request) {
  request.set_namespace_(saga.namespace_name);
  request.set_saga_id(saga.saga_id);
  request.set_request_id(call.request_id());
  const auto stub = v1::SagaService::NewStub(call.channel());
  grpc::ClientContext context;
  call.Prepare(context);
  Response response;
  const grpc::Status status = (stub.get()->*method)(&context, request, &response);
  if (!status.ok()) return call.Fail(status);
  if (call.json()) {
    Json::ObjectBuilder object;
    object.Add("saga_id", Json::String(saga.saga_id))
        .Add("namespace", Json::String(saga.namespace_name))
        .Add("position", PositionToJson(response.position()))
        .Add("duplicate", Json::Bool(response.duplicate()));
    call.PrintJson(std::move(object).Build());
  } else {
    call.PrintLine(absl::StrCat(saga.namespace_name, "/", saga.saga_id, ": ", done));
  }
  return kExitOk;
}

}  // namespace skald::tools
