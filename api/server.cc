#include "api/server.h"

#include <chrono>
#include <utility>

#include "base/status_macros.h"
#include "grpc/grpc.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace skald::api {
namespace {

// A peer that is gone without a word is found out after these two.
constexpr int kKeepaliveMs = 20'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// How often clients may ping us on an idle connection.
constexpr int kClientPingMs = 5'000;
constexpr int kStreamsPerConnectionMax = 10'000;
// After the grace period calls end by themselves; what has not by then is cut off.
constexpr std::chrono::seconds kCutOff{2};

void SetChannelArguments(const ServerOptions& options, grpc::ServerBuilder& builder) {
  // Without it, each of the streams may hold a message that never ends.
  grpc::ResourceQuota quota;
  quota.Resize(options.buffer_bytes_max);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
  // What is sent is bounded where it is made.
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kClientPingMs);
  // Only reflection is served by the synchronous part.
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 1);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(runtime::Engine& engine,
                                                      ServerOptions options) {
  std::unique_ptr<Server> server(new Server(engine, std::move(options)));
  SKALD_RETURN_IF_ERROR(server->Listen());
  return server;
}

Server::Server(runtime::Engine& engine, ServerOptions options)
    : options_(std::move(options)),
      pool_(options_.read_threads),
      context_{engine, options_, pool_, calls_, engine.GetStatus().store_id},
      definition_service_(context_),
      saga_service_(context_),
      worker_service_(context_),
      log_service_(context_),
      admin_service_(context_),
      audit_service_(context_),
      read_model_service_(context_),
      model_service_(context_) {}

absl::Status Server::Listen() {
  SKALD_ASSIGN_OR_RETURN(listener_, Listener::Bind(options_.address, DescriptorsForConnections()));
  // gRPC's library stays up until the process ends: when its last user goes, it may wait ten
  // seconds for its backup poller, which a stopping server should not.
  static const bool is_kept_up = [] {
    grpc_init();
    return true;
  }();
  static_cast<void>(is_kept_up);
  // Both are process-wide and have to come before the first server is built.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  grpc::ServerBuilder builder;
  SetChannelArguments(options_, builder);
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  builder.RegisterService(&definition_service_);
  builder.RegisterService(&saga_service_);
  builder.RegisterService(&worker_service_);
  builder.RegisterService(&log_service_);
  builder.RegisterService(&admin_service_);
  builder.RegisterService(&audit_service_);
  builder.RegisterService(&read_model_service_);
  builder.RegisterService(&model_service_);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("gRPC's server does not start");
  listener_->Start([this](int descriptor) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = descriptor;
    acceptor_->HandleNewConnection(&connection);
  });
  return absl::OkStatus();
}

Server::~Server() { Shutdown(0); }

void Server::Shutdown(Micros grace) {
  if (server_ == nullptr || std::exchange(is_shut_down_, true)) return;
  server_->GetHealthCheckService()->SetServingStatus(false);
  calls_.Drain(grace);
  calls_.EndAll();
  listener_->Stop();
  server_->Shutdown(std::chrono::system_clock::now() + kCutOff);
  server_->Wait();
}

}  // namespace skald::api
