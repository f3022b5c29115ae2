#include "tools/skald/change_saga.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  std::string reason;
  bool compensate = false, abandon = false, force = false;
  call.AddNamespaceFlag();
  call.AddRequestFlags();
  call.flags()
      .Add("reason", &reason, "TEXT", "Why; recorded.")
      .Add("compensate", &compensate, "Undo what was done, whatever the definition says.")
      .Add("abandon", &abandon, "Leave what was done, whatever the definition says.")
      .Add("force", &force, "Also past a pivot; what it sealed is not undone.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  if (compensate && abandon) return call.BadUsage("--compensate and --abandon exclude each other");
  v1::CancelSagaRequest request;
  request.set_reason(reason);
  request.set_force(force);
  if (compensate) request.set_undo(v1::CancelSagaRequest::UNDO_COMPENSATE);
  if (abandon) request.set_undo(v1::CancelSagaRequest::UNDO_ABANDON);
  return ChangeSaga(call, call.SagaOf(call.words()[0]), "cancel requested",
                    &v1::SagaService::Stub::CancelSaga, std::move(request));
}

}  // namespace

const Verb kCancelVerb = {
    "cancel", "ask a saga to end, and undo what it did", "NAMESPACE/SAGA_ID",
    "Running tasks are told to stop, then what was done is undone as the definition says. Returns\n"
    "when the request is recorded, not when the undo is over: `skald watch` shows that.\n\n"
    "Examples:\n"
    "  skald cancel shop/order-1001 --reason 'customer called'\n"
    "  skald cancel shop/order-1001 --abandon",
    Run};

}  // namespace skald::tools
