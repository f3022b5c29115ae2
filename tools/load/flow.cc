#include "tools/load/flow.h"

#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "tools/client.h"

namespace skald::tools::load {

namespace {

constexpr int kFrameItemsMax = 1'000;  // the server takes no more

// One stream. Each frame of results is answered by a frame with as many new sagas.
void RunStream(const std::shared_ptr<grpc::Channel>& channel, const Requests& requests,
               const FlowOptions& options, Meter& meter) {
  const auto stub = v1::SagaService::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->StartSagas(&context);
  absl::flat_hash_map<uint64_t, absl::Time> in_flight;
  const auto send = [&](size_t count) {
    v1::StartSagasRequest frame;
    const absl::Time now = absl::Now();
    for (size_t i = 0; i < count; ++i) {
      const std::optional<uint64_t> number = meter.Next();
      if (!number) break;
      if (frame.items_size() == kFrameItemsMax) {
        if (!stream->Write(frame)) return false;
        frame.Clear();
      }
      auto& item = *frame.add_items();
      item.set_item_id(*number);
      requests.Fill(*number, *item.mutable_start());
      in_flight[*number] = now;
    }
    return frame.items_size() == 0 || stream->Write(frame);
  };
  bool open = send(options.in_flight);
  v1::StartSagasResponse frame;
  while (open && !in_flight.empty() && stream->Read(&frame)) {
    for (const auto& result : frame.results()) {
      auto found = in_flight.find(result.item_id());
      if (found == in_flight.end()) continue;
      const absl::Time start = found->second;
      in_flight.erase(found);
      meter.Count(start, result.has_error() ? ReadError(result.error()) : RpcError(),
                  result.started());
    }
    open = send(static_cast<size_t>(frame.results_size()));
  }
  stream->WritesDone();
  while (stream->Read(&frame)) continue;
  const grpc::Status status = stream->Finish();
  if (!status.ok() || !in_flight.empty()) meter.Count(absl::Now(), ReadError(status), {});
}

// One call a saga, all from gRPC's own threads: a call's end starts the next.
class UnaryLoop {
 public:
  UnaryLoop(const std::shared_ptr<grpc::Channel>& channel, const Requests& requests, Meter& meter)
      : stub_(v1::SagaService::NewStub(channel)), requests_(requests), meter_(meter) {}

  void Run(uint32_t in_flight) {
    {
      MutexLock lock(mutex_);
      running_ = in_flight;
    }
    for (uint32_t i = 0; i < in_flight; ++i) Start(std::make_shared<Call>());
    MutexLock lock(mutex_);
    while (running_ > 0) ended_.Wait(mutex_);
  }

 private:
  struct Call {
    std::unique_ptr<grpc::ClientContext> context;
    v1::StartSagaRequest request;
    v1::StartSagaResponse response;
    absl::Time start;
  };

  void Start(std::shared_ptr<Call> call) {
    const std::optional<uint64_t> number = meter_.Next();
    if (!number) {
      MutexLock lock(mutex_);
      if (--running_ == 0) ended_.NotifyAll();
      return;
    }
    requests_.Fill(*number, call->request);
    call->context = std::make_unique<grpc::ClientContext>();
    call->response.Clear();
    call->start = absl::Now();
    Call& slot = *call;
    stub_->async()->StartSaga(slot.context.get(), &slot.request, &slot.response,
                              [this, call = std::move(call)](const grpc::Status& status) mutable {
                                meter_.Count(call->start, ReadError(status), call->response);
                                Start(std::move(call));
                              });
  }

  const std::unique_ptr<v1::SagaService::Stub> stub_;
  const Requests& requests_;
  Meter& meter_;
  Mutex mutex_;
  CondVar ended_;
  uint32_t running_ SKALD_GUARDED_BY(mutex_) = 0;
};

}  // namespace

FlowResult RunFlow(const std::shared_ptr<grpc::Channel>& channel, const Shape& shape,
                   const FlowOptions& options) {
  const Requests requests(shape, options);
  Meter meter(shape, options);
  if (options.unary) {
    UnaryLoop(channel, requests, meter).Run(options.in_flight);
  } else {
    RunStream(channel, requests, options, meter);
  }
  return meter.Take();
}

}  // namespace skald::tools::load
