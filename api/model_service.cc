#include "api/model_service.h"

#include <string>
#include <utility>

#include "api/convert_common.h"
#include "api/convert_diagnostic.h"
#include "api/grpc_status.h"
#include "base/errors.h"
#include "engine/projection/declared_model.h"

namespace skald::api {
namespace {

enum class TextDetail { kWithText, kWithoutText };

void SetModel(const runtime::ModelInfo& info, TextDetail detail, v1::DeclaredModel& proto) {
  proto.set_name(info.name);
  // Its text was good when it was deployed; if an older version of the language is not read any
  // more, it is still shown.
  const projection::CompiledModel compiled = projection::CompileModel(info.text);
  if (compiled.ok()) proto.set_description(compiled.declaration->schema.description);
  proto.set_hash(info.hash);
  if (detail == TextDetail::kWithText) proto.set_text(info.text);
  proto.set_actor(info.actor);
  SetTimestamp(info.deployed, *proto.mutable_create_time());
  SetPosition(info.position, *proto.mutable_position());
}

}  // namespace

grpc::ServerUnaryReactor* ModelService::DeployModel(Call* call,
                                                    const v1::DeployModelRequest* request,
                                                    v1::DeployModelResponse* response) {
  if (context_.calls.draining()) return Finished(*call, ServerStoppingError());
  Violations violations;
  std::string actor = ActorOf(*call, violations);
  if (request->text().empty()) violations.Add("text", "must not be empty");
  if (!violations.empty()) return Finished(*call, violations.ToStatus());
  return OnPool(context_, *call,
                [this, request, response, actor = std::move(actor)](Reactor* reactor) mutable {
                  context_.engine.DeployModel(
                      request->text(), std::move(actor),
                      [reactor, response](absl::StatusOr<runtime::DeployModelReply> reply) {
                        if (reply.ok()) {
                          response->set_name(reply->name);
                          response->set_hash(reply->hash);
                          SetPosition(reply->position, *response->mutable_position());
                          response->set_already_deployed(reply->already_deployed);
                        }
                        reactor->Finish(ToGrpcStatus(reply.status()));
                      });
                });
}

grpc::ServerUnaryReactor* ModelService::ValidateModel(Call* call,
                                                      const v1::ValidateModelRequest* request,
                                                      v1::ValidateModelResponse* response) {
  if (request->text().empty()) {
    return Finished(*call, BadRequestError("text", "must not be empty"));
  }
  return AnswerOnPool(context_, *call, [request, response] {
    const projection::CompiledModel compiled = projection::CompileModel(request->text());
    response->set_valid(compiled.ok());
    for (const definition::Diagnostic& diagnostic : compiled.diagnostics) {
      SetDiagnostic(diagnostic, *response->add_diagnostics());
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ModelService::DropModel(Call* call, const v1::DropModelRequest* request,
                                                  v1::DropModelResponse* response) {
  if (context_.calls.draining()) return Finished(*call, ServerStoppingError());
  Violations violations;
  std::string actor = ActorOf(*call, violations);
  violations.CheckId("name", request->name(), Presence::kRequired);
  violations.CheckNote("reason", request->reason(), Presence::kOptional);
  if (!violations.empty()) return Finished(*call, violations.ToStatus());
  if (projection::IsBuiltInModel(request->name())) {
    return Finished(*call, BadRequestError("name", "is a model that Skald itself keeps; only "
                                                   "declared ones can be dropped"));
  }
  Reactor* reactor = call->DefaultReactor();
  context_.engine.DropModel(request->name(), request->reason(), std::move(actor),
                            [reactor, response](absl::StatusOr<runtime::LogPosition> position) {
                              if (position.ok()) {
                                SetPosition(*position, *response->mutable_position());
                              }
                              reactor->Finish(ToGrpcStatus(position.status()));
                            });
  return reactor;
}

grpc::ServerUnaryReactor* ModelService::GetModel(Call* call, const v1::GetModelRequest* request,
                                                 v1::GetModelResponse* response) {
  Violations violations;
  violations.CheckId("name", request->name(), Presence::kRequired);
  if (!violations.empty()) return Finished(*call, violations.ToStatus());
  return AnswerOnPool(context_, *call, [this, request, response] {
    const absl::StatusOr<runtime::ModelInfo> info = context_.engine.GetModel(request->name());
    if (info.ok()) SetModel(*info, TextDetail::kWithText, *response->mutable_model());
    return info.status();
  });
}

grpc::ServerUnaryReactor* ModelService::ListModels(Call* call, const v1::ListModelsRequest*,
                                                   v1::ListModelsResponse* response) {
  return AnswerOnPool(context_, *call, [this, response] {
    for (const runtime::ModelInfo& info : context_.engine.ListModels()) {
      SetModel(info, TextDetail::kWithoutText, *response->add_models());
    }
    return absl::OkStatus();
  });
}

}  // namespace skald::api
