#include "absl/strings/str_cat.h"
#include "skald/v1/definition_service.grpc.pb.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

Json ToJson(const v1::Definition& definition) {
  Json::ObjectBuilder object;
  object.Add("namespace", Json::String(definition.namespace_()))
      .Add("name", Json::String(definition.name()))
      .Add("version", Json::String(definition.version()))
      .Add("hash", Json::String(Hex(definition.hash())))
      .Add("title", Json::String(definition.title()))
      .Add("summary", Json::String(definition.summary()))
      .Add("create_time", TimeToJson(definition.create_time(), definition.has_create_time()));
  if (!definition.text().empty()) object.Add("text", Json::String(definition.text()));
  return std::move(object).Build();
}

int ShowOne(Invocation& call, const std::string& word) {
  v1::GetDefinitionRequest request;
  const size_t slash = word.find('/');
  if (slash == std::string::npos) return call.BadUsage("expects NAMESPACE/NAME[@VERSION]");
  const size_t at = word.find('@', slash);
  request.set_namespace_(word.substr(0, slash));
  request.set_name(word.substr(slash + 1, at == std::string::npos ? at : at - slash - 1));
  if (at != std::string::npos) request.set_version(word.substr(at + 1));
  grpc::ClientContext context;
  call.Prepare(context);
  v1::GetDefinitionResponse response;
  const grpc::Status status =
      v1::DefinitionService::NewStub(call.channel())->GetDefinition(&context, request, &response);
  if (!status.ok()) return call.Fail(status);
  if (call.json()) {
    call.PrintJson(ToJson(response.definition()));
  } else {
    call.PrintLine(response.definition().text());
  }
  return kExitOk;
}

int Run(Invocation& call) {
  std::string namespace_name;
  call.flags().Add("namespace", &namespace_name, "NAME", "Only of this namespace.");
  if (auto exit = call.Parse({.words_min = 0, .words_max = 1})) return *exit;
  if (!call.words().empty()) return ShowOne(call, call.words()[0]);
  v1::ListDefinitionsRequest request;
  request.set_namespace_(namespace_name);
  request.set_page_size(1'000);
  const auto stub = v1::DefinitionService::NewStub(call.channel());
  do {
    grpc::ClientContext context;
    call.Prepare(context);
    v1::ListDefinitionsResponse response;
    const grpc::Status status = stub->ListDefinitions(&context, request, &response);
    if (!status.ok()) return call.Fail(status);
    for (const v1::Definition& definition : response.definitions()) {
      if (call.json()) {
        call.PrintJson(ToJson(definition));
      } else {
        call.PrintLine(absl::StrCat(
            call.style().Bold(absl::StrCat(definition.namespace_(), "/", definition.name(), "@",
                                           definition.version())),
            "  ", TimeText(FromProto(definition.create_time())), "  ", definition.title()));
      }
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return kExitOk;
}

}  // namespace

const Verb kDefinitionsVerb = {
    "definitions", "list deployed definitions, or show one", "[NAMESPACE/NAME[@VERSION]]",
    "Without an argument, lists what is deployed. With one, prints that definition's text.\n\n"
    "Examples:\n"
    "  skald definitions\n"
    "  skald definitions shop/order@1.0.0 > order.yaml",
    Run};

}  // namespace skald::tools
