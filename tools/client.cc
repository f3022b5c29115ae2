#include "tools/client.h"

#include <cstdlib>
#include <random>

#include "absl/strings/str_format.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/error_info.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace skald::tools {

std::string ServerFromEnvironment() {
  const char* server = std::getenv("SKALD_SERVER");
  return server != nullptr && *server != '\0' ? server : kDefaultServer;
}

std::shared_ptr<grpc::Channel> ConnectTo(const std::string& server) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // How long an attempt may take, too: a busy server may need more than a moment.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  // A broken connection asks for the address again first; gRPC allows that every 30 s only.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 100);
  // Notices a peer that vanished without a word.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

absl::string_view CodeName(grpc::StatusCode code) {
  static constexpr absl::string_view kNames[] = {"OK",
                                                 "CANCELLED",
                                                 "UNKNOWN",
                                                 "INVALID_ARGUMENT",
                                                 "DEADLINE_EXCEEDED",
                                                 "NOT_FOUND",
                                                 "ALREADY_EXISTS",
                                                 "PERMISSION_DENIED",
                                                 "RESOURCE_EXHAUSTED",
                                                 "FAILED_PRECONDITION",
                                                 "ABORTED",
                                                 "OUT_OF_RANGE",
                                                 "UNIMPLEMENTED",
                                                 "INTERNAL",
                                                 "UNAVAILABLE",
                                                 "DATA_LOSS",
                                                 "UNAUTHENTICATED"};
  const auto index = static_cast<size_t>(code);
  return index < std::size(kNames) ? kNames[index] : "UNKNOWN";
}

RpcError ReadError(const google::rpc::Status& status) {
  RpcError error;
  error.code = static_cast<grpc::StatusCode>(status.code());
  error.message = status.message();
  for (const google::protobuf::Any& detail : status.details()) {
    if (google::rpc::ErrorInfo info; detail.UnpackTo(&info)) {
      error.reason = info.reason();
      for (const auto& [key, value] : info.metadata()) error.metadata.emplace_back(key, value);
      std::sort(error.metadata.begin(), error.metadata.end());
    } else if (google::rpc::BadRequest bad; detail.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) {
        error.violations.emplace_back(violation.field(), violation.description());
      }
    } else if (google::rpc::RetryInfo retry; detail.UnpackTo(&retry)) {
      error.retry_after = FromProto(retry.retry_delay());
    }
  }
  return error;
}

RpcError ReadError(const grpc::Status& status) {
  google::rpc::Status details;
  RpcError error;
  if (details.ParseFromString(status.error_details())) error = ReadError(details);
  error.code = status.error_code();
  error.message = status.error_message();
  return error;
}

bool RpcError::IsTransient() const {
  if (code == grpc::StatusCode::UNAVAILABLE) return true;
  return code == grpc::StatusCode::RESOURCE_EXHAUSTED && retry_after.has_value();
}

Json RpcError::ToJson() const {
  Json::ObjectBuilder object;
  object.Add("code", Json::String(CodeName(code)));
  if (!reason.empty()) object.Add("reason", Json::String(reason));
  object.Add("message", Json::String(message));
  if (!metadata.empty()) {
    Json::ObjectBuilder facts;
    for (const auto& [key, value] : metadata) facts.Add(key, Json::String(value));
    object.Add("metadata", std::move(facts).Build());
  }
  if (!violations.empty()) {
    Json::ArrayBuilder list;
    for (const auto& [field, problem] : violations) {
      Json::ObjectBuilder violation;
      violation.Add("field", Json::String(field)).Add("problem", Json::String(problem));
      list.Add(std::move(violation).Build());
    }
    object.Add("violations", std::move(list).Build());
  }
  return std::move(object).Build();
}

std::string NewRequestId() {
  std::random_device device;  // the kernel's
  const auto word = [&device] { return static_cast<uint32_t>(device()); };
  const uint32_t a = word(), b = word(), c = word(), d = word();
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%04x%08x", a, b >> 16, b & 0xfff,
                         ((c >> 16) & 0x3fff) | 0x8000, c & 0xffff, d);
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  proto.set_seconds(nanos / 1'000'000'000);
  proto.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  return proto;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Time FromProto(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

}  // namespace skald::tools
