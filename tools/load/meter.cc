#include "tools/load/meter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace skald::tools::load {

namespace {

constexpr absl::Duration kSagaWait = absl::Minutes(5);

}  // namespace

Meter::Meter(const Shape& shape, const FlowOptions& options)
    : shape_(shape),
      options_(options),
      begin_(absl::Now() + options.warmup),
      end_(begin_ + options.duration) {
  result_.latencies_ms.reserve(1 << 16);
}

std::optional<uint64_t> Meter::Next() {
  MutexLock lock(mutex_);
  if (absl::Now() >= end_) return std::nullopt;
  if (options_.sagas_max > 0 && started_ >= options_.sagas_max) return std::nullopt;
  return started_++;
}

std::string Meter::FailureOf(const RpcError& error, const v1::StartSagaResponse& response) const {
  if (!error.ok()) return absl::StrCat(CodeName(error.code), ": ", error.message);
  if (options_.starts_only) return "";
  const v1::SagaStatus wanted = shape_.faults ? v1::SAGA_STATUS_FAULTED : v1::SAGA_STATUS_COMPLETED;
  if (response.saga().status() == wanted) return "";
  return absl::StrCat(response.saga_id(), " is ", v1::SagaStatus_Name(response.saga().status()),
                      " ", response.saga().error().detail());
}

void Meter::Count(absl::Time start, const RpcError& error, const v1::StartSagaResponse& response) {
  const absl::Time now = absl::Now();
  const std::string failure = FailureOf(error, response);
  // Offered too much, calls fail; the report says by what.
  if (options_.rate > 0 && !error.ok()) {
    return CountOther(start, CodeName(error.code), 1);
  }
  const bool is_measured = options_.sagas_max > 0 ? now >= begin_ : IsMeasured(now);
  if (failure.empty() && is_measured && options_.on_ended) {
    options_.on_ended(response.saga_id(), now);
  }
  MutexLock lock(mutex_);
  if (!failure.empty()) {
    if (result_.failed++ == 0) result_.first_failure = failure;
    if (!error.ok()) ++result_.others[std::string(CodeName(error.code))];
    return;
  }
  if (!is_measured) return;
  if (options_.rate > 0 && now - start > options_.late) {
    ++result_.others["late"];
    return;
  }
  ++result_.completed;
  last_ = now;
  result_.latencies_ms.push_back(absl::ToDoubleMilliseconds(now - start));
}

void Meter::CountOffered(absl::Time start, uint64_t count) {
  if (!IsMeasured(start)) return;
  MutexLock lock(mutex_);
  result_.offered += count;
}

void Meter::CountOther(absl::Time start, absl::string_view what, uint64_t count) {
  if (!IsMeasured(start)) return;
  MutexLock lock(mutex_);
  result_.others[std::string(what)] += count;
}

FlowResult Meter::Take() {
  MutexLock lock(mutex_);
  result_.span = options_.sagas_max > 0 && last_ > begin_ ? last_ - begin_ : options_.duration;
  std::sort(result_.latencies_ms.begin(), result_.latencies_ms.end());
  return std::move(result_);
}

Requests::Requests(const Shape& shape, const FlowOptions& options) : prefix_(NewRequestId()) {
  request_.set_namespace_(kNamespace);
  request_.set_definition_name(shape.name);
  request_.set_definition_version(kVersion);
  request_.set_input(absl::StrCat("{\"text\":\"", std::string(options.input_bytes, 'x'), "\"}"));
  if (!options.starts_only) *request_.mutable_wait() = ToProto(kSagaWait);
}

void Requests::Fill(uint64_t number, v1::StartSagaRequest& request) const {
  request = request_;
  request.set_saga_id(absl::StrCat(prefix_, "-", number));
  request.set_request_id(request.saga_id());
}

}  // namespace skald::tools::load
