// A server stream that is pulled: a source is asked for the next frame only when the one before has
// been written. So a slow reader costs one frame of memory and nothing else, whatever happens
// meanwhile.
//
//   idle ──Wake──▶ pulling (on the pool) ──frame──▶ writing ──written──▶ pulling ...
//                     └──nothing now──▶ idle     └──end──▶ finished
//
// Keeps itself alive until OnDone. Thread rule: Wake, Drain and End from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <grpcpp/alarm.h>

#include "absl/status/status.h"
#include "api/context.h"
#include "api/grpc_status.h"
#include "base/errors.h"
#include "base/mutex.h"

namespace skald::api {

// What a source says when it is asked for a frame.
struct Pulled {
  enum class Kind { kFrame, kNothingNow, kEnd };
  Kind kind = Kind::kNothingNow;
  absl::Status status;  // of kEnd

  static Pulled Frame() { return {Kind::kFrame, absl::OkStatus()}; }
  static Pulled NothingNow() { return {Kind::kNothingNow, absl::OkStatus()}; }
  static Pulled End(absl::Status end) { return {Kind::kEnd, std::move(end)}; }
};

// Where frames come from. Used by one thread at a time.
template <typename Response>
class FrameSource {
 public:
  virtual ~FrameSource() = default;
  // Called once, first. `wake` may be called from any thread, also after Close.
  virtual void Open(std::function<void()> wake) = 0;
  // Fills the (empty) frame. After NothingNow it is asked again when it has called `wake`.
  virtual Pulled Pull(Response& frame) = 0;
  // Nobody waits for a frame any more: a Pull under way had better return. From any thread.
  virtual void Stop() {}
  // Called once, last.
  virtual void Close() = 0;
};

// When a stream is cut off, even while its reader takes nothing.
struct CutOff {
  grpc::CallbackServerContext& call;
  Timestamp time;
};

template <typename Response>
class PullStream final : public grpc::ServerWriteReactor<Response>,
                         public OpenCall,
                         public std::enable_shared_from_this<PullStream<Response>> {
 public:
  using Source = FrameSource<Response>;

  // Owned by itself.
  // Pulls on the pool given; without one, on that of all reads.
  static PullStream* Open(ApiContext& context, std::unique_ptr<Source> source,
                          WorkPool* pool = nullptr, std::optional<CutOff> cut_off = {}) {
    auto stream = std::make_shared<PullStream>(context, std::move(source));
    if (pool != nullptr) stream->pool_ = pool;
    stream->self_ = stream;
    if (!context.calls.Add(stream)) {
      stream->End();
      return stream.get();
    }
    stream->source_->Open([weak = std::weak_ptr<PullStream>(stream)] {
      if (std::shared_ptr<PullStream> alive = weak.lock()) alive->Wake();
    });
    stream->is_open_ = true;
    if (cut_off) stream->SetCutOff(*cut_off);
    stream->Wake();
    return stream.get();
  }
  // A stream that ends at once.
  static PullStream* Refuse(ApiContext& context, const absl::Status& status) {
    auto stream = std::make_shared<PullStream>(context, nullptr);
    stream->self_ = stream;
    stream->EndWith(ToGrpcStatus(status));
    return stream.get();
  }

  PullStream(ApiContext& context, std::unique_ptr<Source> source)
      : context_(context), pool_(&context.pool), source_(std::move(source)) {}

  void Wake() {
    {
      MutexLock lock(mutex_);
      wake_pending_ = true;
      if (phase_ != Phase::kIdle) return;
      phase_ = Phase::kPulling;
    }
    PostPull();
  }

  void Drain(Micros) override { End(); }
  void End() override { EndWith(ToGrpcStatus(ServerStoppingError())); }

 private:
  enum class Phase { kIdle, kPulling, kWriting, kFinished };

  // Ends when the frame under way, if any, is written.
  void EndWith(grpc::Status status) {
    bool is_idle = false;
    {
      MutexLock lock(mutex_);
      if (!is_ending_) {
        is_ending_ = true;
        end_status_ = std::move(status);
      }
      is_idle = phase_ == Phase::kIdle;
      if (is_idle) phase_ = Phase::kFinished;
    }
    if (is_idle) {
      this->Finish(end_status_);
    } else if (source_ != nullptr) {
      source_->Stop();
    }
  }

  void SetCutOff(const CutOff& cut_off) {
    call_ = &cut_off.call;
    const Micros left = cut_off.time.value() - context_.engine.Now().value();
    alarm_.emplace();
    // The alarm keeps this when it has fired: it must not keep the stream.
    alarm_->Set(std::chrono::system_clock::now() + std::chrono::microseconds(left),
                [weak = this->weak_from_this()](bool has_come) {
                  if (!has_come) return;
                  if (const auto self = weak.lock()) self->EndNow();
                });
  }

  // A frame that the reader does not take is given up.
  void EndNow() {
    {
      MutexLock lock(mutex_);
      is_cut_off_ = true;
    }
    EndWith(ToGrpcStatus(DeadlinePassedError("all was read")));
    {
      MutexLock lock(mutex_);
      if (phase_ != Phase::kWriting) return;
      is_cancelling_ = true;
    }
    // OnWriteDone may come before this returns, but nothing goes on: the call lives until Finish.
    call_->TryCancel();
    {
      MutexLock lock(mutex_);
      is_cancelling_ = false;
      if (phase_ == Phase::kWriting) return;
    }
    PostPull();
  }

  void PostPull() {
    pool_->Post([self = this->shared_from_this()] { self->Step(); });
  }

  void Step() {
    for (;;) {
      {
        MutexLock lock(mutex_);
        wake_pending_ = false;
        if (is_ending_) phase_ = Phase::kFinished;
      }
      if (phase_ == Phase::kFinished) break;
      frame_.Clear();
      Pulled pulled = source_->Pull(frame_);
      MutexLock lock(mutex_);
      if (pulled.kind == Pulled::Kind::kFrame && !is_cut_off_) {
        phase_ = Phase::kWriting;
        // The lock is not held longer: OnWriteDone needs it.
        break;
      }
      if (pulled.kind == Pulled::Kind::kEnd && !is_ending_) {
        is_ending_ = true;
        end_status_ = ToGrpcStatus(pulled.status);
      }
      if (is_ending_) continue;
      if (!wake_pending_) {
        phase_ = Phase::kIdle;
        return;
      }
      // Others have their turn first.
      PostPull();
      return;
    }
    // No other thread moves a stream that is not idle.
    if (phase_ == Phase::kWriting) {
      this->StartWrite(&frame_);
    } else {
      this->Finish(end_status_);
    }
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mutex_);
      phase_ = Phase::kPulling;
      if (!ok && !is_ending_) {
        is_ending_ = true;
        end_status_ = grpc::Status::CANCELLED;
      }
      if (is_cancelling_) return;  // EndNow goes on
    }
    PostPull();
  }

  void OnCancel() override { EndWith(grpc::Status::CANCELLED); }

  void OnDone() override {
    context_.calls.Remove(this);
    if (is_open_) source_->Close();
    const std::shared_ptr<PullStream> self = std::move(self_);
  }

  // Constant after construction.
  ApiContext& context_;
  WorkPool* pool_;
  const std::unique_ptr<Source> source_;
  std::shared_ptr<PullStream> self_;
  bool is_open_ = false;
  grpc::CallbackServerContext* call_ = nullptr;  // of a stream that is cut off
  std::optional<grpc::Alarm> alarm_;

  // Owned by whoever pulls or writes.
  Response frame_;

  Mutex mutex_;
  // Written under the lock; also read without it by whoever pulls, as nobody else moves on from
  // there.
  Phase phase_ = Phase::kIdle;
  bool wake_pending_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_ending_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_cut_off_ SKALD_GUARDED_BY(mutex_) = false;     // no frame is begun any more
  bool is_cancelling_ SKALD_GUARDED_BY(mutex_) = false;  // the call, while a frame is written
  grpc::Status end_status_;                              // set once, with is_ending_
};

}  // namespace skald::api
