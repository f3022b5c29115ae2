#include "tools/skald/change_saga.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  std::string note;
  call.AddNamespaceFlag();
  call.AddRequestFlags();
  call.flags().Add("note", &note, "TEXT", "Why; recorded.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 2})) return *exit;
  if (note.empty()) return call.BadUsage("--note is required: it is recorded");
  v1::FailTaskRequest request;
  if (call.words().size() > 1) request.set_task(call.words()[1]);
  request.set_note(note);
  return ChangeSaga(call, call.SagaOf(call.words()[0]), "task failed",
                    &v1::SagaService::Stub::FailTask, std::move(request));
}

}  // namespace

const Verb kFailVerb = {"fail", "let the error of a parked task go on",
                        "NAMESPACE/SAGA_ID [TASK] --note TEXT",
                        "Gives up a task that was parked after a pivot: its error goes on. TASK "
                        "may be left out if there\n"
                        "is only one.\n\n"
                        "Example:\n"
                        "  skald fail shop/order-1001 notify --note 'address is gone'",
                        Run};

}  // namespace skald::tools
