// The engine, its server on a private socket, and the worker, all in this process.
#include <algorithm>
#include <memory>
#include <vector>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "api/server.h"
#include "engine/definition/compile.h"
#include "engine/runtime/engine.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "tools/shell_worker.h"
#include "tools/signals.h"
#include "tools/skald/deploy_text.h"
#include "tools/skald/fetch_saga.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

constexpr absl::Duration kSignalSpan = absl::Milliseconds(200);  // how late one may be noticed

// A folder that only this user can look into, gone with its owner. Holds the server's socket, so
// that nobody else on the machine can talk to it.
class PrivateFolder {
 public:
  static absl::StatusOr<std::unique_ptr<PrivateFolder>> Make() {
    std::string path = "/tmp/skald-run-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) return absl::UnavailableError("cannot write to /tmp");
    return std::make_unique<PrivateFolder>(path);
  }
  explicit PrivateFolder(std::string path) : path_(std::move(path)) {}
  ~PrivateFolder() {
    unlink(socket().c_str());
    rmdir(path_.c_str());
  }
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;

  std::string socket() const { return path_ + "/socket"; }

 private:
  const std::string path_;
};

struct RunFlags {
  std::string input = "{}";
  std::string id;
  std::string data_dir;
  std::vector<std::string> functions;
  int64_t concurrency = 4;
  absl::Duration wait_max = absl::InfiniteDuration();
};

// Compiles the file and checks that every worker function has a command.
int CheckFile(Invocation& call, const std::string& file, const ShellFunctions& functions) {
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return call.FailWith(text.status().message(), kExitUsage);
  const definition::CompileResult compiled = definition::Compile(*text);
  if (!compiled.ok()) {
    if (call.json()) {
      return call.FailWith(absl::StrCat(file, ": ", compiled.status().message()), kExitUsage);
    }
    for (const definition::Diagnostic& diagnostic : compiled.diagnostics) {
      call.Note(absl::StrCat(file, ": ", diagnostic.ToString()));
    }
    return kExitUsage;
  }
  std::vector<std::string> missing;
  for (const std::string& function : compiled.program->worker_functions) {
    if (!functions.contains(function)) missing.push_back(function);
  }
  if (missing.empty()) return kExitOk;
  return call.FailWith(
      absl::StrCat("no command for worker function", missing.size() > 1 ? "s " : " ",
                   absl::StrJoin(missing, ", "), "; give --function ", missing[0], "=COMMAND"),
      kExitUsage);
}

int PrintSaga(Invocation& call, const SagaKey& key, const v1::Saga& saga) {
  Json::ArrayBuilder history;
  absl::Time start = absl::InfiniteFuture();
  const grpc::Status status = ReadEvents(call, key, 0, [&](const v1::RecordedEvent& event) {
    if (call.json()) return history.Add(EventToJson(event));
    if (start == absl::InfiniteFuture()) start = FromProto(event.time());
    call.PrintLine(EventToLine(event, start, call.style()));
  });
  if (!status.ok()) return call.Fail(status);
  if (call.json()) {
    call.PrintJson(SagaToJson(saga).With("history", std::move(history).Build()));
  } else {
    call.PrintLine(SagaToText(saga, call.style()));
  }
  return ExitCodeOf(saga);
}

// Waits for the saga's rest and shows it. A signal ends the wait: what called this ends the
// commands.
int AwaitAndPrintSaga(Invocation& call, const SagaKey& key, absl::Time deadline) {
  while (true) {
    if (const int signal = WaitForStopSignal(absl::ZeroDuration()); signal != 0) {
      return call.FailWith(absl::StrCat("stopped by ", signal == SIGINT ? "SIGINT" : "SIGTERM",
                                        "; the saga ", key.saga_id, " has not ended"),
                           kExitSignal + signal);
    }
    v1::Saga saga;
    const grpc::Status status =
        AwaitSaga(call, key, std::min(deadline, absl::Now() + kSignalSpan), saga);
    if (!status.ok()) return call.Fail(status);
    const bool rests =
        HasEnded(saga.status()) || saga.suspend_reason() == v1::SUSPEND_REASON_PARKED;
    if (rests || absl::Now() >= deadline) return PrintSaga(call, key, saga);
  }
}

int RunSaga(Invocation& call, const std::string& file, const std::string& input,
            const RunFlags& flags) {
  v1::DeployDefinitionResponse deployed;
  if (const int exit = DeployFile(call, file, deployed); exit != kExitOk) return exit;
  v1::StartSagaRequest request;
  request.set_namespace_(deployed.namespace_());
  request.set_definition_name(deployed.name());
  request.set_definition_version(deployed.version());
  request.set_saga_id(flags.id);
  request.set_request_id(call.request_id());
  request.set_input(input);
  grpc::ClientContext context;
  call.Prepare(context);
  v1::StartSagaResponse response;
  const grpc::Status status =
      v1::SagaService::NewStub(call.channel())->StartSaga(&context, request, &response);
  if (!status.ok()) return call.Fail(status);
  const SagaKey key{response.namespace_(), response.saga_id()};
  return AwaitAndPrintSaga(call, key, absl::Now() + flags.wait_max);
}

int RunWithEngine(Invocation& call, const RunFlags& flags, const std::string& input,
                  const ShellFunctions& functions) {
  absl::StatusOr<std::unique_ptr<PrivateFolder>> folder = PrivateFolder::Make();
  if (!folder.ok()) return call.FailWith(folder.status().message());
  runtime::EngineOptions options;
  options.data_dir = flags.data_dir;
  options.partition_count = flags.data_dir.empty() ? 1 : 0;
  absl::StatusOr<std::unique_ptr<runtime::Engine>> engine =
      runtime::Engine::Open(std::move(options));
  if (!engine.ok()) return call.FailWith(engine.status().message());
  api::ServerOptions server_options;
  server_options.models = &(*engine)->models();
  server_options.address = absl::StrCat("unix:", (*folder)->socket());
  absl::StatusOr<std::unique_ptr<api::Server>> server =
      api::Server::Start(**engine, std::move(server_options));
  if (!server.ok()) return call.FailWith(server.status().message());
  call.set_server(absl::StrCat("unix:", (*folder)->socket()));

  std::unique_ptr<ShellWorker> worker;
  if (!functions.empty()) {
    worker = std::make_unique<ShellWorker>(
        call.channel(),
        ShellWorker::Options{.name = "skald run",
                             .functions = functions,
                             .concurrency = static_cast<uint32_t>(flags.concurrency)});
  }
  const int exit = RunSaga(call, call.words()[0], input, flags);
  if (worker != nullptr) worker->Stop(absl::ZeroDuration());
  worker.reset();
  (*server)->Shutdown(0);
  server->reset();
  const absl::Status closed = (*engine)->Shutdown();
  return closed.ok() ? exit : call.FailWith(closed.message());
}

int Run(Invocation& call) {
  RunFlags flags;
  call.AddRequestFlags();
  call.flags()
      .Add("input", &flags.input, "JSON", "The saga's input: JSON, @FILE, or - for standard input.")
      .Add("function", &flags.functions, "NAME=COMMAND",
           "A worker function and its command, as for `skald worker`. May be repeated.")
      .Add("data-dir", &flags.data_dir, "FOLDER", "Keep the store there; else it is in memory.")
      .Add("id", &flags.id, "SAGA_ID", "The saga's id.")
      .Add("concurrency", &flags.concurrency, "COUNT", "How many commands run at a time.", 1, 1'000)
      .Add("wait-max", &flags.wait_max, "DURATION", "Wait no longer than this.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  absl::StatusOr<std::string> input = ReadJsonArgument(flags.input);
  if (!input.ok()) return call.BadUsage(absl::StrCat("--input: ", input.status().message()));
  absl::StatusOr<ShellFunctions> functions = ParseShellFunctions(flags.functions);
  if (!functions.ok()) return call.BadUsage(functions.status().message());
  if (const int exit = CheckFile(call, call.words()[0], *functions); exit != kExitOk) return exit;
  BlockStopSignals();
  return RunWithEngine(call, flags, *input, *functions);
}

}  // namespace

const Verb kRunVerb = {
    "run", "run one saga without a server", "FILE [--input JSON] [--function NAME=COMMAND]...",
    "Runs the definition in FILE once, with an engine in this process, and shows what happened.\n"
    "Worker functions are shell commands: JSON arguments on standard input, JSON on standard "
    "output\n"
    "(skald help worker tells all).\n\n"
    "Examples:\n"
    "  skald run hello.yaml --input '{\"name\": \"Ada\"}'\n"
    "  skald run order.yaml --input @order.json --function charge='./charge.py' --json\n\n"
    "Exits with 0 completed, 3 faulted, 4 cancelled, 5 suspended or parked, 2 bad usage or\n"
    "definition (also when a worker function has no --function), 128 + N when signal N (SIGINT,\n"
    "SIGTERM) stopped it and its commands, 1 anything else.",
    Run};

}  // namespace skald::tools
