// What every service works with, and what every handler does first and last.
#pragma once

#include <string>

#include <grpc/support/time.h>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "api/call_registry.h"
#include "api/options.h"
#include "api/validate.h"
#include "api/work_pool.h"
#include "engine/runtime/engine.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace skald::api {

// Owned by the server; outlives every call.
struct ApiContext {
  runtime::Engine& engine;
  const ServerOptions& options;
  WorkPool& pool;
  CallRegistry& calls;
  std::string store_id;
};

// Who calls, as given by metadata `skald-actor`; checked like an id.
std::string ActorOf(const grpc::CallbackServerContext& call, Violations& violations);

// When the caller gives up; kNever without a deadline.
Timestamp DeadlineOf(const grpc::CallbackServerContext& call);
Timestamp ToTimestamp(gpr_timespec time);

// A handler that answers at once: `return Finished(call, status)`.
grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext& call, const absl::Status& status);

// A handler that works on the pool; `work` finishes the call, now or later. Refused at once when
// too many wait; not begun for a caller who has gone. Request and response are alive until Finish.
grpc::ServerUnaryReactor* OnPool(ApiContext& context, grpc::CallbackServerContext& call,
                                 absl::AnyInvocable<void(grpc::ServerUnaryReactor*)> work);
// The same of work that gives the call's status.
grpc::ServerUnaryReactor* AnswerOnPool(ApiContext& context, grpc::CallbackServerContext& call,
                                       absl::AnyInvocable<absl::Status()> work);

}  // namespace skald::api
