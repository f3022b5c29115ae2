#include "api/log_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/export_source.h"
#include "api/log_sources.h"
#include "api/pull_stream.h"
#include "api/replay_source.h"
#include "api/stream_token.h"
#include "base/errors.h"
#include "base/status_macros.h"

namespace skald::api {
namespace {

absl::StatusOr<std::unique_ptr<FollowSource>> MakeFollowSource(
    ApiContext& context, const v1::FollowLogRequest& request) {
  SKALD_ASSIGN_OR_RETURN(EventMatcher matcher, EventMatcher::Make(context, request.filter()));
  TokenScope scope{
      context.store_id,
      HashFields({"FollowLog", absl::string_view(request.filter().SerializeAsString())})};
  const uint32_t count = context.engine.partition_count();
  std::vector<Position> next(count, Position(1));
  if (!request.resume_token().empty()) {
    SKALD_ASSIGN_OR_RETURN(next, DecodeResumeToken(request.resume_token(), scope, count));
    for (uint32_t i = 0; i < count; ++i) {
      if (next[i] <= context.engine.DurablePosition(PartitionId(i)).Next()) continue;
      return ResumeTokenInvalidError("it lies past the log's end, so events were lost");
    }
  } else if (request.start() == v1::FollowLogRequest::START_END) {
    for (uint32_t i = 0; i < count; ++i) {
      next[i] = context.engine.DurablePosition(PartitionId(i)).Next();
    }
  } else if (request.start() != v1::FollowLogRequest::START_UNSPECIFIED) {
    return BadRequestError("start", "is not a value of this enum");
  }
  return std::make_unique<FollowSource>(context, std::move(matcher), std::move(scope),
                                        std::move(next));
}

}  // namespace

grpc::ServerWriteReactor<v1::ReadHistoryResponse>* LogService::ReadHistory(
    grpc::CallbackServerContext*, const v1::ReadHistoryRequest* request) {
  using Stream = PullStream<v1::ReadHistoryResponse>;
  Violations violations;
  violations.CheckId("namespace", request->namespace_(), Presence::kRequired);
  violations.CheckId("saga_id", request->saga_id(), Presence::kRequired);
  if (!violations.empty()) return Stream::Refuse(context_, violations.ToStatus());
  SagaKey key{.namespace_name = request->namespace_(), .saga_id = request->saga_id()};
  return Stream::Open(context_, std::make_unique<HistorySource>(
                                    context_, std::move(key), Revision(request->from_revision())));
}

grpc::ServerWriteReactor<v1::ReplaySagaResponse>* LogService::ReplaySaga(
    grpc::CallbackServerContext*, const v1::ReplaySagaRequest* request) {
  using Stream = PullStream<v1::ReplaySagaResponse>;
  Violations violations;
  violations.CheckId("namespace", request->namespace_(), Presence::kRequired);
  violations.CheckId("saga_id", request->saga_id(), Presence::kRequired);
  const runtime::AsOf as_of = ReadAsOf(request->as_of(), violations);
  if (!violations.empty()) return Stream::Refuse(context_, violations.ToStatus());
  SagaKey key{.namespace_name = request->namespace_(), .saga_id = request->saga_id()};
  return Stream::Open(context_,
                      std::make_unique<ReplaySource>(context_, std::move(key), as_of,
                                                     Revision(request->from_revision())));
}

grpc::ServerWriteReactor<v1::ReadLogResponse>* LogService::ReadLog(
    grpc::CallbackServerContext*, const v1::ReadLogRequest* request) {
  using Stream = PullStream<v1::ReadLogResponse>;
  const uint32_t count = context_.engine.partition_count();
  if (request->partition() >= count) {
    return Stream::Refuse(context_,
                          BadRequestError("partition", absl::StrCat("there are ", count)));
  }
  const PartitionId partition(request->partition());
  const Position durable = context_.engine.DurablePosition(partition);
  const Position from(std::max<uint64_t>(1, request->from_position()));
  const Position to =
      request->to_position() == 0 ? durable : std::min(durable, Position(request->to_position()));
  return Stream::Open(context_, std::make_unique<RangeSource>(context_, partition, from, to));
}

grpc::ServerWriteReactor<v1::ExportLogResponse>* LogService::ExportLog(
    grpc::CallbackServerContext*, const v1::ExportLogRequest* request) {
  using Stream = PullStream<v1::ExportLogResponse>;
  return Stream::Open(context_, std::make_unique<ExportLogSource>(context_, *request));
}

grpc::ServerWriteReactor<v1::FollowLogResponse>* LogService::FollowLog(
    grpc::CallbackServerContext*, const v1::FollowLogRequest* request) {
  using Stream = PullStream<v1::FollowLogResponse>;
  absl::StatusOr<std::unique_ptr<FollowSource>> source = MakeFollowSource(context_, *request);
  if (!source.ok()) return Stream::Refuse(context_, source.status());
  return Stream::Open(context_, *std::move(source));
}

}  // namespace skald::api
