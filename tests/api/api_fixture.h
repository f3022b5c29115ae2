// A server over a fake engine, and clients of it over loopback.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/server.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/error_info.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "skald/v1/admin_service.grpc.pb.h"
#include "skald/v1/definition_service.grpc.pb.h"
#include "skald/v1/log_service.grpc.pb.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "skald/v1/worker_service.grpc.pb.h"
#include "tests/api/fake_engine.h"

namespace skald::api {

// The detail of type T, if the status has one.
template <typename T>
std::optional<T> DetailOf(const google::rpc::Status& status) {
  for (const google::protobuf::Any& any : status.details()) {
    T detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}
template <typename T>
std::optional<T> DetailOf(const grpc::Status& status) {
  google::rpc::Status parsed;
  if (!parsed.ParseFromString(status.error_details())) return std::nullopt;
  return DetailOf<T>(parsed);
}

// "SAGA_NOT_FOUND"; empty without a reason.
template <typename Status>
std::string ReasonOf(const Status& status) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  return info && info->domain() == "skald" ? info->reason() : std::string();
}

// Code and reason of the end of a call.
MATCHER_P2(EndsWith, code, reason, "") {
  *result_listener << "which is " << arg.error_code() << " " << ReasonOf(arg) << ": "
                   << arg.error_message();
  return arg.error_code() == code && ReasonOf(arg) == reason;
}

inline saga::SagaView RunningSaga(const std::string& saga_id) {
  saga::SagaView view;
  view.key = {.namespace_name = "shop", .saga_id = saga_id};
  view.definition_name = "order";
  view.definition_version = "1.0.0";
  view.status = saga::Status::kRunning;
  view.input = Json::EmptyObject();
  view.started = Timestamp(1'000'000);
  view.updated = Timestamp(2'500'000);
  view.revision = Revision(3);
  return view;
}

inline saga::SagaView CompletedSaga(const std::string& saga_id, Json output = Json::Int(42)) {
  saga::SagaView view = RunningSaga(saga_id);
  view.status = saga::Status::kCompleted;
  view.output = std::move(output);
  view.ended = Timestamp(3'000'000);
  return view;
}

class ApiTest : public ::testing::Test {
 protected:
  // The options may be changed in a subclass's constructor.
  void SetUp() override {
    options_.address = "127.0.0.1:0";
    absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(engine_, options_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = Connect();
  }

  // A connection of its own. Its windows do not grow: what a client does not read stays with the
  // server but for some hundred KB, however fast the machine or slow the client's threads.
  std::shared_ptr<grpc::Channel> Connect() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", server_->port()),
                                     grpc::InsecureChannelCredentials(), arguments);
  }

  std::unique_ptr<v1::SagaService::Stub> sagas() { return v1::SagaService::NewStub(channel_); }
  std::unique_ptr<v1::DefinitionService::Stub> definitions() {
    return v1::DefinitionService::NewStub(channel_);
  }
  std::unique_ptr<v1::LogService::Stub> logs() { return v1::LogService::NewStub(channel_); }
  std::unique_ptr<v1::WorkerService::Stub> workers() {
    return v1::WorkerService::NewStub(channel_);
  }
  std::unique_ptr<v1::AdminService::Stub> admin() { return v1::AdminService::NewStub(channel_); }

  FakeEngine engine_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace skald::api
