#include "tools/skald/change_saga.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  std::string reason;
  bool rollback = false;
  call.AddNamespaceFlag();
  call.AddRequestFlags();
  call.flags()
      .Add("reason", &reason, "TEXT", "Why; recorded.")
      .Add("rollback", &rollback, "Undo what was done: the same as `skald cancel --compensate`.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  const SagaKey saga = call.SagaOf(call.words()[0]);
  if (rollback) {
    v1::CancelSagaRequest request;
    request.set_reason(reason);
    request.set_undo(v1::CancelSagaRequest::UNDO_COMPENSATE);
    return ChangeSaga(call, saga, "cancel requested", &v1::SagaService::Stub::CancelSaga,
                      std::move(request));
  }
  v1::TerminateSagaRequest request;
  request.set_reason(reason);
  return ChangeSaga(call, saga, "terminated; what it did stays done",
                    &v1::SagaService::Stub::TerminateSaga, std::move(request));
}

}  // namespace

const Verb kTerminateVerb = {
    "terminate", "end a saga at once, without undo", "NAMESPACE/SAGA_ID",
    "Ends a saga where it stands, also one that is parked or suspended. Nothing is undone, unless\n"
    "with --rollback: then it is cancelled, and what was done is undone.\n\n"
    "Examples:\n"
    "  skald terminate shop/order-1001 --reason 'refunded by hand, ticket 4711'\n"
    "  skald terminate shop/order-1001 --rollback",
    Run};

}  // namespace skald::tools
