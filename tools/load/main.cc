// saga_load: a closed loop of sagas against a server, with workers of its own over gRPC.
//
// Exit codes: 0 measured, 2 bad usage, 1 anything else (a saga that failed included).
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/bytes.h"
#include "skald/v1/definition_service.grpc.pb.h"
#include "tools/client.h"
#include "tools/flags.h"
#include "tools/load/flow.h"
#include "tools/load/report.h"
#include "tools/load/workers.h"
#include "tools/signals.h"

namespace skald::tools::load {

namespace {

constexpr char kUsage[] =
    "saga_load: a closed loop of sagas against a server\n\n"
    "Usage: saga_load [FLAGS]\n\n"
    "Keeps --in-flight sagas going, a new one for each that ends, and says how many ended a "
    "second\n"
    "and how long they took. Deploys its definitions itself.\n\n"
    "Example:\n"
    "  saga_load --shape tasks3 --in-flight 64 --duration 10s --json\n\n";

struct Options {
  std::string server = ServerFromEnvironment();
  std::string shape = "tasks3";
  int64_t in_flight = 64;
  int64_t workers = 1;
  int64_t sagas = 0;
  int64_t input_bytes = 64;
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
  const std::shared_ptr<grpc::Channel> channel = ConnectTo(options.server);
  const RpcError error = Deploy(channel, *shape);
  if (!error.ok()) return Fail(1, absl::StrCat(options.server, ": ", error.message));
  // Enough credit that no task ever waits for it.
  const auto credit = static_cast<uint32_t>(std::min<int64_t>(10'000, 2 * options.in_flight));
  const LoadWorkers workers(options.server, *shape, static_cast<uint32_t>(options.workers), credit);
  const FlowResult result = RunFlow(channel, *shape, options.flow);
  if (options.json) {
    std::cout << ReportJson(*shape, options.flow, result).ToText() << std::endl;
  } else {
    std::cout << ReportText(*shape, options.flow, result) << std::endl;
  }
  return result.failed == 0 && result.completed > 0 ? 0 : 1;
}

int Main(const std::vector<std::string>& arguments) {
  Options options;
  Flags flags;
  flags.Add("server", &options.server, "ADDRESS", "The server; or set SKALD_SERVER.")
      .Add("shape", &options.shape, "NAME", "tasks0, tasks1, tasks3, tasks9 or compensate.")
      .Add("in-flight", &options.in_flight, "COUNT", "Sagas at a time.", 1, 100'000)
      .Add("duration", &options.flow.duration, "DURATION", "How long to measure.")
      .Add("warmup", &options.flow.warmup, "DURATION", "How long to run before that.")
      .Add("sagas", &options.sagas, "COUNT", "Stop after so many; 0: by --duration only.")
      .Add("workers", &options.workers, "COUNT", "Workers, each with its own connection.", 0, 100)
      .Add("input-bytes", &options.input_bytes, "COUNT", "Size of each input.", 0, 1 << 19)
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
  IgnoreBrokenPipes();
  return Run(options);
}

}  // namespace

}  // namespace skald::tools::load

int main(int argc, char** argv) { return skald::tools::load::Main({argv + 1, argv + argc}); }
