// Errors at the API's edge: absl::Status with its ErrorInfo -> google.rpc.Status with details.
// The only place where grpc::Status is made from an error.
#pragma once

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace skald::api {

// With ErrorInfo, BadRequest and RetryInfo as far as they apply. Long messages and lists are cut,
// because a client's default bound on metadata is 8 KiB and it would see nothing at all past it.
google::rpc::Status ToRpcStatus(const absl::Status& status);

// The same, as the end of a call. OK for OK.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace skald::api
