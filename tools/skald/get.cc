#include "tools/skald/fetch_saga.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  call.AddNamespaceFlag();
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  v1::Saga saga;
  const grpc::Status status = FetchSaga(call, call.SagaOf(call.words()[0]), saga);
  if (!status.ok()) return call.Fail(status);
  if (call.json()) {
    call.PrintJson(SagaToJson(saga));
  } else {
    call.PrintLine(SagaToText(saga, call.style()));
  }
  return kExitOk;
}

}  // namespace

const Verb kGetVerb = {
    "get", "show a saga", "NAMESPACE/SAGA_ID",
    "Shows a saga as it is now: status, output or error, what was undone, what runs, and what\n"
    "waits for an operator.\n\n"
    "Examples:\n"
    "  skald get shop/order-1001\n"
    "  skald get order-1001 --namespace shop --json | jq .status\n\n"
    "Exits with 0 when the saga was found, whatever its status; else with 1.",
    Run};

}  // namespace skald::tools
