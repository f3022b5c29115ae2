#include "tools/skald/change_saga.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  std::string reason;
  call.AddNamespaceFlag();
  call.AddRequestFlags();
  call.flags().Add("reason", &reason, "TEXT", "Why; recorded.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  v1::SuspendSagaRequest request;
  request.set_reason(reason);
  return ChangeSaga(call, call.SagaOf(call.words()[0]), "suspended",
                    &v1::SagaService::Stub::SuspendSaga, std::move(request));
}

}  // namespace

const Verb kSuspendVerb = {
    "suspend", "hold a saga", "NAMESPACE/SAGA_ID",
    "Nothing new is handed out to workers until `skald resume`. Answers of running tasks are\n"
    "recorded, and clocks run on.\n\n"
    "Example:\n"
    "  skald suspend shop/order-1001 --reason 'waiting for the bank'",
    Run};

}  // namespace skald::tools
