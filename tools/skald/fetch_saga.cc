#include "tools/skald/fetch_saga.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "skald/v1/log_service.grpc.pb.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "tools/skald/render.h"

namespace skald::tools {

namespace {

constexpr absl::Duration kRestartPatience = absl::Seconds(30);

}  // namespace

grpc::Status FetchSaga(Invocation& call, const SagaKey& key, v1::Saga& saga) {
  const auto stub = v1::SagaService::NewStub(call.channel());
  grpc::ClientContext context;
  call.Prepare(context);
  v1::GetSagaRequest request;
  request.set_namespace_(key.namespace_name);
  request.set_saga_id(key.saga_id);
  v1::GetSagaResponse response;
  grpc::Status status = stub->GetSaga(&context, request, &response);
  saga = std::move(*response.mutable_saga());
  return status;
}

grpc::Status AwaitSaga(Invocation& call, const SagaKey& key, absl::Time deadline, v1::Saga& saga) {
  const auto stub = v1::SagaService::NewStub(call.channel());
  absl::Time last_contact = absl::Now();
  while (true) {
    const absl::Duration left = deadline - absl::Now();
    const absl::Duration span =
        std::clamp<absl::Duration>(left, absl::Milliseconds(1), absl::Minutes(5));
    grpc::ClientContext context;
    call.Prepare(context, /*with_deadline=*/true, span);
    v1::WaitSagaRequest request;
    request.set_namespace_(key.namespace_name);
    request.set_saga_id(key.saga_id);
    *request.mutable_timeout() = ToProto(span);
    request.set_until_parked(true);
    v1::WaitSagaResponse response;
    grpc::Status status = stub->WaitSaga(&context, request, &response);
    if (status.ok()) {
      last_contact = absl::Now();
      saga = std::move(*response.mutable_saga());
      if (HasEnded(saga.status()) || saga.suspend_reason() == v1::SUSPEND_REASON_PARKED ||
          absl::Now() >= deadline) {
        return status;
      }
      continue;
    }
    if (!ReadError(status).IsTransient() || absl::Now() - last_contact > kRestartPatience) {
      return status;
    }
    absl::SleepFor(absl::Milliseconds(200));
  }
}

grpc::Status ReadEvents(Invocation& call, const SagaKey& key, uint64_t revision,
                        const std::function<void(const v1::RecordedEvent&)>& visit) {
  const auto stub = v1::LogService::NewStub(call.channel());
  grpc::ClientContext context;
  call.Prepare(context);
  v1::ReadHistoryRequest request;
  request.set_namespace_(key.namespace_name);
  request.set_saga_id(key.saga_id);
  request.set_from_revision(revision);
  const auto reader = stub->ReadHistory(&context, request);
  v1::ReadHistoryResponse frame;
  while (reader->Read(&frame)) {
    for (const v1::RecordedEvent& event : frame.events()) visit(event);
  }
  return reader->Finish();
}

}  // namespace skald::tools
