// skaldd: the server. Opens the store, serves until SIGTERM or SIGINT, drains and closes.
//
// Exit codes: 0 after a signal and a clean close; 2 bad flags; 3 the store cannot be opened (the
// message says what is wrong and how to mend it); 4 the address cannot be listened on; 1 the store
// could not be closed cleanly; 70 the store failed while it was open: a log that cannot be written
// or a view that cannot be read ends the process at once, with a message and without a close.
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "api/server.h"
#include "base/bytes.h"
#include "engine/runtime/engine.h"
#include "tools/client.h"
#include "tools/flags.h"
#include "tools/signals.h"

namespace skald::tools {

namespace {

enum ExitCode : int {
  kExitOk = 0,
  kExitError = 1,
  kExitUsage = 2,
  kExitStore = 3,
  kExitListen = 4,
};

struct Options {
  std::string data_dir;
  std::string listen = kDefaultServer;
  int64_t partitions = 0;
  int64_t threads = 0;
  int64_t memory = 256 << 20;
  int64_t buffers = 512 << 20;
  int64_t inbox_commands = 4'096;
  int64_t saga_bytes = 8 << 20;
  int64_t free_soft = 512 << 20;
  int64_t free_hard = 64 << 20;
  int64_t credit_max = 10'000;
  absl::Duration lease = absl::Seconds(30);
  absl::Duration grace = absl::Seconds(10);
  absl::Duration checkpoint_interval = absl::Seconds(60);
  absl::Duration model_check_interval = absl::Hours(24);
  bool in_memory = false;
};

constexpr uint32_t kNewStorePartitions = 16;
// A worker could not keep a shorter one over any network; none would be kept for an endless one.
constexpr absl::Duration kLeaseMin = absl::Milliseconds(10);
constexpr absl::Duration kLeaseMax = absl::Hours(24);
constexpr absl::Duration kGraceMax = absl::Hours(1);
// Each costs a signature and a write; kept ones are not for years.
constexpr absl::Duration kCheckpointIntervalMin = absl::Milliseconds(10);
constexpr absl::Duration kCheckpointIntervalMax = absl::Hours(24);
// Room for a few messages.
constexpr int64_t kBuffersMin = 32 << 20;
constexpr absl::Duration kModelCheckIntervalMin = absl::Seconds(1);

void AddFlags(Flags& flags, Options& options) {
  flags.Add("data-dir", &options.data_dir, "FOLDER", "Where the store is; made if missing.")
      .Add("in-memory", &options.in_memory, "Keep nothing: for tests, instead of --data-dir.")
      .Add("listen", &options.listen, "ADDRESS", "HOST:PORT or unix:PATH; port 0 picks a free one.")
      .Add("partitions", &options.partitions, "COUNT",
           "Of a new store, for its life; 0: 16, or what the store has.", 0, 1'024)
      .Add("threads", &options.threads, "COUNT", "That drive partitions; 0: half the cores.", 0,
           1'024)
      .AddBytes("memory", &options.memory, "SIZE", "For the state of running sagas.")
      .Add("inbox", &options.inbox_commands, "COUNT",
           "Requests under way in a partition before more are refused.", 1, 1'000'000)
      .AddBytes(
          "buffers", &options.buffers, "SIZE",
          "For what clients have sent and is no whole message yet; past it calls are cancelled.",
          kBuffersMin)
      .AddBytes("saga-memory", &options.saga_bytes, "SIZE", "The largest state of one saga.")
      .AddBytes("free-soft", &options.free_soft, "SIZE",
                "Free disk space under which new sagas and definitions are refused. What is in "
                "memory and "
                "will be written to tables does not count as free.")
      .AddBytes("free-hard", &options.free_hard, "SIZE",
                "Free disk space under which everything but reads is refused.")
      .Add("credit", &options.credit_max, "COUNT", "The most tasks that one worker may have.", 1,
           1'000'000)
      .Add("lease", &options.lease, "DURATION",
           "How long a task stays with a worker that is silent.")
      .Add("checkpoint-interval", &options.checkpoint_interval, "DURATION",
           "How often checkpoints of what has grown are signed and kept; 0: never.")
      .Add("model-check-interval", &options.model_check_interval, "DURATION",
           "How often one of the read models, in turn, is folded again and compared; 0: never.")
      .Add("grace", &options.grace, "DURATION", "On SIGTERM, how long workers may still answer.");
}

runtime::EngineOptions ToEngineOptions(const Options& options) {
  runtime::EngineOptions engine;
  engine.data_dir = options.data_dir;
  engine.partition_count = static_cast<uint32_t>(options.partitions);
  if (options.partitions == 0 && options.in_memory) engine.partition_count = kNewStorePartitions;
  engine.threads = static_cast<uint32_t>(options.threads);
  engine.cached_state_bytes = static_cast<size_t>(options.memory);
  engine.inbox_commands_max = static_cast<size_t>(options.inbox_commands);
  engine.saga_bytes_max = static_cast<size_t>(options.saga_bytes);
  engine.free_bytes_soft = static_cast<uint64_t>(options.free_soft);
  engine.free_bytes_hard = static_cast<uint64_t>(options.free_hard);
  engine.checkpoint_interval = absl::ToInt64Microseconds(options.checkpoint_interval);
  engine.projection.check_interval = absl::ToInt64Microseconds(options.model_check_interval);
  engine.broker.lease = absl::ToInt64Microseconds(options.lease);
  engine.broker.credit_max = static_cast<uint32_t>(options.credit_max);
  return engine;
}

api::ServerOptions ToServerOptions(const Options& options) {
  api::ServerOptions server;
  server.address = options.listen;
  server.buffer_bytes_max = static_cast<size_t>(options.buffers);
  server.worker_lease = absl::ToInt64Microseconds(options.lease);
  server.worker_credit_max = static_cast<uint32_t>(options.credit_max);
  return server;
}

// What clients connect to: the address given, with the port that was chosen.
std::string ChosenAddress(const std::string& listen, int port) {
  const size_t colon = listen.rfind(':');
  if (port == 0 || colon == std::string::npos) return listen;
  return absl::StrCat(listen.substr(0, colon + 1), port);
}

int Fail(int exit_code, absl::string_view message) {
  std::cerr << "skaldd: " << ToStd(message) << std::endl;
  return exit_code;
}

// Connections take file descriptors, and a store that cannot open a file must stop: idle clients
// should not bring it there. The usual soft limit of 1,024 is for programs that use select.
void AllowManyFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  // Without the right to it, the limit stays as it is.
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));
}

int Serve(const Options& options) {
  AllowManyFiles();
  BlockStopSignals();
  absl::StatusOr<std::unique_ptr<runtime::Engine>> engine =
      runtime::Engine::Open(ToEngineOptions(options));
  if (!engine.ok()) return Fail(kExitStore, engine.status().message());
  api::ServerOptions server_options = ToServerOptions(options);
  server_options.models = &(*engine)->models();
  absl::StatusOr<std::unique_ptr<api::Server>> server =
      api::Server::Start(**engine, std::move(server_options));
  if (!server.ok()) {
    const absl::Status closed = (*engine)->Shutdown();
    if (!closed.ok()) Fail(kExitError, closed.message());
    return Fail(kExitListen, server.status().message());
  }
  std::cout << "skaldd listening on " << ChosenAddress(options.listen, (*server)->port())
            << std::endl;

  WaitForStopSignal(absl::InfiniteDuration());
  std::cerr << "skaldd: stopping" << std::endl;
  (*server)->Shutdown(absl::ToInt64Microseconds(options.grace));
  server->reset();
  const absl::Status closed = (*engine)->Shutdown();
  return closed.ok() ? kExitOk : Fail(kExitError, closed.message());
}

int Main(const std::vector<std::string>& arguments) {
  Options options;
  Flags flags;
  AddFlags(flags, options);
  const absl::StatusOr<std::vector<std::string>> words = flags.Parse(arguments);
  if (flags.help_wanted()) {
    std::cout
        << "skaldd: the Skald server\n\nUsage: skaldd --data-dir FOLDER [FLAGS]\n\n"
           "Prints \"skaldd listening on ADDRESS\" when it serves. SIGTERM or SIGINT stops it\n"
           "cleanly; killing it loses nothing that was answered.\n\n"
           "Exit codes: 0 stopped by a signal, 2 bad flags, 3 the store cannot be opened,\n"
           "4 the address cannot be listened on, 1 the store was not closed cleanly, 70 the store\n"
           "failed while it was open: it was not closed, and the next start recovers it.\n\n"
           "Flags:\n"
        << flags.Help();
    return kExitOk;
  }
  if (!words.ok()) return Fail(kExitUsage, words.status().message());
  if (!words->empty()) {
    return Fail(kExitUsage, absl::StrCat("unexpected argument '", words->front(), "'"));
  }
  if (options.data_dir.empty() != options.in_memory) {
    return Fail(kExitUsage, "exactly one of --data-dir FOLDER and --in-memory is needed");
  }
  if (options.lease < kLeaseMin || options.lease > kLeaseMax) {
    return Fail(kExitUsage, "--lease must be from 10ms to 24h");
  }
  if (options.checkpoint_interval != absl::ZeroDuration() &&
      (options.checkpoint_interval < kCheckpointIntervalMin ||
       options.checkpoint_interval > kCheckpointIntervalMax)) {
    return Fail(kExitUsage, "--checkpoint-interval must be 0, or from 10ms to 24h");
  }
  if (options.model_check_interval != absl::ZeroDuration() &&
      options.model_check_interval < kModelCheckIntervalMin) {
    return Fail(kExitUsage, "--model-check-interval must be 0, or at least 1s");
  }
  if (options.grace > kGraceMax) return Fail(kExitUsage, "--grace must be at most 1h");
  return Serve(options);
}

}  // namespace

}  // namespace skald::tools

int main(int argc, char** argv) { return skald::tools::Main({argv + 1, argv + argc}); }
