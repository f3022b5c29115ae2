// The gRPC server in front of an engine: all services of skald.v1, grpc.health.v1 and reflection.
//
//   SKALD_ASSIGN_OR_RETURN(auto server, api::Server::Start(*engine, {.address =
//   "127.0.0.1:7480"}));
//   ...
//   server->Shutdown(10 * kSecond);   // before engine->Shutdown()
//
// Only gRPC's callback API is used: no thread waits for a call. Handlers check, convert, submit and
// return; reads run on a small pool.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "api/admin_service.h"
#include "api/audit_service.h"
#include "api/call_registry.h"
#include "api/context.h"
#include "api/definition_service.h"
#include "api/listener.h"
#include "api/log_service.h"
#include "api/model_service.h"
#include "api/options.h"
#include "api/read_model_service.h"
#include "api/saga_service.h"
#include "api/work_pool.h"
#include "api/worker_service.h"
#include "base/ids.h"
#include "engine/runtime/engine.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

namespace skald::api {

class Server {
 public:
  // Serves when it returns. `engine` must outlive the server. FAILED_PRECONDITION when the address
  // cannot be listened on, as when another server has the port.
  static absl::StatusOr<std::unique_ptr<Server>> Start(runtime::Engine& engine,
                                                       ServerOptions options);
  // Shuts down at once, if that was not done.
  ~Server();

  // The TCP port it listens on; 0 for a unix socket.
  int port() const { return listener_->port(); }

  // Stops serving, in this order: health says NOT_SERVING; new streams and mutations are refused
  // with UNAVAILABLE; waits, readers and followers end with UNAVAILABLE; workers are told to drain,
  // and have `grace` to answer; then whatever is left ends. Returns when no call is left. Once;
  // blocks.
  void Shutdown(Micros grace);

 private:
  Server(runtime::Engine& engine, ServerOptions options);
  absl::Status Listen();

  // Constant after construction.
  const ServerOptions options_;
  WorkPool pool_;
  CallRegistry calls_;
  ApiContext context_;
  DefinitionService definition_service_;
  SagaService saga_service_;
  WorkerService worker_service_;
  LogService log_service_;
  AdminService admin_service_;
  AuditService audit_service_;
  ReadModelService read_model_service_;
  ModelService model_service_;
  // Gives the listener's connections to the server.
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Listener> listener_;
  bool is_shut_down_ = false;
};

}  // namespace skald::api
