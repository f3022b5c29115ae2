#include "tools/skald/rebuild_views.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/runtime/engine.h"
#include "engine/runtime/fold_store.h"
#include "storage/data_directory.h"

namespace skald::tools {
namespace {

constexpr absl::Duration kLookInterval = absl::Milliseconds(100);

int FailWith(Invocation& call, const absl::Status& status) {
  return call.FailWith(std::string(status.message()));
}

// Until every read model has come to the log's end. Those that stop are told of.
void WaitForModels(Invocation& call, runtime::Engine& engine) {
  const bool shows = !call.json() && isatty(STDERR_FILENO) == 1;
  while (true) {
    uint64_t behind = 0;
    size_t building = 0;
    for (const projection::ModelStatus& model : engine.models().GetStatus()) {
      if (model.build) ++building;
      if (!model.stopped) behind = std::max(behind, model.events_behind);
    }
    if (behind == 0 && building == 0) break;
    if (shows) std::fprintf(stderr, "\r\033[Kread models: %lu events left", (unsigned long)behind);
    absl::SleepFor(kLookInterval);
  }
  if (shows) std::fputs("\r\033[K", stderr);
}

}  // namespace

int RebuildViews(Invocation& call, const std::string& data_dir) {
  const absl::Time begun = absl::Now();
  // Refused while a server has the store open.
  const auto notices = storage::DataDirectory::ReplaceViews({.path = data_dir}, runtime::FoldStore);
  if (!notices.ok()) return FailWith(call, notices.status());
  for (const std::string& notice : *notices) call.Note(notice);
  runtime::EngineOptions options;
  options.data_dir = data_dir;
  options.partition_count = 0;
  options.create_if_missing = false;
  absl::StatusOr<std::unique_ptr<runtime::Engine>> engine = runtime::Engine::Open(options);
  if (!engine.ok()) return FailWith(call, engine.status());
  WaitForModels(call, **engine);
  uint64_t events = 0;
  for (const runtime::PartitionStatus& partition : (*engine)->GetStatus().partitions) {
    events += partition.durable.value();
  }
  const absl::Status closed = (*engine)->Shutdown();
  if (!closed.ok()) return FailWith(call, closed);
  const double seconds = std::max(absl::ToDoubleSeconds(absl::Now() - begun), 1e-6);
  if (call.json()) {
    call.PrintJson(Json::Object({{"events", Json::Int(static_cast<int64_t>(events))},
                                 {"seconds", Json::Double(seconds)}}));
  } else {
    call.PrintLine(absl::StrFormat("views of %u events made anew in %.1f s", events, seconds));
  }
  return kExitOk;
}

}  // namespace skald::tools
