// skald log export: the log, or some of it, to a file.
#include <cstdio>
#include <memory>
#include <utility>

#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "skald/v1/log_service.grpc.pb.h"
#include "tools/skald/destination.h"
#include "tools/skald/log.h"
#include "tools/skald/render.h"
#include "tools/skald/replay_steps.h"

namespace skald::tools {

void SetFilter(const LogFlags& flags, v1::EventFilter& filter) {
  filter.set_namespace_(flags.namespace_name);
  filter.set_saga_id(flags.saga_id);
  filter.set_definition_name(flags.definition);
  for (const std::string& type : flags.types) filter.add_event_types(type);
}

// ---- Progress ----

ProgressLine::ProgressLine(std::string doing, bool wanted)
    : doing_(std::move(doing)), is_shown_(wanted && isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (is_shown_) std::fputs("\r\033[K", stderr);
}

void ProgressLine::Show(uint64_t done, uint64_t total, const char* unit) {
  if (!is_shown_ || absl::Now() < next_) return;
  next_ = absl::Now() + absl::Milliseconds(100);
  const std::string of = total == 0 ? "" : absl::StrCat(" of ", total);
  std::fprintf(stderr, "\r\033[K%s %lu%s %s", doing_.c_str(), static_cast<unsigned long>(done),
               of.c_str(), unit);
  std::fflush(stderr);
}

namespace {

// A position or a time. False when it is neither.
bool SetBound(const std::string& text, v1::LogBound& bound) {
  uint64_t position = 0;
  if (absl::SimpleAtoi(text, &position)) {
    bound.set_position(position);
    return true;
  }
  const absl::StatusOr<v1::AsOf> moment = ParseMoment(text);
  if (!moment.ok() || !moment->has_time()) return false;
  *bound.mutable_time() = moment->time();
  return true;
}

}  // namespace

int LogExport(Invocation& call, const LogFlags& flags) {
  v1::ExportLogRequest request;
  const bool as_file = flags.format == "binary";
  if (!as_file && flags.format != "jsonl") return call.BadUsage("--format expects jsonl or binary");
  request.set_form(as_file ? v1::ExportLogRequest::FORM_FILE : v1::ExportLogRequest::FORM_EVENTS);
  if (flags.partition >= 0) request.set_partition(static_cast<uint32_t>(flags.partition));
  if (!flags.from.empty() && !SetBound(flags.from, *request.mutable_from())) {
    return call.BadUsage("--from expects a position or a time: 2026-01-31T08:00:00Z");
  }
  if (!flags.to.empty() && !SetBound(flags.to, *request.mutable_to())) {
    return call.BadUsage("--to expects a position or a time: 2026-01-31T08:00:00Z");
  }
  SetFilter(flags, *request.mutable_filter());
  if (as_file && flags.out.empty() && isatty(STDOUT_FILENO) == 1) {
    return call.BadUsage("a binary export is nothing for a terminal: give --out FILE");
  }

  Destination destination(flags.out);
  if (!destination.good()) return destination.Fail(call);
  ProgressLine progress("exported", !flags.out.empty());
  grpc::ClientContext context;
  call.Prepare(context, /*with_deadline=*/false);
  const auto reader = v1::LogService::NewStub(call.channel())->ExportLog(&context, request);
  v1::ExportLogResponse frame;
  while (destination.good() && reader->Read(&frame)) {
    if (as_file) destination.Write(frame.data());
    for (const v1::RecordedEvent& event : frame.events()) {
      destination.Write(absl::StrCat(EventToJson(event).ToText(), "\n"));
    }
    progress.Show(frame.events_done(), frame.events_total(), "events");
  }
  if (!destination.good()) {
    context.TryCancel();
    reader->Finish();
    return destination.Fail(call);
  }
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return call.Fail(status);
  return destination.Keep() ? kExitOk : destination.Fail(call);
}

}  // namespace skald::tools
