#include "tools/skald/change_saga.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  std::string note;
  call.AddNamespaceFlag();
  call.AddRequestFlags();
  call.flags().Add("note", &note, "TEXT", "How it was undone, or why it need not be; recorded.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 2})) return *exit;
  if (note.empty()) return call.BadUsage("--note is required: it is recorded");
  v1::ResolveCompensationRequest request;
  if (call.words().size() > 1) request.set_task(call.words()[1]);
  request.set_note(note);
  return ChangeSaga(call, call.SagaOf(call.words()[0]), "resolved",
                    &v1::SagaService::Stub::ResolveCompensation, std::move(request));
}

}  // namespace

const Verb kResolveVerb = {
    "resolve", "say that a parked undo or a late effect was dealt with",
    "NAMESPACE/SAGA_ID [TASK] --note TEXT",
    "A parked undo counts as done, and the saga goes on. The incident of a late effect is closed,\n"
    "also of a saga that has ended. TASK may be left out if there is only one.\n\n"
    "Examples:\n"
    "  skald resolve shop/order-1001 charge --note 'refunded by hand, ticket 4711'\n"
    "  skald resolve shop/order-1002 --note 'the late charge was never captured'",
    Run};

}  // namespace skald::tools
