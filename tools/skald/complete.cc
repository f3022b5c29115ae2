#include "tools/skald/change_saga.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  std::string note, output = "null";
  call.AddNamespaceFlag();
  call.AddRequestFlags();
  call.flags()
      .Add("note", &note, "TEXT", "Why; recorded.")
      .Add("output", &output, "JSON", "The task's output: JSON, @FILE, or - for standard input.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 2})) return *exit;
  if (note.empty()) return call.BadUsage("--note is required: it is recorded");
  absl::StatusOr<std::string> text = ReadJsonArgument(output);
  if (!text.ok()) return call.BadUsage(absl::StrCat("--output: ", text.status().message()));
  v1::CompleteTaskRequest request;
  if (call.words().size() > 1) request.set_task(call.words()[1]);
  request.set_note(note);
  request.set_output(*std::move(text));
  return ChangeSaga(call, call.SagaOf(call.words()[0]), "task completed",
                    &v1::SagaService::Stub::CompleteTask, std::move(request));
}

}  // namespace

const Verb kCompleteVerb = {
    "complete", "go on as if a parked task had completed",
    "NAMESPACE/SAGA_ID [TASK] --note TEXT [--output JSON]",
    "The saga goes on with that output. TASK may be left out if there is only one.\n\n"
    "Example:\n"
    "  skald complete shop/order-1001 notify --note 'called the customer' --output '{}'",
    Run};

}  // namespace skald::tools
