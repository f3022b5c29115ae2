#include "tools/skald/change_saga.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  call.AddNamespaceFlag();
  call.AddRequestFlags();
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  return ChangeSaga(call, call.SagaOf(call.words()[0]), "resumed",
                    &v1::SagaService::Stub::ResumeSaga, v1::ResumeSagaRequest());
}

}  // namespace

const Verb kResumeVerb = {
    "resume", "let a suspended saga go on", "NAMESPACE/SAGA_ID",
    "Ends what `skald suspend` began. A saga whose work is parked needs a decision instead:\n"
    "retry, skip, resolve, complete or fail.\n\n"
    "Example:\n"
    "  skald resume shop/order-1001",
    Run};

}  // namespace skald::tools
