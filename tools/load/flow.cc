#include "tools/load/flow.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/client.h"

namespace skald::tools::load {

namespace {

constexpr absl::Duration kSagaWait = absl::Minutes(5);

// What both ways of starting sagas count.
class Meter {
 public:
  Meter(const Shape& shape, const FlowOptions& options)
      : shape_(shape),
        options_(options),
        begin_(absl::Now() + options.warmup),
        end_(begin_ + options.duration) {
    result_.latencies_ms.reserve(1 << 16);
  }

  // A number for the next saga, or nothing when no more are wanted.
  std::optional<uint64_t> Next() {
    MutexLock lock(mutex_);
    if (absl::Now() >= end_) return std::nullopt;
    if (options_.sagas_max > 0 && started_ >= options_.sagas_max) return std::nullopt;
    return started_++;
  }

  void Count(absl::Time start, const RpcError& error, const v1::StartSagaResponse& response) {
    const absl::Time now = absl::Now();
    std::string failure;
    if (!error.ok()) {
      failure = absl::StrCat(CodeName(error.code), ": ", error.message);
    } else if (!options_.starts_only) {
      const v1::SagaStatus wanted =
          shape_.faults ? v1::SAGA_STATUS_FAULTED : v1::SAGA_STATUS_COMPLETED;
      if (response.saga().status() != wanted) {
        failure =
            absl::StrCat(response.saga_id(), " is ", v1::SagaStatus_Name(response.saga().status()),
                         " ", response.saga().error().detail());
      }
    }
    MutexLock lock(mutex_);
    if (!failure.empty()) {
      if (result_.failed++ == 0) result_.first_failure = failure;
      return;
    }
    if (now < begin_ || (now > end_ && options_.sagas_max == 0)) return;
    ++result_.completed;
    last_ = now;
    result_.latencies_ms.push_back(absl::ToDoubleMilliseconds(now - start));
  }

  FlowResult Take() {
    MutexLock lock(mutex_);
    result_.span = options_.sagas_max > 0 && last_ > begin_ ? last_ - begin_ : options_.duration;
    std::sort(result_.latencies_ms.begin(), result_.latencies_ms.end());
    return std::move(result_);
  }

 private:
  const Shape& shape_;
  const FlowOptions& options_;
  const absl::Time begin_;
  const absl::Time end_;
  Mutex mutex_;
  FlowResult result_ SKALD_GUARDED_BY(mutex_);
  uint64_t started_ SKALD_GUARDED_BY(mutex_) = 0;
  absl::Time last_ SKALD_GUARDED_BY(mutex_) = absl::InfinitePast();
};

// Requests differ in number only.
class Requests {
 public:
  Requests(const Shape& shape, const FlowOptions& options)
      : prefix_(NewRequestId()),
        input_(absl::StrCat("{\"text\":\"", std::string(options.input_bytes, 'x'), "\"}")) {
    request_.set_namespace_(kNamespace);
    request_.set_definition_name(shape.name);
    request_.set_definition_version(kVersion);
    request_.set_input(input_);
    if (!options.starts_only) *request_.mutable_wait() = ToProto(kSagaWait);
  }

  void Fill(uint64_t number, v1::StartSagaRequest& request) const {
    request = request_;
    request.set_saga_id(absl::StrCat(prefix_, "-", number));
    request.set_request_id(request.saga_id());
  }

 private:
  const std::string prefix_;
  const std::string input_;
  v1::StartSagaRequest request_;
};

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
