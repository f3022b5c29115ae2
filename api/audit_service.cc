#include "api/audit_service.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/checkpoint_source.h"
#include "api/convert_common.h"
#include "api/grpc_status.h"
#include "api/pull_stream.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/audit/auditor.h"

namespace skald::api {
namespace {

// A frame of an export: some commits.
constexpr size_t kFrameBytes = 256 << 10;

void SetSigned(const audit::SignedCheckpoint& checkpoint, v1::Checkpoint& proto) {
  SetCheckpoint(checkpoint.partition, checkpoint.checkpoint, checkpoint.note, proto);
}

// A checkpoint that a client kept. Who signed it is the client's to check: what is proven to it
// does not rest on that.
struct OldCheckpoint {
  PartitionId partition;
  uint64_t size = 0;
};

absl::StatusOr<OldCheckpoint> ReadOldCheckpoint(const runtime::Engine& engine,
                                                const std::string& store_name,
                                                const std::string& text,
                                                absl::string_view field = "old_checkpoint") {
  const auto note = audit::ParseNote(text);
  if (!note.ok()) return BadRequestError(field, note.status().message());
  const auto checkpoint = audit::Checkpoint::Parse(note->text);
  if (!checkpoint.ok()) return BadRequestError(field, checkpoint.status().message());
  const auto origin = audit::ParseOrigin(checkpoint->origin);
  if (!origin.ok()) return BadRequestError(field, origin.status().message());
  if (origin->store_name != store_name) {
    return BadRequestError(
        field, absl::StrCat("is of ", origin->store_name, ", and this store is ", store_name));
  }
  if (origin->partition.value() >= engine.partition_count()) {
    return BadRequestError(field, "is of a partition that this store does not have");
  }
  return OldCheckpoint{.partition = origin->partition, .size = checkpoint->tree.size};
}

absl::Status GetCheckpoints(runtime::Engine& engine, const v1::GetCheckpointRequest& request,
                            audit::Stopped stopped, v1::GetCheckpointResponse& response) {
  uint32_t first = 0;
  uint32_t end = engine.partition_count();
  if (request.has_partition()) {
    if (request.partition() >= end) {
      return BadRequestError("partition", absl::StrCat("there are ", end));
    }
    first = request.partition();
    end = first + 1;
  }
  for (uint32_t id = first; id < end; ++id) {
    SKALD_ASSIGN_OR_RETURN(const audit::SignedCheckpoint checkpoint,
                           engine.auditor().GetCheckpoint(PartitionId(id), stopped));
    SetSigned(checkpoint, *response.add_checkpoints());
  }
  return absl::OkStatus();
}

// Between two checkpoints that the client has.
absl::Status ProveKept(runtime::Engine& engine, const v1::ProveConsistencyRequest& request,
                       const OldCheckpoint& old, audit::Stopped stopped,
                       v1::ProveConsistencyResponse& response) {
  audit::Auditor& auditor = engine.auditor();
  SKALD_ASSIGN_OR_RETURN(
      const OldCheckpoint newer,
      ReadOldCheckpoint(engine, auditor.store_name(), request.new_checkpoint(), "new_checkpoint"));
  if (newer.partition != old.partition) {
    return BadRequestError("new_checkpoint", "is of another partition than the old one");
  }
  SKALD_ASSIGN_OR_RETURN(
      const audit::PastConsistency answer,
      auditor.ProveConsistencyBetween(old.partition, old.size, newer.size, stopped));
  SetCheckpoint(
      old.partition,
      {.origin = audit::OriginOf(auditor.store_name(), old.partition), .tree = answer.tree},
      request.new_checkpoint(), *response.mutable_checkpoint());
  for (const audit::Hash& hash : answer.path) response.add_path(std::string(hash.view()));
  return absl::OkStatus();
}

absl::Status Prove(runtime::Engine& engine, const v1::ProveConsistencyRequest& request,
                   audit::Stopped stopped, v1::ProveConsistencyResponse& response) {
  audit::Auditor& auditor = engine.auditor();
  SKALD_ASSIGN_OR_RETURN(const OldCheckpoint old,
                         ReadOldCheckpoint(engine, auditor.store_name(), request.old_checkpoint()));
  if (!request.new_checkpoint().empty()) return ProveKept(engine, request, old, stopped, response);
  SKALD_ASSIGN_OR_RETURN(const audit::ConsistencyAnswer answer,
                         auditor.ProveConsistency(old.partition, old.size, stopped));
  SetSigned(answer.checkpoint, *response.mutable_checkpoint());
  for (const audit::Hash& hash : answer.proof.path) response.add_path(std::string(hash.view()));
  return absl::OkStatus();
}

// A bundle, made as it is read.
class ExportSource final : public FrameSource<v1::ExportSagaResponse> {
 public:
  // `call` outlives the stream.
  ExportSource(runtime::Engine& engine, const grpc::CallbackServerContext& call,
               v1::ExportSagaRequest request)
      : engine_(engine), call_(call), request_(std::move(request)) {}

  void Open(std::function<void()>) override {}

  Pulled Pull(v1::ExportSagaResponse& frame) override {
    if (export_ == nullptr) {
      if (absl::Status status = Begin(); !status.ok()) return Pulled::End(std::move(status));
    }
    while (frame.data().size() < kFrameBytes) {
      const absl::StatusOr<std::string> piece = export_->Next();
      if (!piece.ok()) return Pulled::End(piece.status());
      if (piece->empty()) break;
      frame.mutable_data()->append(*piece);
    }
    return frame.data().empty() ? Pulled::End(absl::OkStatus()) : Pulled::Frame();
  }

  void Close() override {}

 private:
  absl::Status Begin() {
    const SagaKey saga{.namespace_name = request_.namespace_(), .saga_id = request_.saga_id()};
    audit::Auditor& auditor = engine_.auditor();
    audit::ExportRequest wanted{.saga = saga,
                                .partition = engine_.PartitionOf(saga),
                                .commits = {},
                                .old_size = std::nullopt,
                                .slots = request_.withhold_data() ? audit::SlotData::kWithheld
                                                                  : audit::SlotData::kIncluded};
    if (!request_.old_checkpoint().empty()) {
      SKALD_ASSIGN_OR_RETURN(wanted.old_size, FindOldSize(wanted.partition));
    }
    SKALD_ASSIGN_OR_RETURN(wanted.commits, engine_.FindCommits(saga));
    SKALD_ASSIGN_OR_RETURN(
        export_, auditor.ExportSaga(std::move(wanted), [this] { return call_.IsCancelled(); }));
    return absl::OkStatus();
  }

  // Of the largest kept checkpoint that is of the saga's partition, as who verifies takes it.
  absl::StatusOr<uint64_t> FindOldSize(PartitionId partition) const {
    std::optional<uint64_t> largest;
    for (const std::string& note : audit::SplitNotes(request_.old_checkpoint())) {
      SKALD_ASSIGN_OR_RETURN(const OldCheckpoint old,
                             ReadOldCheckpoint(engine_, engine_.auditor().store_name(), note));
      if (old.partition == partition) largest = std::max(largest.value_or(0), old.size);
    }
    if (largest) return *largest;
    return BadRequestError(
        "old_checkpoint",
        absl::StrCat("is not of the saga's partition, which is ", partition.value()));
  }

  runtime::Engine& engine_;
  const grpc::CallbackServerContext& call_;
  const v1::ExportSagaRequest request_;
  std::unique_ptr<audit::SagaExport> export_;
};

}  // namespace

grpc::ServerUnaryReactor* AuditService::GetCheckpoint(grpc::CallbackServerContext* call,
                                                      const v1::GetCheckpointRequest* request,
                                                      v1::GetCheckpointResponse* response) {
  return AnswerOnPool(context_, *call, [this, call, request, response] {
    return GetCheckpoints(
        context_.engine, *request, [call] { return call->IsCancelled(); }, *response);
  });
}

grpc::ServerUnaryReactor* AuditService::ListCheckpoints(grpc::CallbackServerContext* call,
                                                        const v1::ListCheckpointsRequest* request,
                                                        v1::ListCheckpointsResponse* response) {
  return AnswerOnPool(context_, *call, [this, request, response] {
    return api::ListCheckpoints(context_, *request, *response);
  });
}

grpc::ServerWriteReactor<v1::WatchCheckpointsResponse>* AuditService::WatchCheckpoints(
    grpc::CallbackServerContext*, const v1::WatchCheckpointsRequest* request) {
  return PullStream<v1::WatchCheckpointsResponse>::Open(
      context_, std::make_unique<CheckpointSource>(context_, *request));
}

grpc::ServerUnaryReactor* AuditService::ProveConsistency(grpc::CallbackServerContext* call,
                                                         const v1::ProveConsistencyRequest* request,
                                                         v1::ProveConsistencyResponse* response) {
  return AnswerOnPool(context_, *call, [this, call, request, response] {
    return Prove(
        context_.engine, *request, [call] { return call->IsCancelled(); }, *response);
  });
}

grpc::ServerWriteReactor<v1::ExportSagaResponse>* AuditService::ExportSaga(
    grpc::CallbackServerContext* call, const v1::ExportSagaRequest* request) {
  using Stream = PullStream<v1::ExportSagaResponse>;
  Violations violations;
  violations.CheckId("namespace", request->namespace_(), Presence::kRequired);
  violations.CheckId("saga_id", request->saga_id(), Presence::kRequired);
  if (!violations.empty()) return Stream::Refuse(context_, violations.ToStatus());
  return Stream::Open(context_, std::make_unique<ExportSource>(context_.engine, *call, *request));
}

grpc::ServerUnaryReactor* AuditService::GetKey(grpc::CallbackServerContext* call,
                                               const v1::GetKeyRequest*,
                                               v1::GetKeyResponse* response) {
  return AnswerOnPool(context_, *call, [this, response] {
    const auto keys = context_.engine.auditor().GetKeys();
    if (keys.ok()) {
      for (const audit::VerifierKey& key : *keys) response->add_keys(key.ToText());
    }
    return keys.status();
  });
}

grpc::ServerUnaryReactor* AuditService::RotateKey(grpc::CallbackServerContext* call,
                                                  const v1::RotateKeyRequest* request,
                                                  v1::RotateKeyResponse* response) {
  if (context_.calls.draining()) return Finished(*call, ServerStoppingError());
  Violations violations;
  std::string actor = ActorOf(*call, violations);
  if (actor.empty()) violations.Add("metadata skald-actor", "must say who rotates the key");
  violations.CheckNote("reason", request->reason(), Presence::kRequired);
  if (!violations.empty()) return Finished(*call, violations.ToStatus());
  return AnswerOnPool(context_, *call,
                      [this, request, response, actor = std::move(actor)]() mutable {
                        const absl::StatusOr<runtime::KeyRotation> rotation =
                            context_.engine.RotateAuditKey(request->reason(), std::move(actor));
                        if (rotation.ok()) {
                          for (const audit::VerifierKey& key : rotation->keys)
                            response->add_keys(key.ToText());
                          SetPosition(rotation->position, *response->mutable_position());
                        }
                        return rotation.status();
                      });
}

}  // namespace skald::api
