#include "api/start_stream.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/convert_common.h"
#include "api/convert_saga.h"
#include "api/grpc_status.h"
#include "api/saga_commands.h"
#include "base/errors.h"

namespace skald::api {
namespace {

constexpr int kFrameItemsMax = 1'000;
// How often an item that waits for room is tried, and for how long it may wait.
constexpr std::chrono::milliseconds kLookInterval(10);
constexpr Micros kHoldMax = kSecond;
// A frame of results stays under the 4 MiB that a client takes by default, with the last result.
constexpr size_t kFrameBytes = 1 << 20;

// Only what was started and is not shown is not worth measuring.
size_t BytesOf(const v1::StartSagasResponse::Result& result) {
  constexpr size_t kSmall = 256;
  const bool is_small = result.has_started() && !result.started().has_saga();
  return is_small ? kSmall : std::max(result.ByteSizeLong(), kSmall);
}

}  // namespace

void SetStarted(const runtime::CommandReply& reply, v1::StartSagaResponse& response) {
  response.set_namespace_(reply.saga.namespace_name);
  response.set_saga_id(reply.saga.saga_id);
  SetPosition(reply.position, *response.mutable_position());
  response.set_duplicate(reply.duplicate);
}

StartStream* StartStream::Open(ApiContext& context, const grpc::CallbackServerContext& call) {
  auto stream = std::make_shared<StartStream>(context);
  stream->self_ = stream;
  Violations violations;
  stream->actor_ = ActorOf(call, violations);
  stream->deadline_ = DeadlineOf(call);
  absl::Status status = violations.ToStatus();
  if (!context.calls.Add(stream)) status = ServerStoppingError();
  {
    MutexLock lock(stream->mutex_);
    stream->is_ending_ = !status.ok();
    stream->end_status_ = std::move(status);
  }
  stream->Advance();
  return stream.get();
}

void StartStream::OnReadDone(bool ok) {
  absl::Status status;
  if (ok && request_.items_size() > kFrameItemsMax) {
    status = BadRequestError("items", absl::StrCat("has ", request_.items_size(), "; at most ",
                                                   kFrameItemsMax, " go into a frame"));
  }
  const bool take = ok && status.ok();
  {
    MutexLock lock(mutex_);
    if (!take) reads_done_ = true;
    if (!status.ok()) {
      is_ending_ = true;
      end_status_ = status;
    }
    if (take) outstanding_ += static_cast<size_t>(request_.items_size());
  }
  if (take) return TakeItems();
  {
    MutexLock lock(mutex_);
    is_reading_ = false;
  }
  Advance();
}

void StartStream::TakeItems() {
  {
    MutexLock lock(mutex_);
    if (is_finished_) return;
    is_taking_ = true;
  }
  bool must_wait = false;
  engine_.SubmitTogether([&] {
    while (next_item_ < request_.items_size() && !must_wait) {
      must_wait = !StartItem(request_.items(next_item_));
      if (!must_wait) ++next_item_;
    }
  });
  if (!must_wait) next_item_ = 0;
  {
    MutexLock lock(mutex_);
    is_taking_ = false;
    must_wait &= !is_broken_;
    // Only now may the next read overwrite the request.
    is_reading_ = must_wait;
  }
  if (must_wait) {
    look_again_.emplace();
    look_again_->Set(std::chrono::system_clock::now() + kLookInterval,
                     [weak = weak_from_this()](bool) {
                       // The alarm keeps this when it has fired: it must not keep the stream.
                       if (const auto self = weak.lock()) self->TakeItems();
                     });
  }
  Advance();
}

bool StartStream::StartItem(const v1::StartSagasRequest::Item& item) {
  const uint64_t item_id = item.item_id();
  CommandOr command = ToCommand(item.start(), actor_, Violations());
  if (!command.ok()) {
    AddError(item_id, command.status());
    return true;
  }
  const Micros wait = ToMicros(item.start().wait(), context_.options.wait_max);
  const Timestamp now = engine_.Now();
  const Timestamp deadline = std::min(After(now, wait), deadline_);
  runtime::Engine::Done<runtime::CommandReply> done =
      [self = shared_from_this(), item_id, wait,
       deadline](absl::StatusOr<runtime::CommandReply> reply) {
        if (!reply.ok()) {
          self->AddError(item_id, reply.status());
        } else if (wait > 0) {
          self->WaitForItem(item_id, deadline, *std::move(reply));
        } else {
          Result result;
          result.set_item_id(item_id);
          SetStarted(*reply, *result.mutable_started());
          self->AddResult(std::move(result));
        }
      };
  if (!engine_.TrySubmit(*command, done)) {
    if (!held_since_) held_since_ = now;
    const bool may_wait = now < std::min(After(*held_since_, kHoldMax), deadline_);
    {
      MutexLock lock(mutex_);
      // Nobody would hear of it; TakeItems sees that the stream is broken.
      if (is_broken_) return false;
      if (may_wait && !is_ending_) return false;
    }
    engine_.Submit(*std::move(command), std::move(done));
  }
  held_since_.reset();
  return true;
}

void StartStream::WaitForItem(uint64_t item_id, Timestamp deadline, runtime::CommandReply reply) {
  std::shared_ptr<SagaWait> wait;
  {
    MutexLock lock(mutex_);
    if (is_broken_ || is_finished_) return;
    if (!is_draining_) wait = AddWait(item_id, std::move(reply));
  }
  if (wait == nullptr) {
    AddError(item_id, ServerStoppingError());
    return;
  }
  wait->Begin(deadline, /*until_parked=*/true);
}

std::shared_ptr<SagaWait> StartStream::AddWait(uint64_t item_id, runtime::CommandReply reply) {
  const uint64_t wait_id = next_wait_++;
  const SagaKey key = reply.saga;
  auto wait =
      std::make_shared<SagaWait>(engine_, key,
                                 [self = shared_from_this(), item_id, wait_id,
                                  reply = std::move(reply)](absl::StatusOr<saga::SagaView> view) {
                                   {
                                     MutexLock lock(self->mutex_);
                                     self->waits_.erase(wait_id);
                                   }
                                   self->FinishWait(item_id, reply, view);
                                 });
  waits_.emplace(wait_id, ItemWait{item_id, wait});
  return wait;
}

void StartStream::FinishWait(uint64_t item_id, runtime::CommandReply reply,
                             const absl::StatusOr<saga::SagaView>& view) {
  if (!view.ok()) {
    AddError(item_id, view.status());
    return;
  }
  {
    MutexLock lock(mutex_);
    if (is_broken_ || is_finished_) return;
    if (held_bytes() >= context_.options.start_bytes_max) {
      deferred_.push_back({item_id, std::move(reply)});
      return;
    }
  }
  Result result;
  result.set_item_id(item_id);
  SetStarted(reply, *result.mutable_started());
  SetSaga(*view, SagaDetail::kFull, *result.mutable_started()->mutable_saga());
  AddResult(std::move(result));
}

void StartStream::FetchDeferred() {
  Deferred next;
  {
    MutexLock lock(mutex_);
    next = std::move(deferred_.front());
    deferred_.pop_front();
    is_asking_ = true;
  }
  SagaKey key = next.reply.saga;
  // A wait that is over, as a read would be refused under overload.
  engine_.WaitSaga(std::move(key), Timestamp(0), /*until_parked=*/true,
                   [self = shared_from_this(),
                    next = std::move(next)](absl::StatusOr<saga::SagaView> view) mutable {
                     {
                       MutexLock lock(self->mutex_);
                       self->is_fetching_ = false;
                     }
                     self->FinishWait(next.item_id, std::move(next.reply), view);
                   });
  MutexLock lock(mutex_);
  is_asking_ = false;
}

void StartStream::AddError(uint64_t item_id, const absl::Status& status) {
  Result result;
  result.set_item_id(item_id);
  *result.mutable_error() = ToRpcStatus(status);
  AddResult(std::move(result));
}

void StartStream::AddResult(Result result) {
  {
    MutexLock lock(mutex_);
    if (is_broken_ || is_finished_) return;
    const size_t bytes = BytesOf(result);
    if (pending_.empty() || pending_.back().bytes >= kFrameBytes) pending_.emplace_back();
    Frame& frame = pending_.back();
    *frame.results.add_results() = std::move(result);
    frame.bytes += bytes;
    pending_bytes_ += bytes;
  }
  AdvanceSoon();
}

void StartStream::AdvanceSoon() {
  {
    MutexLock lock(mutex_);
    if (is_gathering_ || is_asking_) return;
    is_gathering_ = true;
  }
  const auto end = [self = shared_from_this()] {
    {
      MutexLock lock(self->mutex_);
      self->is_gathering_ = false;
    }
    self->Advance();
  };
  if (!engine_.AtTurnEnd(end)) end();
}

void StartStream::Advance() {
  enum class Next { kNothing, kRead, kWrite, kFetch, kFinish };
  for (;;) {
    Next next = Next::kNothing;
    absl::Status end_status;
    {
      MutexLock lock(mutex_);
      if (is_finished_) return;
      const bool is_idle = !is_writing_ && !is_starting_read_ && !is_taking_;
      const bool is_complete = outstanding_ == 0 && (is_ending_ || reads_done_);
      if (is_idle && (is_broken_ || is_complete)) {
        is_finished_ = true;
        end_status = end_status_;
        next = Next::kFinish;
      } else if (!is_writing_ && !is_gathering_ && !pending_.empty()) {
        is_writing_ = true;
        writing_.Swap(&pending_.front().results);
        writing_bytes_ = pending_.front().bytes;
        pending_bytes_ -= writing_bytes_;
        pending_.pop_front();
        next = Next::kWrite;
      } else if (!deferred_.empty() && !is_fetching_ && !is_broken_ &&
                 held_bytes() < context_.options.start_bytes_max) {
        is_fetching_ = true;
        next = Next::kFetch;
      } else if (!is_reading_ && !reads_done_ && !is_ending_ &&
                 outstanding_ < context_.options.start_items_max &&
                 held_bytes() < context_.options.start_bytes_max && deferred_.empty()) {
        is_reading_ = true;
        is_starting_read_ = true;
        next = Next::kRead;
      }
    }
    switch (next) {
      case Next::kNothing:
        return;
      case Next::kRead: {
        StartRead(&request_);
        MutexLock lock(mutex_);
        is_starting_read_ = false;
        break;
      }
      case Next::kWrite:
        StartWrite(&writing_);
        break;
      case Next::kFetch:
        FetchDeferred();
        break;
      case Next::kFinish:
        Finish(ToGrpcStatus(end_status));
        return;
    }
  }
}

void StartStream::OnWriteDone(bool ok) {
  {
    MutexLock lock(mutex_);
    is_writing_ = false;
    outstanding_ -= static_cast<size_t>(writing_.results_size());
    writing_.Clear();
    writing_bytes_ = 0;
    if (!ok) is_broken_ = true;
  }
  Advance();
}

void StartStream::OnCancel() {
  {
    MutexLock lock(mutex_);
    is_broken_ = true;
    if (end_status_.ok()) end_status_ = absl::CancelledError("The caller has gone");
  }
  CancelWaits(/*tell_client=*/false);
  Advance();
}

void StartStream::Drain(Micros) {
  {
    MutexLock lock(mutex_);
    is_ending_ = true;
    is_draining_ = true;
    if (end_status_.ok()) end_status_ = ServerStoppingError();
  }
  CancelWaits(/*tell_client=*/true);
  Advance();
}

void StartStream::End() {
  {
    MutexLock lock(mutex_);
    is_broken_ = true;
    if (end_status_.ok()) end_status_ = ServerStoppingError();
  }
  CancelWaits(/*tell_client=*/false);
  Advance();
}

void StartStream::CancelWaits(bool tell_client) {
  std::vector<ItemWait> waits;
  {
    MutexLock lock(mutex_);
    for (auto& [wait_id, wait] : waits_) waits.push_back(std::move(wait));
    waits_.clear();
  }
  for (ItemWait& item : waits) {
    if (item.wait->Cancel() && tell_client) AddError(item.item_id, ServerStoppingError());
  }
}

void StartStream::OnDone() {
  context_.calls.Remove(this);
  const std::shared_ptr<StartStream> self = std::move(self_);
}

}  // namespace skald::api
