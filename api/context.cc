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
  // call.deadline() is in nanoseconds, which a deadline in 300 years does not fit.
  return ToTimestamp(call.raw_deadline());
}

Timestamp ToTimestamp(gpr_timespec time) {
  time = gpr_convert_clock_type(time, GPR_CLOCK_REALTIME);
  if (time.tv_sec < 0) return Timestamp(0);
  if (time.tv_sec >= kNever.value() / kSecond) return kNever;
  return Timestamp(time.tv_sec * kSecond + time.tv_nsec / 1'000);
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
