// skald audit checkpoint: signed checkpoints, and that they continue older ones.
#include <utility>

#include "absl/strings/str_cat.h"
#include "skald/v1/audit_service.grpc.pb.h"
#include "tools/skald/audit.h"

namespace skald::tools {

namespace {

// A checkpoint that is printed.
struct Line {
  v1::Checkpoint checkpoint;
  std::optional<uint64_t> continued;  // size of the kept checkpoint it was shown to continue
};

Json ToJson(const Line& line) {
  Json::ObjectBuilder object;
  object.Add("partition", Json::Int(line.checkpoint.partition()))
      .Add("origin", Json::String(line.checkpoint.origin()))
      .Add("size", Json::Int(static_cast<int64_t>(line.checkpoint.size())))
      .Add("root", Json::String(audit::Hash::FromBytes(line.checkpoint.root()).ToBase64()))
      .Add("continues",
           line.continued ? Json::Int(static_cast<int64_t>(*line.continued)) : Json::Null())
      .Add("note", Json::String(line.checkpoint.note()));
  return std::move(object).Build();
}

int Print(Invocation& call, const AuditFlags& flags, const std::vector<Line>& lines) {
  std::string text;
  for (const Line& line : lines) {
    if (call.json()) {
      absl::StrAppend(&text, ToJson(line).ToText(), "\n");
    } else {
      absl::StrAppend(&text, text.empty() ? "" : "\n", line.checkpoint.note());
    }
  }
  return WriteOutput(call, flags, text);
}

}  // namespace

absl::Status CheckSigned(const v1::Checkpoint& checkpoint,
                         const std::vector<audit::VerifierKey>& keys) {
  if (checkpoint.root().size() != kSha256Bytes) {
    return absl::DataLossError("the server's root is no hash");
  }
  if (keys.empty()) return absl::OkStatus();
  const auto opened = audit::OpenCheckpoint(checkpoint.note(), keys);
  if (!opened.ok()) return opened.status();
  const audit::Checkpoint told{
      .origin = checkpoint.origin(),
      .tree = {.size = checkpoint.size(), .root = audit::Hash::FromBytes(checkpoint.root())}};
  if (*opened == told) return absl::OkStatus();
  return absl::DataLossError("the note does not say what the server says");
}

absl::Status CheckContinues(const audit::Checkpoint& old,
                            const v1::ProveConsistencyResponse& response) {
  const v1::Checkpoint& checkpoint = response.checkpoint();
  if (checkpoint.origin() != old.origin) {
    return absl::DataLossError(absl::StrCat("the server answered for ", checkpoint.origin()));
  }
  std::vector<audit::Hash> path;
  for (const std::string& hash : response.path()) {
    if (hash.size() != kSha256Bytes) return absl::DataLossError("the proof is malformed");
    path.push_back(audit::Hash::FromBytes(hash));
  }
  const audit::TreeHead tree{.size = checkpoint.size(),
                             .root = audit::Hash::FromBytes(checkpoint.root())};
  if (audit::VerifyConsistency(old.tree, tree, path)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the log does not continue the kept checkpoint of ", old.tree.size,
                   " commits: what was before it was rewritten, removed or forked"));
}

absl::StatusOr<audit::Checkpoint> OpenKept(const std::string& note,
                                           const std::vector<audit::VerifierKey>& keys) {
  if (!keys.empty()) return audit::OpenCheckpoint(note, keys);
  const auto parsed = audit::ParseNote(note);
  if (!parsed.ok()) return parsed.status();
  return audit::Checkpoint::Parse(parsed->text);
}

namespace {

int CheckpointsSince(Invocation& call, const AuditFlags& flags,
                     const std::vector<audit::VerifierKey>& keys) {
  const absl::StatusOr<std::vector<std::string>> notes = ReadNotes(flags.since);
  if (!notes.ok()) return call.FailWith(notes.status().message(), kExitUsage);
  std::vector<Line> lines;
  int exit = kExitOk;
  for (const std::string& note : *notes) {
    const absl::StatusOr<audit::Checkpoint> old = OpenKept(note, keys);
    if (!old.ok()) {
      return call.FailWith(absl::StrCat(flags.since, ": ", old.status().message()), kExitUsage);
    }
    grpc::ClientContext context;
    call.Prepare(context, /*with_deadline=*/false);
    v1::ProveConsistencyRequest request;
    request.set_old_checkpoint(note);
    v1::ProveConsistencyResponse response;
    const grpc::Status status =
        v1::AuditService::NewStub(call.channel())->ProveConsistency(&context, request, &response);
    if (!status.ok()) {
      // What was sent is a checkpoint: whatever the server says against it, it is not continued.
      call.Fail(status);
      return kExitError;
    }
    absl::Status proven = CheckSigned(response.checkpoint(), keys);
    if (proven.ok()) proven = CheckContinues(*old, response);
    if (!proven.ok()) {
      exit = call.FailWith(absl::StrCat(old->origin, ": ", proven.message()));
      continue;
    }
    lines.push_back({response.checkpoint(), old->tree.size});
  }
  // Without what failed they would pass for all of them, and the next --since would miss it.
  return exit == kExitOk ? Print(call, flags, lines) : exit;
}

}  // namespace

int AuditCheckpoint(Invocation& call, const AuditFlags& flags) {
  if (call.words().size() > 1) return call.BadUsage("checkpoint takes no more words");
  const absl::StatusOr<std::vector<audit::VerifierKey>> keys = ReadKeys(flags.keys);
  if (!keys.ok()) return call.FailWith(keys.status().message(), kExitUsage);
  if (!flags.since.empty()) return CheckpointsSince(call, flags, *keys);
  v1::GetCheckpointRequest request;
  if (flags.partition >= 0) request.set_partition(static_cast<uint32_t>(flags.partition));
  grpc::ClientContext context;
  call.Prepare(context, /*with_deadline=*/false);
  v1::GetCheckpointResponse response;
  const grpc::Status status =
      v1::AuditService::NewStub(call.channel())->GetCheckpoint(&context, request, &response);
  if (!status.ok()) return call.Fail(status);
  std::vector<Line> lines;
  for (const v1::Checkpoint& checkpoint : response.checkpoints()) {
    if (const absl::Status checked = CheckSigned(checkpoint, *keys); !checked.ok()) {
      return call.FailWith(absl::StrCat(checkpoint.origin(), ": ", checked.message()));
    }
    lines.push_back({checkpoint, std::nullopt});
  }
  return Print(call, flags, lines);
}

}  // namespace skald::tools
