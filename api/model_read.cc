#include "api/model_read.h"

#include <algorithm>

#include "api/grpc_status.h"
#include "base/errors.h"

namespace skald::api {
namespace {

// How long a read may keep its thread while its model is behind, before others have a turn.
constexpr Micros kTurn = 50 * kMillisecond;
constexpr Micros kRetryAfter = 100 * kMillisecond;

}  // namespace

grpc::ServerUnaryReactor* ModelRead::Open(Place place, Timestamp deadline, std::string model,
                                          projection::OpenOptions options, Work work, Fill fill) {
  ApiContext& context = place.context;
  auto read = std::make_shared<ModelRead>(place);
  read->self_ = read;
  const Timestamp now = context.engine.Now();
  read->deadline_ = deadline;
  read->read_deadline_ = std::min(deadline, After(now, context.options.model_read_time_max));
  // Options hold how long, until here.
  read->wait_until_ = std::min(deadline, After(now, options.wait_until.value()));
  read->model_ = std::move(model);
  read->options_ = std::move(options);
  read->work_ = std::move(work);
  read->fill_ = std::move(fill);
  if (!context.calls.Add(read)) {
    read->FinishWith(ServerStoppingError());
  } else if (!place.access.reads().Begin()) {
    read->FinishWith(ServerOverloadedError("Too many reads of models are under way", kRetryAfter));
  } else {
    read->is_counted_ = true;
    read->PostStep();
  }
  return read.get();
}

ModelRead::~ModelRead() {
  if (is_counted_) access_.reads().End();
}

void ModelRead::Drain(Micros) { End(); }

void ModelRead::End() { FinishWith(ServerStoppingError()); }

void ModelRead::OnCancel() {
  if (Claim()) Finish(grpc::Status::CANCELLED);
}

void ModelRead::OnDone() {
  context_.calls.Remove(this);
  // May be the last owner: nothing of this object is touched after.
  const std::shared_ptr<ModelRead> self = std::move(self_);
}

void ModelRead::PostStep() {
  access_.reads().pool().Post([self = shared_from_this()] { self->Step(); });
}

void ModelRead::Step() {
  if (!Check().ok()) return FinishWith(Check());
  const Timestamp now = context_.engine.Now();
  options_.wait_until = std::min(wait_until_, After(now, kTurn));
  absl::StatusOr<std::unique_ptr<projection::ModelRows>> rows =
      access_.reader().Open(model_, options_);
  if (HasReason(rows.status(), ErrorReason::kModelBehind) && context_.engine.Now() < wait_until_) {
    return PostStep();
  }
  absl::Status status = rows.status();
  if (status.ok()) status = work_(**rows, [this] { return Check(); });
  rows = absl::CancelledError();  // gives back what it holds, before the caller hears
  if (!status.ok()) return FinishWith(status);
  if (!Claim()) return;
  fill_();
  Finish(grpc::Status::OK);
}

void ModelRead::FinishWith(const absl::Status& status) {
  if (Claim()) Finish(ToGrpcStatus(status));
}

absl::Status ModelRead::Check() {
  {
    MutexLock lock(mutex_);
    if (ended_) return absl::CancelledError();
  }
  if (context_.engine.Now() < read_deadline_) return absl::OkStatus();
  return DeadlinePassedError("the rows to be read");
}

bool ModelRead::Claim() {
  MutexLock lock(mutex_);
  return !std::exchange(ended_, true);
}

}  // namespace skald::api
