// skald audit export and verify: a saga's bundle, and what it proves.
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "engine/audit/bundle.h"
#include "skald/v1/audit_service.grpc.pb.h"
#include "tools/skald/audit.h"
#include "tools/skald/render.h"

namespace skald::tools {

int AuditExport(Invocation& call, const AuditFlags& flags) {
  if (call.words().size() != 2) return call.BadUsage("export expects NAMESPACE/SAGA_ID");
  const SagaKey saga = call.SagaOf(call.words()[1]);
  v1::ExportSagaRequest request;
  request.set_namespace_(saga.namespace_name);
  request.set_saga_id(saga.saga_id);
  request.set_withhold_data(flags.withhold_data);
  if (!flags.since.empty()) {
    const absl::StatusOr<std::string> since = ReadFile(flags.since);
    if (!since.ok()) return call.FailWith(since.status().message(), kExitUsage);
    request.set_old_checkpoint(*since);
  }
  grpc::ClientContext context;
  call.Prepare(context, /*with_deadline=*/false);
  const auto stub = v1::AuditService::NewStub(call.channel());
  const auto reader = stub->ExportSaga(&context, request);
  std::string text;
  v1::ExportSagaResponse frame;
  while (reader->Read(&frame)) text += frame.data();
  const grpc::Status status = reader->Finish();
  // Half a bundle is none.
  if (status.ok()) return WriteOutput(call, flags, text);
  const int failed = call.Fail(status);
  // As likely as the file it may be the log that no longer fits the kept checkpoint.
  return flags.since.empty() ? failed : kExitError;
}

namespace {

std::string TimeTextOf(Timestamp time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(time.value()),
                          absl::UTCTimeZone());
}

Json Number(uint64_t value) { return Json::Int(static_cast<int64_t>(value)); }

Json ToJson(const audit::BundleReport& report) {
  Json::ArrayBuilder problems;
  for (const audit::BundleProblem& problem : report.problems) {
    Json::ObjectBuilder object;
    object.Add("place", Json::String(problem.place)).Add("what", Json::String(problem.what));
    problems.Add(std::move(object).Build());
  }
  Json::ObjectBuilder saga;
  saga.Add("namespace", Json::String(report.saga.namespace_name))
      .Add("saga_id", Json::String(report.saga.saga_id));
  Json::ObjectBuilder checkpoint;
  checkpoint.Add("origin", Json::String(report.checkpoint.origin))
      .Add("size", Number(report.checkpoint.tree.size))
      .Add("root", Json::String(report.checkpoint.tree.root.ToBase64()));
  const bool has_ended = !report.end.empty();
  Json::ObjectBuilder object;
  object.Add("verified", Json::Bool(report.ok()))
      .Add("saga", std::move(saga).Build())
      .Add("commits", Number(report.commits))
      .Add("events", Number(report.events))
      .Add("end", has_ended ? Json::String(report.end) : Json::Null())
      .Add("end_revision", has_ended ? Number(report.end_revision.value()) : Json::Null())
      .Add("first_time", Json::String(TimeTextOf(report.first_time)))
      .Add("last_time", Json::String(TimeTextOf(report.last_time)))
      .Add("definition_sha256", Json::String(absl::BytesToHexString(report.definition_hash)))
      .Add("withheld_slots", Number(report.withheld_slots))
      .Add("checkpoint", std::move(checkpoint).Build())
      .Add("continues", report.continued ? Number(report.continued->size) : Json::Null())
      .Add("problems", std::move(problems).Build());
  return std::move(object).Build();
}

void PrintProblems(const Invocation& call, const audit::BundleReport& report) {
  call.PrintLine(call.style().Red(
      absl::StrCat("NOT VERIFIED: ", report.saga.namespace_name, "/", report.saga.saga_id)));
  for (const audit::BundleProblem& problem : report.problems) {
    call.PrintLine(absl::StrCat("  ", problem.place, ": ", problem.what));
  }
}

void PrintProven(const Invocation& call, const audit::BundleReport& report) {
  const uint64_t last = report.events - 1;
  call.PrintLine(call.style().Green(
      absl::StrCat("verified: ", report.saga.namespace_name, "/", report.saga.saga_id,
                   ", revisions 0 to ", last, " in ", report.commits,
                   report.commits == 1 ? " commit" : " commits", ", as the log has them")));
  if (report.end.empty()) {
    call.PrintLine(absl::StrCat("  complete up to revision ", last,
                                "; the saga had not ended: what came later is not in it"));
  } else {
    call.PrintLine(absl::StrCat("  whole: ended by ", report.end, " at revision ",
                                report.end_revision.value()));
  }
  call.PrintLine(absl::StrCat("  from ", TimeTextOf(report.first_time), " to ",
                              TimeTextOf(report.last_time), " by the store's clock"));
  if (report.withheld_slots > 0) {
    call.PrintLine(absl::StrCat("  ", report.withheld_slots,
                                " payloads are withheld or erased: only their digests are proven"));
  }
  call.PrintLine(absl::StrCat("  checkpoint: ", report.checkpoint.origin, ", ",
                              report.checkpoint.tree.size, " commits"));
  call.PrintLine(report.continued
                     ? absl::StrCat("  continues the tree of ", report.continued->size, " commits")
                     : std::string("  compared with no earlier checkpoint"));
}

// The largest kept checkpoint of the bundle's log: the server proves that its log continues that.
absl::StatusOr<audit::Checkpoint> FindKept(const AuditFlags& flags, const audit::Bundle& bundle,
                                           const std::vector<audit::VerifierKey>& keys) {
  const absl::StatusOr<std::vector<std::string>> notes = ReadNotes(flags.since);
  if (!notes.ok()) return notes.status();
  std::string origin;
  const auto note = audit::ParseNote(bundle.head.checkpoint);
  if (note.ok()) {
    const auto checkpoint = audit::Checkpoint::Parse(note->text);
    if (checkpoint.ok()) origin = checkpoint->origin;
  }
  std::optional<audit::Checkpoint> found;
  for (const std::string& each : *notes) {
    absl::StatusOr<audit::Checkpoint> kept = audit::OpenCheckpoint(each, keys);
    if (!kept.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(flags.since, ": ", kept.status().message()));
    }
    // Any other serves to tell that none is of this log.
    const bool is_of_log = kept->origin == origin;
    const bool is_better =
        !found || (is_of_log && (found->origin != origin || kept->tree.size > found->tree.size));
    if (is_better) found = *std::move(kept);
  }
  return *std::move(found);
}

}  // namespace

int AuditVerify(Invocation& call, const AuditFlags& flags) {
  if (call.words().size() != 2) return call.BadUsage("verify expects a BUNDLE");
  if (flags.keys.empty()) return call.BadUsage("verify needs --key: the store's public key");
  const std::string& file = call.words()[1];
  audit::BundleExpectation expectation{.keys = {}, .since = std::nullopt, .ended = flags.ended};
  absl::StatusOr<std::vector<audit::VerifierKey>> keys = ReadKeys(flags.keys);
  if (!keys.ok()) return call.FailWith(keys.status().message(), kExitUsage);
  expectation.keys = *std::move(keys);
  const absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return call.FailWith(text.status().message(), kExitUsage);
  const absl::StatusOr<audit::Bundle> bundle = audit::ParseBundle(*text);
  if (!bundle.ok()) {
    return call.FailWith(absl::StrCat(file, " is no bundle: ", bundle.status().message()),
                         kExitUsage);
  }
  if (!flags.since.empty()) {
    absl::StatusOr<audit::Checkpoint> kept = FindKept(flags, *bundle, expectation.keys);
    if (!kept.ok()) return call.FailWith(kept.status().message(), kExitUsage);
    expectation.since = *std::move(kept);
  }
  const audit::BundleReport report = audit::VerifyBundle(*bundle, expectation);
  if (call.json()) {
    call.PrintJson(ToJson(report));
  } else if (report.ok()) {
    PrintProven(call, report);
  } else {
    PrintProblems(call, report);
  }
  if (!report.ok()) return kExitError;
  return flags.events ? PrintBundleEvents(call, *bundle) : kExitOk;
}

}  // namespace skald::tools
