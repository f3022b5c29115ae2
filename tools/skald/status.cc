#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "skald/v1/admin_service.grpc.pb.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

Json Number(uint64_t value) { return Json::Int(static_cast<int64_t>(value)); }

Json ToJson(const v1::GetStatusResponse& status) {
  Json::ArrayBuilder partitions, queues;
  for (const v1::PartitionStatus& partition : status.partitions()) {
    Json::ObjectBuilder row;
    row.Add("partition", Number(partition.partition()))
        .Add("last_position", Number(partition.last_position()))
        .Add("durable_position", Number(partition.durable_position()))
        .Add("applied_position", Number(partition.applied_position()))
        .Add("inbox", Number(partition.inbox()))
        .Add("cached_sagas", Number(partition.cached_sagas()))
        .Add("commits", Number(partition.commits()))
        .Add("commands", Number(partition.commands()))
        .Add("serving", Json::Bool(partition.serving()));
    partitions.Add(std::move(row).Build());
  }
  for (const v1::QueueStatus& queue : status.queues()) {
    Json::ObjectBuilder row;
    row.Add("function", Json::String(queue.function()))
        .Add("ready", Number(queue.ready()))
        .Add("more_ready", Json::Bool(queue.more_ready()))
        .Add("leased", Number(queue.leased()))
        .Add("workers", Number(queue.workers()))
        .Add("oldest_time", TimeToJson(queue.oldest_time(), queue.has_oldest_time()));
    queues.Add(std::move(row).Build());
  }
  Json::ObjectBuilder object;
  object.Add("version", Json::String(status.version()))
      .Add("store_id", Json::String(Hex(status.store_id())))
      .Add("start_time", TimeToJson(status.start_time(), status.has_start_time()))
      .Add("workers", Number(status.workers()))
      .Add("free_bytes", Number(status.free_bytes()))
      .Add("log_batches", Number(status.log_batches()))
      .Add("log_commits", Number(status.log_commits()))
      .Add("log_events", Number(status.log_events()))
      .Add("log_bytes", Number(status.log_bytes()))
      .Add("partitions", std::move(partitions).Build())
      .Add("queues", std::move(queues).Build());
  return std::move(object).Build();
}

std::string ToText(const v1::GetStatusResponse& status, const std::string& server,
                   const Style& style) {
  uint64_t serving = 0, inbox = 0, behind = 0;
  for (const v1::PartitionStatus& partition : status.partitions()) {
    serving += partition.serving() ? 1 : 0;
    inbox += partition.inbox();
    behind += partition.last_position() - partition.durable_position();
  }
  const bool all = serving == static_cast<uint64_t>(status.partitions_size());
  std::string text = absl::StrFormat(
      "%s  skaldd %s, up %s\n"
      "partitions  %s, %u commands waiting, %u events not durable yet\n"
      "log         %u events in %u commits and %u synced batches since the start, %.1f MiB\n"
      "disk        %.1f GiB free\n"
      "workers     %u connected",
      style.Bold(server), status.version(),
      DurationText(absl::Now() - FromProto(status.start_time())),
      all ? style.Green(absl::StrCat(serving, " serving"))
          : style.Red(absl::StrCat(serving, " of ", status.partitions_size(), " serving")),
      inbox, behind, status.log_events(), status.log_commits(), status.log_batches(),
      static_cast<double>(status.log_bytes()) / (1 << 20),
      static_cast<double>(status.free_bytes()) / (1 << 30), status.workers());
  for (const v1::QueueStatus& queue : status.queues()) {
    const std::string line =
        absl::StrFormat("  %-24s %s%u ready, %u at work, %u workers", queue.function(),
                        queue.more_ready() ? "over " : "", queue.ready(), queue.leased(),
                        queue.workers());
    absl::StrAppend(&text, "\n",
                    queue.ready() > 0 && queue.workers() == 0 ? style.Yellow(line) : line);
    if (queue.has_oldest_time()) {
      absl::StrAppend(&text, ", the oldest waits ",
                      DurationText(std::max(absl::ZeroDuration(),
                                            absl::Now() - FromProto(queue.oldest_time()))));
    }
  }
  return text;
}

int Run(Invocation& call) {
  if (auto exit = call.Parse({})) return *exit;
  grpc::ClientContext context;
  call.Prepare(context);
  v1::GetStatusResponse response;
  const grpc::Status status =
      v1::AdminService::NewStub(call.channel())->GetStatus(&context, {}, &response);
  if (!status.ok()) return call.Fail(status);
  if (call.json()) {
    call.PrintJson(ToJson(response));
  } else {
    call.PrintLine(ToText(response, call.server(), call.style()));
  }
  return kExitOk;
}

}  // namespace

const Verb kStatusVerb = {"status", "show how the server is", "",
                          "Shows partitions, log, disk, workers and task queues.\n\n"
                          "Example:\n"
                          "  skald status --server 10.0.0.5:7480",
                          Run};

}  // namespace skald::tools
