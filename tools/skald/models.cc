// skald models: declared read models.
#include <string>

#include "absl/strings/str_cat.h"
#include "api/convert_diagnostic.h"
#include "engine/projection/declared_model.h"
#include "skald/v1/model_service.grpc.pb.h"
#include "tools/skald/models_status.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {
namespace {

using projection::CompiledModel;
using projection::CompileModel;

Json ToJson(const v1::DeclaredModel& model) {
  Json::ObjectBuilder object;
  object.Add("name", Json::String(model.name()))
      .Add("description", Json::String(model.description()))
      .Add("hash", Json::String(Hex(model.hash())))
      .Add("actor", Json::String(model.actor()))
      .Add("create_time", TimeToJson(model.create_time(), model.has_create_time()))
      .Add("position", PositionToJson(model.position()));
  if (!model.text().empty()) object.Add("text", Json::String(model.text()));
  return std::move(object).Build();
}

Json ToJson(const v1::DeployModelResponse& response) {
  Json::ObjectBuilder object;
  object.Add("name", Json::String(response.name()))
      .Add("hash", Json::String(Hex(response.hash())))
      .Add("position", PositionToJson(response.position()))
      .Add("already_deployed", Json::Bool(response.already_deployed()));
  return std::move(object).Build();
}

Json FindingsOf(const CompiledModel& compiled) {
  Json::ArrayBuilder diagnostics;
  for (const definition::Diagnostic& diagnostic : compiled.diagnostics) {
    v1::Diagnostic proto;
    api::SetDiagnostic(diagnostic, proto);
    diagnostics.Add(DiagnosticToJson(proto));
  }
  return std::move(diagnostics).Build();
}

void NoteFindings(const Invocation& call, const std::string& file, const CompiledModel& compiled) {
  for (const definition::Diagnostic& diagnostic : compiled.diagnostics) {
    v1::Diagnostic proto;
    api::SetDiagnostic(diagnostic, proto);
    call.Note(DiagnosticToLine(proto, file, call.style()));
  }
}

int List(Invocation& call) {
  grpc::ClientContext context;
  call.Prepare(context);
  v1::ListModelsResponse response;
  const grpc::Status status =
      v1::ModelService::NewStub(call.channel())->ListModels(&context, {}, &response);
  if (!status.ok()) return call.Fail(status);
  for (const v1::DeclaredModel& model : response.models()) {
    if (call.json()) {
      call.PrintJson(ToJson(model));
    } else {
      call.PrintLine(absl::StrCat(call.style().Bold(model.name()), "  ",
                                  TimeText(FromProto(model.create_time())), "  ",
                                  model.description()));
    }
  }
  return kExitOk;
}

int Show(Invocation& call, const std::string& name) {
  v1::GetModelRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  call.Prepare(context);
  v1::GetModelResponse response;
  const grpc::Status status =
      v1::ModelService::NewStub(call.channel())->GetModel(&context, request, &response);
  if (!status.ok()) return call.Fail(status);
  if (call.json()) {
    call.PrintJson(ToJson(response.model()));
  } else {
    call.PrintLine(response.model().text());
  }
  return kExitOk;
}

// Says all that is wrong, which a refusal has no room for. The server may be of another version
// than this program: what it refuses is refused, whatever is found here.
int RefuseModel(Invocation& call, const std::string& file, const std::string& text,
                const RpcError& error) {
  const CompiledModel compiled = CompileModel(text);
  if (compiled.ok()) {
    if (!call.json()) call.Note(absl::StrCat(file, ":"));
    call.Fail(error);
  } else if (call.json()) {
    Json::ObjectBuilder object;
    object.Add("error", error.ToJson()
                            .With("file", Json::String(file))
                            .With("diagnostics", FindingsOf(compiled)));
    call.Note(std::move(object).Build().ToText());
  } else {
    NoteFindings(call, file, compiled);
  }
  return kExitUsage;
}

int Deploy(Invocation& call, const std::string& file) {
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return call.FailWith(text.status().message(), kExitUsage);
  v1::DeployModelRequest request;
  request.set_text(*text);
  grpc::ClientContext context;
  call.Prepare(context);
  v1::DeployModelResponse response;
  const grpc::Status status =
      v1::ModelService::NewStub(call.channel())->DeployModel(&context, request, &response);
  if (!status.ok()) {
    const RpcError error = ReadError(status);
    if (error.reason == "MODEL_INVALID") return RefuseModel(call, file, *text, error);
    if (!call.json()) call.Note(absl::StrCat(file, ":"));
    return call.Fail(error);
  }
  if (call.json()) {
    call.PrintJson(ToJson(response));
  } else {
    call.PrintLine(
        absl::StrCat(call.style().Bold(response.name()),
                     response.already_deployed() ? ": was deployed already" : ": deployed"));
  }
  return kExitOk;
}

int Drop(Invocation& call, const std::string& name, const std::string& reason) {
  v1::DropModelRequest request;
  request.set_name(name);
  request.set_reason(reason);
  grpc::ClientContext context;
  call.Prepare(context);
  v1::DropModelResponse response;
  const grpc::Status status =
      v1::ModelService::NewStub(call.channel())->DropModel(&context, request, &response);
  if (!status.ok()) return call.Fail(status);
  if (call.json()) {
    Json::ObjectBuilder object;
    object.Add("name", Json::String(name)).Add("position", PositionToJson(response.position()));
    call.PrintJson(std::move(object).Build());
  } else {
    call.PrintLine(absl::StrCat(call.style().Bold(name), ": dropped"));
  }
  return kExitOk;
}

int Validate(Invocation& call, const std::string& file) {
  const absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return call.FailWith(text.status().message(), kExitUsage);
  const CompiledModel compiled = CompileModel(*text);
  if (call.json()) {
    Json::ObjectBuilder object;
    object.Add("file", Json::String(file))
        .Add("valid", Json::Bool(compiled.ok()))
        .Add("diagnostics", FindingsOf(compiled));
    call.PrintJson(std::move(object).Build());
  } else {
    NoteFindings(call, file, compiled);
    if (compiled.ok()) call.PrintLine(absl::StrCat(file, ": valid"));
  }
  return compiled.ok() ? kExitOk : kExitUsage;
}

int Run(Invocation& call) {
  std::string reason;
  call.flags().Add("reason", &reason, "TEXT", "drop: why; recorded. Required.");
  if (auto exit = call.Parse({.words_min = 0, .words_max = 100})) return *exit;
  if (call.words().empty()) return List(call);
  const std::string& part = call.words()[0];
  const std::vector<std::string> rest(call.words().begin() + 1, call.words().end());
  if (part == "list") return rest.empty() ? List(call) : call.BadUsage("list takes no more words");
  if (part == "status") {
    return rest.size() > 1 ? call.BadUsage("status takes one name at most")
                           : ShowModelStatus(call, rest.empty() ? "" : rest[0]);
  }
  if (part == "show" || part == "drop") {
    if (rest.size() != 1) return call.BadUsage(absl::StrCat(part, " expects the name of a model"));
    if (part == "show") return Show(call, rest[0]);
    if (reason.empty()) return call.BadUsage("drop needs --reason: it is recorded");
    return Drop(call, rest[0], reason);
  }
  if (part != "deploy" && part != "validate") {
    return call.BadUsage("expects deploy, drop, list, show, status or validate");
  }
  if (rest.empty()) return call.BadUsage(absl::StrCat(part, " expects files"));
  int exit = kExitOk;
  for (const std::string& file : rest) {
    const int one = part == "deploy" ? Deploy(call, file) : Validate(call, file);
    if (one != kExitOk) exit = one;
    if (part == "deploy" && exit != kExitOk) break;
  }
  return exit;
}

}  // namespace

const Verb kModelsVerb = {
    "models", "declare read models, list, show or drop them",
    "[list] | status [NAME] | deploy FILE... | validate FILE... | show NAME | drop NAME --reason TEXT",
    "A declaration (YAML or JSON, docs/models.md) says which events count, which row each of them\n"
    "touches, and how the row changes; Skald keeps the table.\n\n"
    "list       what is declared, one a line\n"
    "status     how each model stands, built-in ones too: rows, events behind, why it stands still,\n"
    "           its rebuild, and what the last check in the background found\n"
    "deploy     check declarations and record them. The same text again changes nothing; another\n"
    "           text of the same name takes its place, and the model is built anew.\n"
    "validate   say everything that is wrong with declarations, without a server\n"
    "show       print a model's text\n"
    "drop       forget a model and its rows; who and why is recorded\n\n"
    "Examples:\n"
    "  skald models validate examples/models/*.yaml\n"
    "  skald models deploy examples/models/customer-orders.yaml\n"
    "  skald models --json | jq -r .name\n"
    "  skald models show customer-orders > customer-orders.yaml\n"
    "  skald models drop customer-orders --reason 'replaced by customers'\n\n"
    "Exits with 0 when it is done, 2 for bad usage or a declaration that is not valid (each error\n"
    "with line, column and JSON pointer), else 1.",
    Run};

}  // namespace skald::tools
