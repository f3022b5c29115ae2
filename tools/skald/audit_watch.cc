// skald audit checkpoints, skald audit watch: what the server has signed on its schedule and kept.
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "skald/v1/audit_service.grpc.pb.h"
#include "tools/skald/audit.h"
#include "tools/skald/render.h"

namespace skald::tools {

namespace {

void Print(Invocation& call, const AuditFlags& flags, const v1::KeptCheckpoint& kept,
           std::optional<uint64_t> continued, bool is_first) {
  const v1::Checkpoint& checkpoint = kept.checkpoint();
  const std::string root = audit::Hash::FromBytes(checkpoint.root()).ToBase64();
  if (call.json()) {
    Json::ObjectBuilder object;
    object.Add("number", Json::Int(static_cast<int64_t>(kept.number())))
        .Add("time", TimeToJson(kept.create_time(), kept.has_create_time()))
        .Add("partition", Json::Int(checkpoint.partition()))
        .Add("origin", Json::String(checkpoint.origin()))
        .Add("size", Json::Int(static_cast<int64_t>(checkpoint.size())))
        .Add("root", Json::String(root))
        .Add("continues", continued ? Json::Int(static_cast<int64_t>(*continued)) : Json::Null())
        .Add("note", Json::String(checkpoint.note()));
    return call.PrintJson(std::move(object).Build());
  }
  if (flags.notes) {
    // The note ends its last line itself.
    return call.PrintLine(absl::StrCat(is_first ? "" : "\n",
                                       checkpoint.note().substr(0, checkpoint.note().size() - 1)));
  }
  call.PrintLine(absl::StrCat(
      "#", kept.number(), "  ", TimeText(FromProto(kept.create_time())), "  partition ",
      checkpoint.partition(), "  ", checkpoint.size(), " commits  ", root,
      continued ? call.style().Green(absl::StrCat("  continues ", *continued)) : ""));
}

// ---- Watching ----

// Whether a server that stops, starts or has much to do can answer so: it says nothing of the log.
bool MayComeLater(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
         status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED ||
         status.error_code() == grpc::StatusCode::CANCELLED;
}

class CheckpointWatch {
 public:
  CheckpointWatch(Invocation& call, const AuditFlags& flags) : call_(call), flags_(flags) {}

  int Run() {
    if (const absl::Status status = ReadInputs(); !status.ok()) {
      return call_.FailWith(status.message(), kExitUsage);
    }
    if (keys_.empty()) {
      if (grpc::Status status = FetchKeys(); !status.ok()) return call_.Fail(status);
    }
    while (true) {
      const grpc::Status status = Follow();
      if (exit_) return *exit_;
      if (!call_.CanPrint()) return kExitError;
      if (!ReadError(status).IsTransient()) {
        call_.Fail(status);
        return kExitError;
      }
      call_.Note(
          unproven_.empty()
              ? "skald: the server is gone; waiting for it to come back"
              : absl::StrCat("skald: the server gives no proof now, which is asked for again: ",
                             unproven_));
      unproven_.clear();
      absl::SleepFor(absl::Seconds(1));
    }
  }

 private:
  absl::Status ReadInputs() {
    SKALD_ASSIGN_OR_RETURN(keys_, ReadKeys(flags_.keys));
    if (flags_.since.empty()) return absl::OkStatus();
    SKALD_ASSIGN_OR_RETURN(const std::vector<std::string> notes, ReadNotes(flags_.since));
    for (const std::string& note : notes) {
      const absl::StatusOr<audit::Checkpoint> kept = OpenKept(note, keys_);
      if (!kept.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(flags_.since, ": ", kept.status().message()));
      }
      last_[kept->origin] = {*kept, note};
    }
    return absl::OkStatus();
  }

  grpc::Status FetchKeys() {
    grpc::ClientContext context;
    call_.Prepare(context);
    v1::GetKeyResponse response;
    grpc::Status status =
        v1::AuditService::NewStub(call_.channel())->GetKey(&context, {}, &response);
    for (const std::string& line : response.keys()) {
      if (auto key = audit::VerifierKey::Parse(line); key.ok()) keys_.push_back(*std::move(key));
    }
    if (status.ok()) {
      call_.Note(
          "skald: signatures are checked with the key that the server gives now; name one that "
          "you\n"
          "       got on a way you trust with --key");
    }
    return status;
  }

  grpc::Status Follow() {
    v1::WatchCheckpointsRequest request;
    if (flags_.partition >= 0) request.set_partition(static_cast<uint32_t>(flags_.partition));
    if (after_) request.set_after_number(*after_);
    grpc::ClientContext context;
    call_.Prepare(context, /*with_deadline=*/false);
    const auto reader =
        v1::AuditService::NewStub(call_.channel())->WatchCheckpoints(&context, request);
    v1::WatchCheckpointsResponse frame;
    while (GoesOn() && reader->Read(&frame)) {
      for (const v1::KeptCheckpoint& kept : frame.checkpoints()) {
        if (GoesOn()) Take(kept);
      }
    }
    if (!GoesOn()) context.TryCancel();
    const grpc::Status status = reader->Finish();
    if (!exit_ && !unproven_.empty()) return {grpc::StatusCode::UNAVAILABLE, unproven_};
    // What the server gave is asked after: whatever it says against it, it is not continued.
    if (!exit_ && after_ && status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
      Complain("", ReadError(status).message);
    }
    return status;
  }

  bool GoesOn() const { return !exit_ && unproven_.empty() && call_.CanPrint(); }

  void Take(const v1::KeptCheckpoint& kept) {
    const v1::Checkpoint& checkpoint = kept.checkpoint();
    std::optional<uint64_t> continued;
    if (const absl::Status held = Check(kept, continued); absl::IsUnavailable(held)) {
      unproven_ = std::string(held.message());
      // Else a watch that has printed nothing would begin with the next that is kept.
      if (!after_ && kept.number() > 0) after_ = kept.number() - 1;
      return;
    } else if (!held.ok()) {
      return Complain(absl::StrCat(checkpoint.origin(), ", checkpoint ", kept.number(), ": "),
                      held.message());
    }
    Print(call_, flags_, kept, continued, taken_ == 0);
    after_ = kept.number();
    if (++taken_ == flags_.count) exit_ = kExitOk;
  }

  // UNAVAILABLE: it cannot be told now, and nothing is remembered of it. Else what does not hold.
  absl::Status Check(const v1::KeptCheckpoint& kept, std::optional<uint64_t>& continued) {
    const v1::Checkpoint& checkpoint = kept.checkpoint();
    if (after_ && kept.number() <= *after_) {
      return absl::DataLossError(absl::StrCat("its number is not after ", *after_));
    }
    SKALD_RETURN_IF_ERROR(CheckSigned(checkpoint, keys_));
    const audit::Checkpoint told{
        .origin = checkpoint.origin(),
        .tree = {.size = checkpoint.size(), .root = audit::Hash::FromBytes(checkpoint.root())}};
    if (const auto before = last_.find(told.origin); before != last_.end()) {
      SKALD_RETURN_IF_ERROR(CheckFollows(before->second.first, before->second.second, checkpoint));
      continued = before->second.first.tree.size;
    }
    last_[told.origin] = {told, checkpoint.note()};
    return absl::OkStatus();
  }

  // That the log up to `old` is the beginning of the log up to `checkpoint`.
  absl::Status CheckFollows(const audit::Checkpoint& old, const std::string& old_note,
                            const v1::Checkpoint& checkpoint) {
    if (checkpoint.size() < old.tree.size) {
      return absl::DataLossError(absl::StrCat("it is of ", checkpoint.size(),
                                              " commits, but one of ", old.tree.size,
                                              " was there before: the log was rolled back"));
    }
    grpc::ClientContext context;
    call_.Prepare(context);
    v1::ProveConsistencyRequest request;
    request.set_old_checkpoint(old_note);
    request.set_new_checkpoint(checkpoint.note());
    v1::ProveConsistencyResponse response;
    const grpc::Status status =
        v1::AuditService::NewStub(call_.channel())->ProveConsistency(&context, request, &response);
    if (MayComeLater(status)) {
      return absl::UnavailableError(
          absl::StrCat(CodeName(status.error_code()), ": ", status.error_message()));
    }
    if (!status.ok()) {
      return absl::DataLossError(absl::StrCat(
          "the server does not prove that it continues the one before: ", status.error_message()));
    }
    // The proof is for what was signed, whatever the answer says beside it.
    *response.mutable_checkpoint() = checkpoint;
    return CheckContinues(old, response);
  }

  void Complain(absl::string_view where, absl::string_view what) {
    exit_ = call_.FailWith(absl::StrCat("DOES NOT HOLD: ", where, what));
  }

  Invocation& call_;
  const AuditFlags& flags_;
  std::vector<audit::VerifierKey> keys_;
  // By origin: the last checkpoint, and its note.
  std::map<std::string, std::pair<audit::Checkpoint, std::string>> last_;
  std::optional<uint64_t> after_;  // the last number that was printed
  std::string unproven_;           // why the stream was left: a proof is to be asked for again
  int64_t taken_ = 0;
  std::optional<int> exit_;
};

}  // namespace

int AuditCheckpoints(Invocation& call, const AuditFlags& flags) {
  if (call.words().size() > 1) return call.BadUsage("checkpoints takes no more words");
  const auto stub = v1::AuditService::NewStub(call.channel());
  v1::ListCheckpointsRequest request;
  if (flags.partition >= 0) request.set_partition(static_cast<uint32_t>(flags.partition));
  request.set_page_size(1'000);
  bool is_first = true;
  do {
    grpc::ClientContext context;
    call.Prepare(context);
    v1::ListCheckpointsResponse response;
    const grpc::Status status = stub->ListCheckpoints(&context, request, &response);
    if (!status.ok()) return call.Fail(status);
    for (const v1::KeptCheckpoint& kept : response.checkpoints()) {
      if (kept.checkpoint().root().size() != kSha256Bytes) {
        return call.FailWith("the server's root is no hash");
      }
      Print(call, flags, kept, std::nullopt, std::exchange(is_first, false));
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return kExitOk;
}

int AuditWatch(Invocation& call, const AuditFlags& flags) {
  if (call.words().size() > 1) return call.BadUsage("watch takes no more words");
  return CheckpointWatch(call, flags).Run();
}

}  // namespace skald::tools
