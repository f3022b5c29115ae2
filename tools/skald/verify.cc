#include <cstdio>

#include <unistd.h>

#include "absl/strings/str_format.h"
#include "skald/v1/admin_service.grpc.pb.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

Json Number(uint64_t value) { return Json::Int(static_cast<int64_t>(value)); }

Json ToJson(const v1::VerifyStoreResponse& report) {
  Json::ArrayBuilder differences;
  for (const std::string& difference : report.differences()) {
    differences.Add(Json::String(difference));
  }
  Json::ObjectBuilder object;
  object.Add("equal", Json::Bool(report.differences().empty()))
      .Add("commits", Number(report.commits()))
      .Add("events", Number(report.events()))
      .Add("sagas", Number(report.sagas()))
      .Add("ended_sagas", Number(report.ended_sagas()))
      .Add("running_sagas", Number(report.running_sagas()))
      .Add("suspended_sagas", Number(report.suspended_sagas()))
      .Add("rows", Number(report.rows()))
      .Add("audit_leaves", Number(report.audit_leaves()))
      .Add("checkpoints", Number(report.checkpoints()))
      .Add("differences", std::move(differences).Build());
  return std::move(object).Build();
}

int Run(Invocation& call) {
  if (auto exit = call.Parse({})) return *exit;
  grpc::ClientContext context;
  call.Prepare(context, /*with_deadline=*/false);
  const auto stub = v1::AdminService::NewStub(call.channel());
  const auto reader = stub->VerifyStore(&context, {});
  const bool progress = !call.json() && isatty(STDERR_FILENO) == 1;
  v1::VerifyStoreResponse report;
  while (reader->Read(&report)) {
    if (progress) std::fprintf(stderr, "\rreplayed %lu events", (unsigned long)report.events());
  }
  if (progress) std::fputs("\r\033[K", stderr);
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return call.Fail(status);
  if (!report.done()) return call.FailWith("the server ended the replay without a result");
  if (call.json()) {
    call.PrintJson(ToJson(report));
  } else {
    call.PrintLine(absl::StrFormat(
        "replayed %u events in %u commits: %u sagas (%u ended, %u running, %u suspended), %u rows, "
        "%u kept checkpoints",
        report.events(), report.commits(), report.sagas(), report.ended_sagas(),
        report.running_sagas(), report.suspended_sagas(), report.rows(), report.checkpoints()));
    for (const std::string& difference : report.differences()) {
      call.PrintLine(call.style().Red(difference));
    }
    call.PrintLine(report.differences().empty()
                       ? call.style().Green("replayed state equals live state")
                       : call.style().Red("replayed state differs from live state"));
  }
  return report.differences().empty() ? kExitOk : kExitError;
}

}  // namespace

const Verb kVerifyVerb = {
    "verify", "replay the log and compare it with the live state", "",
    "Replays every event into fresh state and compares all of it with what the server works with,\n"
    "as of one moment; makes the audit trees anew and compares them, and every checkpoint that was\n"
    "kept. The server keeps serving.\n\n"
    "Example:\n"
    "  skald verify --json | jq .equal\n\n"
    "Exits with 0 when they are equal, else with 1.",
    Run};

}  // namespace skald::tools
