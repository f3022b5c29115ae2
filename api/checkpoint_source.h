// Checkpoints that were kept: WatchCheckpoints, and pages of ListCheckpoints.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "api/context.h"
#include "api/pull_stream.h"
#include "engine/audit/checkpoint_journal.h"
#include "skald/v1/audit_service.pb.h"

namespace skald::api {

void SetCheckpoint(PartitionId partition, const audit::Checkpoint& checkpoint,
                   const std::string& note, v1::Checkpoint& proto);

absl::Status ListCheckpoints(ApiContext& context, const v1::ListCheckpointsRequest& request,
                             v1::ListCheckpointsResponse& response);

class CheckpointSource final : public FrameSource<v1::WatchCheckpointsResponse> {
 public:
  CheckpointSource(ApiContext& context, v1::WatchCheckpointsRequest request)
      : context_(context), request_(std::move(request)) {}

  void Open(std::function<void()> wake) override;
  Pulled Pull(v1::WatchCheckpointsResponse& frame) override;
  void Close() override;

 private:
  absl::Status Begin();

  ApiContext& context_;
  const v1::WatchCheckpointsRequest request_;
  uint64_t listener_ = 0;
  std::optional<uint64_t> after_;  // the last that was sent; not before Begin
};

}  // namespace skald::api
