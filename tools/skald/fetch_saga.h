// Reading one saga, for verbs that need it.
#pragma once

#include "base/ids.h"
#include "grpcpp/support/status.h"
#include "skald/v1/event.pb.h"
#include "skald/v1/saga.pb.h"
#include "tools/skald/invocation.h"

namespace skald::tools {

grpc::Status FetchSaga(Invocation& call, const SagaKey& key, v1::Saga& saga);

// Waits until the saga has ended or is parked, or `deadline`. Goes on through restarts of the
// server for as long as it comes back within half a minute.
grpc::Status AwaitSaga(Invocation& call, const SagaKey& key, absl::Time deadline, v1::Saga& saga);

// Calls `visit` for each event of the saga from `revision` on.
grpc::Status ReadEvents(Invocation& call, const SagaKey& key, uint64_t revision,
                        const std::function<void(const v1::RecordedEvent&)>& visit);

}  // namespace skald::tools
