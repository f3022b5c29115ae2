#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "tools/skald/deploy_text.h"
#include "tools/skald/fetch_saga.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

// Whether or not it exists: without a version, no definition is named so.
bool IsFile(const std::string& word) {
  const bool ends_so = absl::EndsWith(word, ".yaml") || absl::EndsWith(word, ".yml") ||
                       absl::EndsWith(word, ".json");
  return ends_so && word.find('@') == std::string::npos;
}

// "NAMESPACE/NAME[@VERSION]", or a file, which is deployed first.
int SetDefinition(Invocation& call, const std::string& word, v1::StartSagaRequest& request) {
  if (IsFile(word)) {
    v1::DeployDefinitionResponse deployed;
    if (const int exit = DeployFile(call, word, deployed); exit != kExitOk) return exit;
    request.set_namespace_(deployed.namespace_());
    request.set_definition_name(deployed.name());
    request.set_definition_version(deployed.version());
    return kExitOk;
  }
  const size_t slash = word.find('/');
  if (slash == std::string::npos) {
    return call.BadUsage(
        absl::StrCat("expects NAMESPACE/NAME[@VERSION] or a file, got '", word, "'"));
  }
  const size_t at = word.find('@', slash);
  request.set_namespace_(word.substr(0, slash));
  request.set_definition_name(
      word.substr(slash + 1, at == std::string::npos ? at : at - slash - 1));
  if (at != std::string::npos) request.set_definition_version(word.substr(at + 1));
  return kExitOk;
}

int PrintStarted(const Invocation& call, const v1::StartSagaResponse& response) {
  if (call.json()) {
    Json::ObjectBuilder object;
    object.Add("saga_id", Json::String(response.saga_id()))
        .Add("namespace", Json::String(response.namespace_()))
        .Add("position", PositionToJson(response.position()))
        .Add("duplicate", Json::Bool(response.duplicate()));
    call.PrintJson(std::move(object).Build());
  } else {
    call.PrintLine(absl::StrCat(response.namespace_(), "/", response.saga_id()));
  }
  return kExitOk;
}

int Run(Invocation& call) {
  std::string input = "{}", id, correlation;
  bool wait = false;
  absl::Duration wait_max = absl::InfiniteDuration();
  call.AddRequestFlags();
  call.flags()
      .Add("input", &input, "JSON", "The saga's input: JSON, @FILE, or - for standard input.")
      .Add("id", &id, "SAGA_ID", "The saga's id, unique in its namespace.")
      .Add("correlation-id", &correlation, "ID", "Names the business conversation.")
      .Add("wait", &wait, "Print the saga when it has ended or is parked.")
      .Add("wait-max", &wait_max, "DURATION", "Wait no longer than this.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  absl::StatusOr<std::string> text = ReadJsonArgument(input);
  if (!text.ok()) return call.BadUsage(absl::StrCat("--input: ", text.status().message()));

  v1::StartSagaRequest request;
  if (const int exit = SetDefinition(call, call.words()[0], request); exit != kExitOk) return exit;
  request.set_saga_id(id);
  request.set_correlation_id(correlation);
  request.set_request_id(call.request_id());
  request.set_input(*std::move(text));
  grpc::ClientContext context;
  call.Prepare(context);
  v1::StartSagaResponse response;
  grpc::Status status =
      v1::SagaService::NewStub(call.channel())->StartSaga(&context, request, &response);
  if (!status.ok()) return call.Fail(status);
  if (!wait) return PrintStarted(call, response);

  v1::Saga saga;
  status =
      AwaitSaga(call, {response.namespace_(), response.saga_id()}, absl::Now() + wait_max, saga);
  if (!status.ok()) return call.Fail(status);
  if (call.json()) {
    call.PrintJson(SagaToJson(saga));
  } else {
    call.PrintLine(SagaToText(saga, call.style()));
  }
  return ExitCodeOf(saga);
}

}  // namespace

const Verb kStartVerb = {
    "start", "start a saga", "NAMESPACE/NAME[@VERSION] | FILE",
    "Starts a saga with a deployed definition, the newest version if none is given, and prints "
    "its\n"
    "name. A FILE is deployed first.\n\n"
    "Examples:\n"
    "  skald start shop/order --input '{\"orderId\": \"A-17\"}'\n"
    "  skald start shop/order@1.0.0 --id order-1001 --input @order.json --wait --json\n\n"
    "Exits, without --wait, with 0 when the start is durable. With --wait: 0 completed, 3 "
    "faulted,\n"
    "4 cancelled, 5 suspended or parked, 2 bad usage or definition, 1 anything else, also when\n"
    "--wait-max passes first.",
    Run};

}  // namespace skald::tools
