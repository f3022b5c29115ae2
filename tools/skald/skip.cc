#include "tools/skald/change_saga.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  std::string reason;
  call.AddNamespaceFlag();
  call.AddRequestFlags();
  call.flags().Add("reason", &reason, "TEXT", "Why; recorded.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 2})) return *exit;
  if (reason.empty()) return call.BadUsage("--reason is required: it is recorded");
  v1::SkipCompensationRequest request;
  if (call.words().size() > 1) request.set_task(call.words()[1]);
  request.set_reason(reason);
  return ChangeSaga(call, call.SagaOf(call.words()[0]), "undo skipped",
                    &v1::SagaService::Stub::SkipCompensation, std::move(request));
}

}  // namespace

const Verb kSkipVerb = {"skip", "give a parked undo up", "NAMESPACE/SAGA_ID [TASK] --reason TEXT",
                        "What the task did stays done, and the outcome of the compensation becomes "
                        "partial. TASK may be\n"
                        "left out if there is only one.\n\n"
                        "Example:\n"
                        "  skald skip shop/order-1001 charge --reason 'voucher sent instead'",
                        Run};

}  // namespace skald::tools
