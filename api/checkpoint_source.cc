#include "api/checkpoint_source.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "api/convert_common.h"
#include "api/page_size.h"
#include "api/stream_token.h"
#include "base/errors.h"
#include "base/status_macros.h"

namespace skald::api {
namespace {

// Some 40 KiB.
constexpr size_t kCheckpointsPerFrame = 100;

absl::StatusOr<std::optional<PartitionId>> ReadPartition(const ApiContext& context, bool has,
                                                         uint32_t partition) {
  if (!has) return std::optional<PartitionId>();
  const uint32_t count = context.engine.partition_count();
  if (partition >= count) return BadRequestError("partition", absl::StrCat("there are ", count));
  return std::optional<PartitionId>(partition);
}

void SetKept(const audit::KeptCheckpoint& kept, v1::KeptCheckpoint& proto) {
  proto.set_number(kept.number);
  SetTimestamp(kept.time, *proto.mutable_create_time());
  SetCheckpoint(kept.partition, kept.checkpoint, kept.note, *proto.mutable_checkpoint());
}

}  // namespace

void SetCheckpoint(PartitionId partition, const audit::Checkpoint& checkpoint,
                   const std::string& note, v1::Checkpoint& proto) {
  proto.set_partition(partition.value());
  proto.set_note(note);
  proto.set_origin(checkpoint.origin);
  proto.set_size(checkpoint.tree.size);
  proto.set_root(std::string(checkpoint.tree.root.view()));
}

absl::Status ListCheckpoints(ApiContext& context, const v1::ListCheckpointsRequest& request,
                             v1::ListCheckpointsResponse& response) {
  SKALD_ASSIGN_OR_RETURN(const std::optional<PartitionId> partition,
                         ReadPartition(context, request.has_partition(), request.partition()));
  const std::string filter = request.has_partition() ? absl::StrCat(request.partition()) : "";
  const TokenScope scope{context.store_id, HashFields({"ListCheckpoints", filter})};
  SKALD_ASSIGN_OR_RETURN(const std::string cursor, DecodePageToken(request.page_token(), scope));
  uint64_t after = 0;
  if (!cursor.empty() && !absl::SimpleAtoi(cursor, &after)) {
    return ResumeTokenInvalidError("its place is no number");
  }
  const uint32_t page_size = CoercePageSize(request.page_size());
  SKALD_ASSIGN_OR_RETURN(const std::vector<audit::KeptCheckpoint> listed,
                         context.engine.checkpoints().List(partition, after, page_size));
  for (const audit::KeptCheckpoint& kept : listed) SetKept(kept, *response.add_checkpoints());
  if (listed.size() == page_size) {
    response.set_next_page_token(EncodePageToken(scope, absl::StrCat(listed.back().number)));
  }
  return absl::OkStatus();
}

void CheckpointSource::Open(std::function<void()> wake) {
  listener_ = context_.engine.checkpoints().AddListener(std::move(wake));
}

void CheckpointSource::Close() { context_.engine.checkpoints().RemoveListener(listener_); }

absl::Status CheckpointSource::Begin() {
  const audit::CheckpointJournal& journal = context_.engine.checkpoints();
  SKALD_RETURN_IF_ERROR(journal.damage());
  const uint64_t last = journal.end().number;
  if (request_.has_after_number() && request_.after_number() > last) {
    return BadRequestError(
        "after_number",
        absl::StrCat("is ", request_.after_number(), ", but only ", last,
                     " have been kept: some were lost, or it is of another ", "store"));
  }
  after_ = request_.has_after_number() ? request_.after_number() : last;
  return absl::OkStatus();
}

Pulled CheckpointSource::Pull(v1::WatchCheckpointsResponse& frame) {
  const auto partition = ReadPartition(context_, request_.has_partition(), request_.partition());
  if (!partition.ok()) return Pulled::End(partition.status());
  if (!after_) {
    if (absl::Status status = Begin(); !status.ok()) return Pulled::End(std::move(status));
  }
  const auto listed = context_.engine.checkpoints().List(*partition, *after_, kCheckpointsPerFrame);
  if (!listed.ok()) return Pulled::End(listed.status());
  if (listed->empty()) return Pulled::NothingNow();
  for (const audit::KeptCheckpoint& kept : *listed) SetKept(kept, *frame.add_checkpoints());
  after_ = listed->back().number;
  return Pulled::Frame();
}

}  // namespace skald::api
