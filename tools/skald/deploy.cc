#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "skald/v1/definition_service.grpc.pb.h"
#include "tools/skald/deploy_text.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

void PrintDiagnostics(const Invocation& call, const std::string& file,
                      const google::protobuf::RepeatedPtrField<v1::Diagnostic>& diagnostics) {
  for (const v1::Diagnostic& diagnostic : diagnostics) {
    call.Note(DiagnosticToLine(diagnostic, file, call.style()));
  }
}

namespace {

// Says all that is wrong, which a refusal has no room for.
int RefuseDefinition(Invocation& call, const std::string& file,
                     const v1::DeployDefinitionRequest& refused, const RpcError& error) {
  v1::ValidateDefinitionRequest request;
  request.set_text(refused.text());
  request.set_deployable(true);
  v1::ValidateDefinitionResponse response;
  grpc::ClientContext context;
  call.Prepare(context);
  const grpc::Status status = v1::DefinitionService::NewStub(call.channel())
                                  ->ValidateDefinition(&context, request, &response);
  if (!status.ok() || response.diagnostics().empty()) return call.Fail(error);
  if (!call.json()) {
    PrintDiagnostics(call, file, response.diagnostics());
    return kExitUsage;
  }
  Json::ArrayBuilder diagnostics;
  for (const v1::Diagnostic& diagnostic : response.diagnostics()) {
    diagnostics.Add(DiagnosticToJson(diagnostic));
  }
  Json::ObjectBuilder object;
  object.Add("error", error.ToJson()
                          .With("file", Json::String(file))
                          .With("diagnostics", std::move(diagnostics).Build()));
  call.Note(std::move(object).Build().ToText());
  return kExitUsage;
}

}  // namespace

int DeployFile(Invocation& call, const std::string& file, v1::DeployDefinitionResponse& response) {
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return call.FailWith(text.status().message(), kExitUsage);
  v1::DeployDefinitionRequest request;
  request.set_text(*std::move(text));
  grpc::ClientContext context;
  call.Prepare(context);
  const grpc::Status status = v1::DefinitionService::NewStub(call.channel())
                                  ->DeployDefinition(&context, request, &response);
  if (status.ok()) return kExitOk;
  const RpcError error = ReadError(status);
  if (error.reason == "DEFINITION_INVALID") return RefuseDefinition(call, file, request, error);
  if (!call.json()) call.Note(absl::StrCat(file, ":"));
  return call.Fail(error);
}

namespace {

Json ToJson(const v1::DeployDefinitionResponse& response) {
  Json::ArrayBuilder diagnostics, unserved;
  for (const v1::Diagnostic& diagnostic : response.diagnostics()) {
    diagnostics.Add(DiagnosticToJson(diagnostic));
  }
  for (const std::string& function : response.unserved_functions()) {
    unserved.Add(Json::String(function));
  }
  Json::ObjectBuilder object;
  object.Add("namespace", Json::String(response.namespace_()))
      .Add("name", Json::String(response.name()))
      .Add("version", Json::String(response.version()))
      .Add("hash", Json::String(Hex(response.hash())))
      .Add("position", PositionToJson(response.position()))
      .Add("already_deployed", Json::Bool(response.already_deployed()))
      .Add("diagnostics", std::move(diagnostics).Build())
      .Add("unserved_functions", std::move(unserved).Build());
  return std::move(object).Build();
}

int Run(Invocation& call) {
  if (auto exit = call.Parse({.words_min = 1, .words_max = 100})) return *exit;
  for (const std::string& file : call.words()) {
    v1::DeployDefinitionResponse response;
    if (const int exit = DeployFile(call, file, response); exit != kExitOk) return exit;
    if (call.json()) {
      call.PrintJson(ToJson(response));
      continue;
    }
    PrintDiagnostics(call, file, response.diagnostics());
    call.PrintLine(
        absl::StrCat(call.style().Bold(absl::StrCat(response.namespace_(), "/", response.name(),
                                                    "@", response.version())),
                     response.already_deployed() ? ": was deployed already" : ": deployed"));
    if (response.unserved_functions_size() > 0) {
      call.Note(absl::StrCat("No worker serves yet: ",
                             absl::StrJoin(response.unserved_functions(), ", ")));
    }
  }
  return kExitOk;
}

}  // namespace

const Verb kDeployVerb = {
    "deploy", "deploy definitions", "FILE...",
    "Checks definitions (YAML or JSON) and makes them known to every partition. A deployed "
    "version\n"
    "never changes: the same text again is fine, another text needs another version.\n\n"
    "Example:\n"
    "  skald deploy order.yaml\n\n"
    "Exits with 0 when all are deployed, 2 when one is not valid (each error with line, column "
    "and\n"
    "JSON pointer), else 1.",
    Run};

}  // namespace skald::tools
