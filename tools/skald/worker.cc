#include <vector>

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tools/shell_worker.h"
#include "tools/signals.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

std::string DefaultName() {
  char host[256] = "worker";
  gethostname(host, sizeof(host) - 1);
  return absl::StrCat(host, "-", getpid());
}

int Run(Invocation& call) {
  std::vector<std::string> words;
  std::string name = DefaultName();
  int64_t concurrency = 4;
  absl::Duration grace = absl::Seconds(30);
  call.flags()
      .Add("function", &words, "NAME=COMMAND", "A function and its command. May be repeated.")
      .Add("concurrency", &concurrency, "COUNT", "How many commands run at a time.", 1, 1'000)
      .Add("name", &name, "NAME", "For status pages.")
      .Add("grace", &grace, "DURATION", "On SIGTERM, how long running commands may go on.");
  if (auto exit = call.Parse({})) return *exit;
  absl::StatusOr<ShellFunctions> functions = ParseShellFunctions(words);
  if (!functions.ok()) return call.BadUsage(functions.status().message());
  if (functions->empty()) return call.BadUsage("--function is required");

  BlockStopSignals();
  ShellWorker worker(
      call.channel(),
      {.name = name,
       .functions = *std::move(functions),
       .concurrency = static_cast<uint32_t>(concurrency),
       .on_connection =
           [&call](const RpcError& error) {
             call.Note(error.ok() ? absl::StrCat("connected to ", call.server())
                                  : absl::StrCat("connection lost, trying again: ", error.message));
           },
       .on_answer =
           [&call](const v1::Task& task, const ShellAnswer& answer) {
             call.PrintLine(absl::StrCat(
                 task.namespace_(), "/", task.saga_id(), "  ", task.function(), "  ",
                 answer.failed
                     ? call.style().Red(absl::StrCat("failed: ", ProblemToLine(answer.error)))
                     : call.style().Green("done")));
           }});
  WaitForStopSignal(absl::InfiniteDuration());
  call.Note("stopping: open tasks are finished first");
  if (worker.Stop(grace)) return kExitOk;
  call.Note("tasks were left open; others will get them");
  return kExitError;
}

}  // namespace

const Verb kWorkerVerb = {
    "worker", "serve worker functions with shell commands", "--function NAME=COMMAND...",
    "Connects to the server and runs `sh -c COMMAND` for each task: its JSON arguments on "
    "standard\n"
    "input, its JSON output on standard output. Another exit code than 0 is an error; an RFC 7807\n"
    "object on standard output ({\"type\", \"status\", \"title\", \"detail\"}) then tells which.\n"
    "Environment: SKALD_IDEMPOTENCY_KEY (the same for every delivery that may have to do with the\n"
    "same effect), SKALD_NAMESPACE, SKALD_SAGA_ID, SKALD_FUNCTION, SKALD_TASK, SKALD_ATTEMPT,\n"
    "SKALD_COMPENSATION. Reconnects by itself and keeps the tasks at work. SIGTERM stops it "
    "cleanly.\n\n"
    "Example:\n"
    "  skald worker --function charge='./charge.py' --function refund='./refund.py' --concurrency "
    "8\n\n"
    "Exits with 0 after SIGTERM when every task at work was finished, else with 1.",
    Run};

}  // namespace skald::tools
