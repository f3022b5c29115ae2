// VerifyStore: the verification runs on a thread of its own, for as long as it takes; the stream
// shows how far it is whenever the reader is ready for news.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "api/pull_stream.h"
#include "base/mutex.h"
#include "engine/runtime/engine.h"
#include "skald/v1/admin_service.pb.h"

namespace skald::api {

// What a verification has found so far. Shared by its thread and the stream that shows it.
class VerifyProgress {
 public:
  // `wake` is called after each report, from the verification's thread.
  void SetWake(std::function<void()> wake);
  // Nobody reads it any more.
  void Stop();

  // False when the verification is to end.
  bool Report(const runtime::VerifyReport& report);
  void Finish(absl::StatusOr<runtime::VerifyReport> report);

  // The newest report that was not taken yet, if there is one; with the end of the verification.
  struct News {
    bool is_new = false;
    bool is_done = false;
    absl::Status status;
    runtime::VerifyReport report;
  };
  News Take();

 private:
  Mutex mutex_;
  News news_ SKALD_GUARDED_BY(mutex_);
  bool stopped_ SKALD_GUARDED_BY(mutex_) = false;
  std::function<void()> wake_ SKALD_GUARDED_BY(mutex_);
};

// Runs verifications, one at a time.
class Verifier {
 public:
  explicit Verifier(runtime::Engine& engine) : engine_(engine) {}
  // Waits for the one that is running, which its stream's end has stopped.
  ~Verifier();

  // Null when one is running.
  std::shared_ptr<VerifyProgress> Start();

 private:
  runtime::Engine& engine_;
  Mutex mutex_;
  bool is_running_ SKALD_GUARDED_BY(mutex_) = false;
  std::thread thread_ SKALD_GUARDED_BY(mutex_);
};

class VerifySource final : public FrameSource<v1::VerifyStoreResponse> {
 public:
  explicit VerifySource(std::shared_ptr<VerifyProgress> progress)
      : progress_(std::move(progress)) {}
  // Also of a stream that was refused, which is not closed.
  ~VerifySource() override { progress_->Stop(); }

  void Open(std::function<void()> wake) override { progress_->SetWake(std::move(wake)); }
  Pulled Pull(v1::VerifyStoreResponse& frame) override;
  void Close() override { progress_->Stop(); }

 private:
  const std::shared_ptr<VerifyProgress> progress_;
  bool is_told_ = false;  // the last frame was made
};

}  // namespace skald::api
