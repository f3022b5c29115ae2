#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "skald/v1/admin_service.grpc.pb.h"
#include "skald/v1/log_service.grpc.pb.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

struct LogFlags {
  int64_t partition = -1;
  int64_t from = 1;
  int64_t to = 0;
  std::string namespace_name, saga_id, definition, resume;
  std::vector<std::string> types;
  bool end = false;
};

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
  request.set_from_position(static_cast<uint64_t>(flags.from));
  request.set_to_position(static_cast<uint64_t>(flags.to));
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
  if (flags.from > 1 || flags.to > 0) return call.BadUsage("--from and --to need a --partition");
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
  request.mutable_filter()->set_namespace_(flags.namespace_name);
  request.mutable_filter()->set_saga_id(flags.saga_id);
  request.mutable_filter()->set_definition_name(flags.definition);
  for (const std::string& type : flags.types) request.mutable_filter()->add_event_types(type);
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
      .Add("partition", &flags.partition, "NUMBER", "read: only this partition; -1: all.", -1,
           1 << 20)
      .Add("from", &flags.from, "POSITION", "read: the first event.")
      .Add("to", &flags.to, "POSITION", "read: the last event; 0: the last there is.")
      .Add("namespace", &flags.namespace_name, "NAME", "follow: only of this namespace.")
      .Add("saga", &flags.saga_id, "SAGA_ID", "follow: only of this saga, with --namespace.")
      .Add("definition", &flags.definition, "NAME", "follow: of this definition, with --namespace.")
      .Add("type", &flags.types, "TYPE", "follow: only this type; may be repeated.")
      .Add("end", &flags.end, "follow: begin with what is new.")
      .Add("resume", &flags.resume, "TOKEN", "follow: go on where an earlier call stopped.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  if (call.words()[0] == "read") return Read(call, flags);
  if (call.words()[0] == "follow") return Follow(call, flags);
  return call.BadUsage("expects read or follow");
}

}  // namespace

const Verb kLogVerb = {
    "log", "read or follow the event log", "read | follow",
    "read    the events of one partition, or of one after the other\n"
    "follow  all events, those there are and then new ones, without end and without a gap, also\n"
    "        over restarts of the server. With --json a line {\"resume_token\": ...} follows each\n"
    "        frame: a later call with --resume goes on right after it.\n\n"
    "Order is that of the log within a partition; between partitions there is none.\n\n"
    "Examples:\n"
    "  skald log read --partition 3 --from 1000 --json\n"
    "  skald log follow --namespace shop --type SagaFaulted --end",
    Run};

}  // namespace skald::tools
