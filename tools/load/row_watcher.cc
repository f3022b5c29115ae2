#include "tools/load/row_watcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/json.h"

namespace skald::tools::load {

RowWatcher::RowWatcher(std::shared_ptr<grpc::Channel> channel, const Shape& shape)
    : stub_(v1::ReadModelService::NewStub(channel)) {
  request_.set_model("sagas");
  request_.mutable_filter()->add_where(absl::StrCat("definition=", shape.name));
  // An index leads past all that was there before, however much that is.
  request_.mutable_filter()->add_where(absl::StrCat(
      "started>=", absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone())));
  request_.mutable_filter()->add_where("ended is not null");
  thread_ = std::thread([this] { Watch(); });
  MutexLock lock(mutex_);
  while (!caught_up_ && !stopped_) changed_.Wait(mutex_);
}

RowWatcher::~RowWatcher() {
  context_.TryCancel();
  if (thread_.joinable()) thread_.join();
}

void RowWatcher::Answered(absl::string_view saga_id, absl::Time time) {
  MutexLock lock(mutex_);
  const auto found = seen_.find(saga_id);
  if (found == seen_.end()) {
    answered_.emplace(std::string(saga_id), time);
    return;
  }
  result_.delays_ms.push_back(std::max(0.0, absl::ToDoubleMilliseconds(found->second - time)));
  seen_.erase(found);
}

RowWatcher::Result RowWatcher::Stop(absl::Duration grace) {
  {
    MutexLock lock(mutex_);
    const absl::Time deadline = absl::Now() + grace;
    while (!answered_.empty() && !stopped_ && absl::Now() < deadline) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(20));
    }
    result_.unseen = answered_.size();
  }
  context_.TryCancel();
  thread_.join();
  MutexLock lock(mutex_);
  std::sort(result_.delays_ms.begin(), result_.delays_ms.end());
  return std::move(result_);
}

void RowWatcher::Watch() {
  const auto reader = stub_->WatchRows(&context_, request_);
  v1::WatchRowsResponse frame;
  while (reader->Read(&frame)) Saw(frame, absl::Now());
  const grpc::Status status = reader->Finish();
  MutexLock lock(mutex_);
  stopped_ = true;
  if (status.error_code() != grpc::StatusCode::CANCELLED) result_.error = ReadError(status);
  changed_.NotifyAll();
}

void RowWatcher::Saw(const v1::WatchRowsResponse& frame, absl::Time time) {
  std::vector<std::string> ids;
  if (frame.kind() == v1::WatchRowsResponse::KIND_CHANGES) {
    for (const auto& change : frame.changes()) {
      const auto key = Json::Parse(change.key());  // [namespace, saga_id]
      if (!change.row().empty() && key.ok()) ids.emplace_back(key->AsArray()[1].AsString());
    }
  }
  MutexLock lock(mutex_);
  if (frame.is_complete()) caught_up_ = true;
  for (std::string& id : ids) {
    const auto found = answered_.find(id);
    if (found == answered_.end()) {
      seen_.emplace(std::move(id), time);
      continue;
    }
    result_.delays_ms.push_back(absl::ToDoubleMilliseconds(time - found->second));
    answered_.erase(found);
  }
  changed_.NotifyAll();
}

}  // namespace skald::tools::load
