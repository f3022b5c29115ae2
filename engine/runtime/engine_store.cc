// The engine's side of what partition 0 keeps for the whole store: declared read models, and the
// rotations of the audit key.
#include <cstdio>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/audit/key_file.h"
#include "engine/projection/declared_model.h"
#include "engine/runtime/engine_impl.h"
#include "engine/runtime/guarded_done.h"
#include "storage/commit_record.h"

namespace skald::runtime {
namespace {

using partition::StoreChanged;

std::string KeyId(const audit::SigningKey& key) {
  return absl::StrCat(absl::Hex(key.verifier().id(), absl::kZeroPad8));
}

// Whether the log has the rotation to that key.
absl::StatusOr<bool> IsRecorded(const storage::EventLog& log, const std::string& new_key) {
  storage::CommitView commit;
  log::v1::EventBodies bodies;
  const auto cursor = log.Read(PartitionId(0), Position(1));
  for (; cursor->Valid(); cursor->Next()) {
    SKALD_RETURN_IF_ERROR(storage::DecodeCommit(cursor->record(), &commit));
    if (!commit.header.saga_id().empty()) continue;
    if (!bodies.ParseFromArray(commit.bodies.data(), static_cast<int>(commit.bodies.size()))) {
      return LogCorruptError(PartitionId(0), cursor->first(), "events cannot be read");
    }
    for (const log::v1::Event& event : bodies.events()) {
      if (event.audit_key_rotated().new_key() == new_key) return true;
    }
  }
  SKALD_RETURN_IF_ERROR(cursor->status());
  return false;
}

}  // namespace

void EngineImpl::ChangeStore(partition::StoreChange change, size_t bytes, Done<StoreChanged> done) {
  const PartitionId id(0);
  if (absl::Status status = CheckServing(id); !status.ok()) return std::move(done)(status);
  partition::Partition& partition = *partitions_[0];
  absl::StatusOr<partition::Ticket> ticket = partition.admission().EnterDeploy(bytes);
  if (!ticket.ok()) return std::move(done)(ticket.status());
  ThreadOf(id).Post([&partition, change = std::move(change), ticket = *std::move(ticket),
                     guarded = GuardedDone<StoreChanged>(id, std::move(done))]() mutable {
    partition.Change(std::move(change), std::move(ticket), guarded.Release());
  });
}

// ---- Read models ----

void EngineImpl::DeployModel(std::string text, std::string actor, Done<DeployModelReply> done) {
  const projection::CompiledModel compiled = projection::CompileModel(text);
  if (!compiled.ok()) return std::move(done)(compiled.status());
  DeployModelReply reply{.position = {},
                         .name = compiled.declaration->schema.name,
                         .hash = compiled.declaration->hash,
                         .already_deployed = false};
  const size_t bytes = text.size();
  partition::DeployModel deploy{.name = reply.name,
                                .hash = reply.hash,
                                .text = std::move(text),
                                .actor = std::move(actor)};
  ChangeStore(std::move(deploy), bytes,
              [reply = std::move(reply),
               done = std::move(done)](absl::StatusOr<StoreChanged> changed) mutable {
                if (!changed.ok()) return std::move(done)(changed.status());
                reply.position = changed->position;
                reply.already_deployed = changed->unchanged;
                std::move(done)(std::move(reply));
              });
}

void EngineImpl::DropModel(std::string name, std::string reason, std::string actor,
                           Done<LogPosition> done) {
  partition::DropModel drop{
      .name = std::move(name), .reason = std::move(reason), .actor = std::move(actor)};
  ChangeStore(std::move(drop), 0,
              [done = std::move(done)](absl::StatusOr<StoreChanged> changed) mutable {
                if (!changed.ok()) return std::move(done)(changed.status());
                std::move(done)(changed->position);
              });
}

// ---- The audit key ----

absl::StatusOr<KeyRotation> EngineImpl::RotateAuditKey(std::string reason, std::string actor) {
  if (options_.data_dir.empty()) {
    return AuditKeyUnusableError(
        "This store is in memory: its key is made anew at each start, and there is none to rotate",
        /*path=*/"");
  }
  const std::string path = audit::KeyFilePath(options_.data_dir);
  MutexLock lock(rotation_mu_);
  SKALD_RETURN_IF_ERROR(FinishKeyRotation());
  SKALD_ASSIGN_OR_RETURN(const std::vector<audit::SigningKey> keys, audit::ReadMadeKeyFile(path));
  SKALD_ASSIGN_OR_RETURN(const audit::SigningKey next, audit::PrepareKey(path));
  partition::RecordKeyRotation record{.old_key_id = KeyId(keys.front()),
                                      .new_key_id = KeyId(next),
                                      .new_key = next.verifier().ToText(),
                                      .reason = std::move(reason),
                                      .actor = std::move(actor)};
  std::promise<absl::StatusOr<StoreChanged>> recorded;
  ChangeStore(std::move(record), 0, [&recorded](absl::StatusOr<StoreChanged> changed) {
    recorded.set_value(std::move(changed));
  });
  // On an error the prepared key stays: only the log knows what became of it.
  SKALD_ASSIGN_OR_RETURN(const StoreChanged changed, recorded.get_future().get());
  SKALD_RETURN_IF_ERROR(audit::UsePreparedKey(path));
  SKALD_ASSIGN_OR_RETURN(std::vector<audit::VerifierKey> present, auditor_->GetKeys());
  return KeyRotation{.position = changed.position, .keys = std::move(present)};
}

absl::Status EngineImpl::FinishKeyRotation() {
  if (options_.data_dir.empty()) return absl::OkStatus();
  const std::string path = audit::KeyFilePath(options_.data_dir);
  const absl::StatusOr<audit::SigningKey> prepared = audit::ReadPreparedKey(path);
  if (absl::IsNotFound(prepared.status())) return absl::OkStatus();
  SKALD_RETURN_IF_ERROR(prepared.status());
  SKALD_ASSIGN_OR_RETURN(const bool recorded, IsRecorded(*log_, prepared->verifier().ToText()));
  return recorded ? audit::UsePreparedKey(path) : audit::DiscardPreparedKey(path);
}

}  // namespace skald::runtime
