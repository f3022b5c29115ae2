#include "api/context.h"

#include <utility>

#include "api/grpc_status.h"
#include "base/errors.h"

namespace skald::api {
namespace {

constexpr Micros kRetryAfter = 100 * kMillisecond;

}  // namespace

std::string ActorOf(const grpc::CallbackServerContext& call, Violations& violations) {
  const auto& metadata = call.client_metadata();
  const auto found = metadata.find("skald-actor");
  if (found == metadata.end()) return {};
  std::string actor(found->second.data(), found->second.size());
  violations.CheckId("metadata skald-actor", actor, Presence::kOptional);
  return actor;
}

Timestamp DeadlineOf(const grpc::CallbackServerContext& call) {
  const std::chrono::system_clock::time_point deadline = call.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return kNever;
  return Timestamp(
      std::chrono::duration_cast<std::chrono::microseconds>(deadline.time_since_epoch()).count());
}

grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext& call, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = call.DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

grpc::ServerUnaryReactor* OnPool(ApiContext& context, grpc::CallbackServerContext& call,
                                 absl::AnyInvocable<void(grpc::ServerUnaryReactor*)> work) {
  grpc::ServerUnaryReactor* const reactor = call.DefaultReactor();
  const bool is_taken = context.pool.TryPost(
      [reactor, &call, work = std::move(work)]() mutable {
        if (call.IsCancelled()) return reactor->Finish(grpc::Status::CANCELLED);
        work(reactor);
      },
      context.options.reads_waiting_max);
  if (!is_taken)
    reactor->Finish(ToGrpcStatus(ServerOverloadedError("Too many reads wait", kRetryAfter)));
  return reactor;
}

grpc::ServerUnaryReactor* AnswerOnPool(ApiContext& context, grpc::CallbackServerContext& call,
                                       absl::AnyInvocable<absl::Status()> work) {
  return OnPool(context, call, [work = std::move(work)](grpc::ServerUnaryReactor* reactor) mutable {
    reactor->Finish(ToGrpcStatus(work()));
  });
}

}  // namespace skald::api
