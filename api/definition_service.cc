#include "api/definition_service.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/convert_common.h"
#include "api/convert_diagnostic.h"
#include "api/grpc_status.h"
#include "api/page_size.h"
#include "api/stream_token.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/definition/validate.h"

namespace skald::api {
namespace {

enum class TextDetail { kWithText, kWithoutText };

void SetDefinition(const runtime::DefinitionInfo& info, TextDetail detail, v1::Definition& proto) {
  proto.set_namespace_(info.namespace_name);
  proto.set_name(info.name);
  proto.set_version(info.version);
  proto.set_hash(info.hash);
  proto.set_title(info.title);
  proto.set_summary(info.summary);
  if (detail == TextDetail::kWithText) proto.set_text(info.text);
  SetTimestamp(info.deployed, *proto.mutable_create_time());
  SetPosition(info.position, *proto.mutable_position());
}

void SetDeployed(const runtime::DeployReply& reply, v1::DeployDefinitionResponse& response) {
  response.set_namespace_(reply.namespace_name);
  response.set_name(reply.name);
  response.set_version(reply.version);
  response.set_hash(reply.hash);
  SetPosition(reply.position, *response.mutable_position());
  response.set_already_deployed(reply.already_deployed);
  for (const definition::Diagnostic& warning : reply.warnings) {
    SetDiagnostic(warning, *response.add_diagnostics());
  }
  for (const std::string& function : reply.unserved_functions) {
    response.add_unserved_functions(function);
  }
}

// Where a page ended: the last definition on it. Names have no control characters.

std::string CursorAt(const runtime::DefinitionInfo& info) {
  return absl::StrCat(info.namespace_name, "\n", info.name, "\n", info.version);
}

absl::Status FillDefinitionPage(ApiContext& context, const v1::ListDefinitionsRequest& request,
                                v1::ListDefinitionsResponse& response) {
  Violations violations;
  violations.CheckId("namespace", request.namespace_(), Presence::kOptional);
  SKALD_RETURN_IF_ERROR(violations.ToStatus());
  const TokenScope scope{context.store_id, HashFields({"ListDefinitions", request.namespace_()})};
  SKALD_ASSIGN_OR_RETURN(const std::string cursor, DecodePageToken(request.page_token(), scope));

  const std::vector<runtime::DefinitionInfo> all =
      context.engine.ListDefinitions(request.namespace_());
  // The list is in the engine's order, which need not be that of the texts: the page goes on after
  // the very definition it ended with. Definitions never go.
  auto begin = all.begin();
  if (!cursor.empty()) {
    begin = std::find_if(all.begin(), all.end(), [&cursor](const runtime::DefinitionInfo& info) {
      return CursorAt(info) == cursor;
    });
    if (begin == all.end()) return ResumeTokenInvalidError("it names no definition");
    ++begin;
  }
  const uint32_t page_size = CoercePageSize(request.page_size());
  size_t bytes = 0;
  auto it = begin;
  for (; it != all.end() && bytes < kPageBytes; ++it) {
    if (static_cast<uint32_t>(response.definitions_size()) == page_size) break;
    v1::Definition& definition = *response.add_definitions();
    SetDefinition(*it, TextDetail::kWithoutText, definition);
    bytes += definition.ByteSizeLong();
  }
  if (it != all.end() && it != begin) {
    response.set_next_page_token(EncodePageToken(scope, CursorAt(*std::prev(it))));
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* DefinitionService::DeployDefinition(
    Call* call, const v1::DeployDefinitionRequest* request,
    v1::DeployDefinitionResponse* response) {
  if (context_.calls.draining()) return Finished(*call, ServerStoppingError());
  Violations violations;
  std::string actor = ActorOf(*call, violations);
  if (request->text().empty()) violations.Add("text", "must not be empty");
  if (!violations.empty()) return Finished(*call, violations.ToStatus());
  return OnPool(context_, *call,
                [this, request, response, actor = std::move(actor)](Reactor* reactor) mutable {
                  context_.engine.Deploy(
                      request->text(), std::move(actor),
                      [reactor, response](absl::StatusOr<runtime::DeployReply> reply) {
                        if (reply.ok()) SetDeployed(*reply, *response);
                        reactor->Finish(ToGrpcStatus(reply.status()));
                      });
                });
}

grpc::ServerUnaryReactor* DefinitionService::ValidateDefinition(
    Call* call, const v1::ValidateDefinitionRequest* request,
    v1::ValidateDefinitionResponse* response) {
  if (request->text().empty()) {
    return Finished(*call, BadRequestError("text", "must not be empty"));
  }
  return AnswerOnPool(context_, *call, [this, request, response] {
    definition::ValidateOptions options{.deployable = request->deployable(),
                                        .limits = context_.options.definition_limits};
    absl::flat_hash_set<std::string>& served = options.served_functions.emplace();
    for (const task::QueueStats& queue : context_.engine.broker().Queues()) {
      if (queue.workers > 0) served.insert(queue.function);
    }
    const definition::Validation result = definition::Validate(request->text(), options);
    response->set_valid(result.valid);
    for (const definition::Diagnostic& diagnostic : result.diagnostics) {
      SetDiagnostic(diagnostic, *response->add_diagnostics());
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DefinitionService::GetDefinition(Call* call,
                                                           const v1::GetDefinitionRequest* request,
                                                           v1::GetDefinitionResponse* response) {
  Violations violations;
  violations.CheckId("namespace", request->namespace_(), Presence::kRequired);
  violations.CheckId("name", request->name(), Presence::kRequired);
  violations.CheckId("version", request->version(), Presence::kOptional);
  if (!violations.empty()) return Finished(*call, violations.ToStatus());
  const absl::StatusOr<runtime::DefinitionInfo> info =
      context_.engine.GetDefinition(request->namespace_(), request->name(), request->version());
  if (info.ok()) SetDefinition(*info, TextDetail::kWithText, *response->mutable_definition());
  return Finished(*call, info.status());
}

grpc::ServerUnaryReactor* DefinitionService::ListDefinitions(
    Call* call, const v1::ListDefinitionsRequest* request, v1::ListDefinitionsResponse* response) {
  return AnswerOnPool(context_, *call, [this, request, response] {
    return FillDefinitionPage(context_, *request, *response);
  });
}

}  // namespace skald::api
