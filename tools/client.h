// What every program that talks to a Skald server needs: its address, a channel, and errors that a
// person and a program can read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/json.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/status.h"

namespace skald::tools {

inline constexpr char kDefaultServer[] = "127.0.0.1:7480";

// $SKALD_SERVER, or kDefaultServer.
std::string ServerFromEnvironment();

// A channel without transport security: for loopback and private networks. Connects lazily and
// reconnects within a second. Takes what gRPC does: "HOST:PORT", "unix:PATH".
std::shared_ptr<grpc::Channel> ConnectTo(const std::string& server);

// An error of a call, as google.rpc.Status and its details say it.
struct RpcError {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;
  std::string reason;  // "SAGA_NOT_FOUND"; empty when it did not come from Skald
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::pair<std::string, std::string>> violations;  // field or pointer, and the problem
  std::optional<absl::Duration> retry_after;

  bool ok() const { return code == grpc::StatusCode::OK; }
  // Trying the same request again may help.
  bool IsTransient() const;
  // {"code": "NOT_FOUND", "reason": ..., "message": ..., "metadata": {...}, "violations": [...]}
  Json ToJson() const;
};

RpcError ReadError(const grpc::Status& status);
RpcError ReadError(const google::rpc::Status& status);
// "NOT_FOUND".
absl::string_view CodeName(grpc::StatusCode code);

// A random id for a request (UUID, version 4).
std::string NewRequestId();

google::protobuf::Duration ToProto(absl::Duration duration);
absl::Duration FromProto(const google::protobuf::Duration& duration);
absl::Time FromProto(const google::protobuf::Timestamp& timestamp);

}  // namespace skald::tools
