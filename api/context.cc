#include "api/context.h"

#include "api/grpc_status.h"

namespace skald::api {

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

}  // namespace skald::api
