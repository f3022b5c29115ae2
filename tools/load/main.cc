// saga_load: sagas against a server, in a closed or an open loop, with workers of its own over
// gRPC.
//
// Exit codes: 0 measured, 2 bad usage, 1 anything else (a saga that failed included).
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/bytes.h"
#include "skald/v1/definition_service.grpc.pb.h"
#include "tools/client.h"
#include "tools/flags.h"
#include "tools/load/flow.h"
#include "tools/load/paced.h"
#include "tools/load/report.h"
#include "tools/load/row_watcher.h"
#include "tools/load/workers.h"
#include "tools/signals.h"

namespace skald::tools::load {

namespace {

constexpr char kUsage[] =
    "saga_load: sagas against a server\n\n"
    "Usage: saga_load [FLAGS]\n\n"
    "Keeps --in-flight sagas going, a new one for each that ends, and says how many ended a "
    "second\n"
    "and how long they took; with --rate it offers so many a second whatever becomes of them, "
    "and says\n"
    "what did. Deploys its definitions itself.\n\n"
    "Examples:\n"
    "  saga_load --shape tasks3 --in-flight 64 --duration 10s --json\n"
    "  saga_load --shape tasks3 --rate 5000 --watch\n"
    "  saga_load --shape waiting --in-flight 512 --sagas 100000 --duration 1h --warmup 0s\n\n";

constexpr absl::Duration kWatchGrace = absl::Seconds(5);

struct Options {
  std::string server = ServerFromEnvironment();
  std::string shape = "tasks3";
  int64_t in_flight = 64;
  int64_t workers = 1;
  int64_t sagas = 0;
  int64_t input_bytes = 64;
  int64_t streams = 8;
  absl::Duration delay = absl::ZeroDuration();
  bool watch = false;
  FlowOptions flow;
  bool json = false;
};

int Fail(int exit_code, absl::string_view message) {
  std::cerr << "saga_load: " << ToStd(message) << std::endl;
  return exit_code;
}

RpcError Deploy(const std::shared_ptr<grpc::Channel>& channel, const Shape& shape) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
  v1::DeployDefinitionRequest request;
  request.set_text(shape.text);
  v1::DeployDefinitionResponse response;
  return ReadError(
      v1::DefinitionService::NewStub(channel)->DeployDefinition(&context, request, &response));
}

int Run(Options& options) {
  const absl::StatusOr<Shape> shape = MakeShape(options.shape);
  if (!shape.ok()) return Fail(2, shape.status().message());
  options.flow.in_flight = static_cast<uint32_t>(options.in_flight);
  options.flow.sagas_max = static_cast<uint64_t>(options.sagas);
  options.flow.input_bytes = static_cast<size_t>(options.input_bytes);
  options.flow.streams = static_cast<uint32_t>(options.streams);
  options.flow.starts_only |= !shape->ends;
  if (options.flow.rate > 0 && (options.sagas > 0 || options.flow.unary)) {
    return Fail(2, "--rate goes by --duration and over streams: not with --sagas or --unary");
  }
  if (options.watch && options.flow.starts_only) return Fail(2, "--watch is for sagas that end");
  const std::shared_ptr<grpc::Channel> channel = ConnectTo(options.server);
  const RpcError error = Deploy(channel, *shape);
  if (!error.ok()) return Fail(1, absl::StrCat(options.server, ": ", error.message));
  // Enough credit that no task ever waits for it.
  const int64_t tasks = options.flow.rate > 0 ? 10'000 : 2 * options.in_flight;
  const LoadWorkers workers(options.server, *shape,
                            {.count = static_cast<uint32_t>(options.workers),
                             .credit = static_cast<uint32_t>(std::min<int64_t>(10'000, tasks)),
                             .delay = options.delay});
  std::unique_ptr<RowWatcher> watcher;
  if (options.watch) {
    watcher = std::make_unique<RowWatcher>(channel, *shape);
    options.flow.on_ended = [&watcher](absl::string_view saga_id, absl::Time time) {
      watcher->Answered(saga_id, time);
    };
  }
  const FlowResult result = options.flow.rate > 0 ? RunPaced(options.server, *shape, options.flow)
                                                  : RunFlow(channel, *shape, options.flow);
  std::optional<RowWatcher::Result> seen;
  if (watcher != nullptr) seen = watcher->Stop(kWatchGrace);
  if (options.json) {
    std::cout << ReportJson(*shape, options.flow, result, seen).ToText() << std::endl;
  } else {
    std::cout << ReportText(*shape, options.flow, result, seen) << std::endl;
  }
  if (seen && (!seen->error.ok() || seen->unseen > 0 || seen->delays_ms.empty())) {
    return Fail(1,
                absl::StrCat("the watcher missed ", seen->unseen, " ends: ", seen->error.message));
  }
  // Offered more than can be done, none may end in time.
  return result.failed == 0 && (result.completed > 0 || options.flow.rate > 0) ? 0 : 1;
}

int Main(const std::vector<std::string>& arguments) {
  Options options;
  Flags flags;
  flags.Add("server", &options.server, "ADDRESS", "The server; or set SKALD_SERVER.")
      .Add("shape", &options.shape, "NAME",
           "tasks0, tasks1, tasks3, tasks9, compensate or waiting.")
      .Add("in-flight", &options.in_flight, "COUNT", "Sagas at a time.", 1, 100'000)
      .Add("duration", &options.flow.duration, "DURATION", "How long to measure.")
      .Add("warmup", &options.flow.warmup, "DURATION", "How long to run before that.")
      .Add("sagas", &options.sagas, "COUNT", "Stop after so many; 0: by --duration only.")
      .Add("workers", &options.workers, "COUNT", "Workers, each with its own connection.", 0, 100)
      .Add("input-bytes", &options.input_bytes, "COUNT", "Size of each input.", 0, 1 << 19)
      .Add("delay", &options.delay, "DURATION", "How long after a task came its answer goes.")
      .Add("rate", &options.flow.rate, "COUNT",
           "Offer so many sagas a second, instead of keeping so many in flight; 0: do not.", 0,
           10'000'000)
      .Add("streams", &options.streams, "COUNT", "Streams that --rate is offered over.", 1, 1'000)
      .Add("late", &options.flow.late, "DURATION",
           "With --rate, what took longer does not count as done.")
      .Add("tick", &options.flow.tick, "DURATION",
           "With --rate, what is due within it on a stream goes in one frame, and waits so long.")
      .Add("watch", &options.watch,
           "Also watch the model sagas, and say how long after its answer an end is seen there.")
      .Add("unary", &options.flow.unary, "One StartSaga call a saga, instead of one stream.")
      .Add("starts-only", &options.flow.starts_only,
           "Count durable starts; do not wait for the ends.")
      .Add("json", &options.json, "Print JSON.");
  const absl::StatusOr<std::vector<std::string>> words = flags.Parse(arguments);
  if (flags.help_wanted()) {
    std::cout << kUsage << "Flags:\n" << flags.Help();
    return 0;
  }
  if (!words.ok()) return Fail(2, words.status().message());
  if (!words->empty()) return Fail(2, absl::StrCat("unexpected argument '", words->front(), "'"));
  PrepareForCommands();
  return Run(options);
}

}  // namespace

}  // namespace skald::tools::load

int main(int argc, char** argv) { return skald::tools::load::Main({argv + 1, argv + argc}); }
