#include "tools/skald/log.h"

#include <tuple>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "skald/v1/admin_service.grpc.pb.h"
#include "skald/v1/log_service.grpc.pb.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

void Print(const Invocation& call, const v1::RecordedEvent& event) {
  if (call.json()) return call.PrintJson(EventToJson(event));
  const absl::Time time = FromProto(event.time());
  call.PrintLine(absl::StrCat(
      event.position().partition(), ":", event.position().position(), "  ", TimeText(time), "  ",
      event.saga_id().empty() ? "-" : absl::StrCat(event.namespace_(), "/", event.saga_id()), "  ",
      call.style().Bold(event.type()), event.task().empty() ? "" : "  ", event.task(), "  ",
      call.style().Dim(Shorten(event.data(), 120))));
}

int ReadPartition(Invocation& call, const LogFlags& flags, uint32_t partition) {
  v1::ReadLogRequest request;
  request.set_partition(partition);
  for (const auto& [flag, text, set] :
       {std::tuple{"--from", &flags.from, &v1::ReadLogRequest::set_from_position},
        {"--to", &flags.to, &v1::ReadLogRequest::set_to_position}}) {
    uint64_t position = 0;
    if (!text->empty() && !absl::SimpleAtoi(*text, &position)) {
      return call.BadUsage(absl::StrCat(flag, " of read expects a position; export takes times"));
    }
    (request.*set)(position);
  }
  grpc::ClientContext context;
  call.Prepare(context, /*with_deadline=*/false);
  const auto stub = v1::LogService::NewStub(call.channel());
  const auto reader = stub->ReadLog(&context, request);
  v1::ReadLogResponse frame;
  while (reader->Read(&frame)) {
    for (const v1::RecordedEvent& event : frame.events()) Print(call, event);
  }
  const grpc::Status status = reader->Finish();
  return status.ok() ? kExitOk : call.Fail(status);
}

int Read(Invocation& call, const LogFlags& flags) {
  if (flags.partition >= 0) {
    return ReadPartition(call, flags, static_cast<uint32_t>(flags.partition));
  }
  if (!flags.from.empty() || !flags.to.empty())
    return call.BadUsage("--from and --to need a --partition");
  grpc::ClientContext context;
  call.Prepare(context);
  v1::GetStatusResponse store;
  const grpc::Status status =
      v1::AdminService::NewStub(call.channel())->GetStatus(&context, {}, &store);
  if (!status.ok()) return call.Fail(status);
  for (const v1::PartitionStatus& partition : store.partitions()) {
    const int exit = ReadPartition(call, flags, partition.partition());
    if (exit != kExitOk) return exit;
  }
  return kExitOk;
}

int Follow(Invocation& call, const LogFlags& flags) {
  v1::FollowLogRequest request;
  SetFilter(flags, *request.mutable_filter());
  if (flags.end) request.set_start(v1::FollowLogRequest::START_END);
  std::string token;
  if (!absl::Base64Unescape(flags.resume, &token)) {
    return call.BadUsage("--resume expects what an earlier call printed as resume_token");
  }
  const auto stub = v1::LogService::NewStub(call.channel());
  while (true) {
    request.set_resume_token(token);
    grpc::ClientContext context;
    call.Prepare(context, /*with_deadline=*/false);
    const auto reader = stub->FollowLog(&context, request);
    v1::FollowLogResponse frame;
    while (reader->Read(&frame)) {
      for (const v1::RecordedEvent& event : frame.events()) Print(call, event);
      token = frame.resume_token();
      if (call.json() && frame.events_size() > 0) {
        Json::ObjectBuilder mark;
        mark.Add("resume_token", Json::String(absl::Base64Escape(token)));
        call.PrintJson(std::move(mark).Build());
      }
      if (!call.CanPrint()) {
        context.TryCancel();
        return kExitError;
      }
    }
    const grpc::Status status = reader->Finish();
    // Before the first frame there is nothing to go on from.
    if (token.empty() || (!status.ok() && !ReadError(status).IsTransient())) {
      return call.Fail(status);
    }
    call.Note("skald: the server is gone; waiting for it to come back");
    absl::SleepFor(absl::Seconds(1));
  }
}

int Run(Invocation& call) {
  LogFlags flags;
  call.flags()
      .Add("partition", &flags.partition, "NUMBER", "read, export: only this partition; -1: all.",
           -1, 1 << 20)
      .Add("from", &flags.from, "PLACE",
           "read, export: the first event, a position; export: or a time.")
      .Add("to", &flags.to, "PLACE", "read, export: the last event, a position; export: or a time.")
      .Add("namespace", &flags.namespace_name, "NAME", "follow, export: only of this namespace.")
      .Add("saga", &flags.saga_id, "SAGA_ID",
           "follow, export: only of this saga, with --namespace.")
      .Add("definition", &flags.definition, "NAME",
           "follow, export: only of this definition, with --namespace.")
      .Add("type", &flags.types, "TYPE", "follow, export: only this type; may be repeated.")
      .Add("end", &flags.end, "follow: begin with what is new.")
      .Add("resume", &flags.resume, "TOKEN", "follow: go on where an earlier call stopped.")
      .Add("format", &flags.format, "FORMAT",
           "export: jsonl, one event a line; or binary, commits as they are stored, for import.")
      .Add("out", &flags.out, "FILE", "export: write there; else to standard output.")
      .Add("data", &flags.data_dir, "FOLDER", "import: the data directory to make.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 2})) return *exit;
  const std::string& part = call.words()[0];
  if (part == "import") return LogImport(call, flags);
  if (call.words().size() > 1) return call.BadUsage(absl::StrCat(part, " takes no more words"));
  if (part == "read") return Read(call, flags);
  if (part == "follow") return Follow(call, flags);
  if (part == "export") return LogExport(call, flags);
  return call.BadUsage("expects read, follow, export or import");
}

}  // namespace

const Verb kLogVerb = {
    "log", "read, follow, export or import the event log", "read | follow | export | import FILE",
    "read    the events of one partition, or of one after the other\n"
    "follow  all events, those there are and then new ones, without end and without a gap, also\n"
    "        over restarts of the server. With --json a line {\"resume_token\": ...} follows each\n"
    "        frame: a later call with --resume goes on right after it.\n"
    "export  the log as it stands at one moment, or what the flags leave of it, to a file. As "
    "jsonl\n"
    "        one event a line, for other programs. As binary with its exact bytes and checksums:\n"
    "        what was exported whole can be imported, and gives the same file again.\n"
    "import  a new data directory from a whole binary export, without a server. Its log is the\n"
    "        same byte for byte and it is the same store: checkpoints that auditors keep go on to\n"
    "        hold. The signing key is not in the file. Never let both stores go on.\n"
    "        A file that was damaged, cut off or put into another order is refused, with the "
    "byte.\n\n"
    "Order is that of the log within a partition; between partitions there is none. An export's\n"
    "--from and --to take a position, with --partition, or a time; commits are exported whole.\n\n"
    "Examples:\n"
    "  skald log read --partition 3 --from 1000 --json\n"
    "  skald log follow --namespace shop --type SagaFaulted --end\n"
    "  skald log export --format jsonl --namespace shop --from 2026-01-01T00:00:00Z\n"
    "  skald log export --format binary --out shop.log\n"
    "  skald log import shop.log --data /var/lib/skald-copy\n\n"
    "Exits with 0 when done, 2 for bad usage or a file that is no export or not a whole one, else\n"
    "with 1.",
    Run};

}  // namespace skald::tools
