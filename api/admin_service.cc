#include "api/admin_service.h"

#include <memory>
#include <utility>

#include "api/convert_common.h"
#include "api/grpc_status.h"
#include "api/pull_stream.h"
#include "base/errors.h"

namespace skald::api {
namespace {

constexpr char kVersion[] = SKALD_VERSION;

void SetPartition(const runtime::PartitionStatus& status, v1::PartitionStatus& proto) {
  proto.set_partition(status.partition.value());
  proto.set_last_position(status.last.value());
  proto.set_durable_position(status.durable.value());
  proto.set_applied_position(status.applied.value());
  proto.set_inbox(status.inbox);
  proto.set_cached_sagas(status.cached_states);
  proto.set_commits(status.commits);
  proto.set_commands(status.commands);
  proto.set_serving(status.serving);
}

void SetQueue(const task::QueueStats& stats, v1::QueueStatus& proto) {
  proto.set_function(stats.function);
  proto.set_ready(stats.ready);
  proto.set_more_ready(stats.more);
  proto.set_leased(stats.leased);
  proto.set_workers(stats.workers);
  if (stats.oldest != kNever) SetTimestamp(stats.oldest, *proto.mutable_oldest_time());
}

void SetStatus(const runtime::EngineStatus& status, v1::GetStatusResponse& response) {
  response.set_store_id(status.store_id);
  SetTimestamp(status.started, *response.mutable_start_time());
  for (const runtime::PartitionStatus& partition : status.partitions) {
    SetPartition(partition, *response.add_partitions());
  }
  for (const task::QueueStats& queue : status.queues) SetQueue(queue, *response.add_queues());
  response.set_workers(status.workers);
  response.set_free_bytes(status.free_bytes);
  response.set_log_batches(status.log_batches);
  response.set_log_commits(status.log_commits);
  response.set_log_events(status.log_events);
  response.set_log_bytes(status.log_bytes);
  response.set_version(kVersion);
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::GetStatus(grpc::CallbackServerContext* call,
                                                  const v1::GetStatusRequest*,
                                                  v1::GetStatusResponse* response) {
  return AnswerOnPool(context_, *call, [this, response] {
    SetStatus(context_.engine.GetStatus(), *response);
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::VerifyStoreResponse>* AdminService::VerifyStore(
    grpc::CallbackServerContext*, const v1::VerifyStoreRequest*) {
  using Stream = PullStream<v1::VerifyStoreResponse>;
  std::shared_ptr<VerifyProgress> progress = verifier_.Start();
  if (progress == nullptr) {
    return Stream::Refuse(context_,
                          ServerOverloadedError("A verification is running", 10 * kSecond));
  }
  return Stream::Open(context_, std::make_unique<VerifySource>(std::move(progress)));
}

}  // namespace skald::api
