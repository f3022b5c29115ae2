#include "api/verify_source.h"

#include "base/this_thread.h"

#include <string>
#include <utility>

namespace skald::api {

void VerifyProgress::SetWake(std::function<void()> wake) {
  MutexLock lock(mutex_);
  wake_ = std::move(wake);
}

void VerifyProgress::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
}

bool VerifyProgress::Report(const runtime::VerifyReport& report) {
  std::function<void()> wake;
  {
    MutexLock lock(mutex_);
    if (stopped_) return false;
    news_.is_new = true;
    news_.report = report;
    wake = wake_;
  }
  if (wake) wake();
  return true;
}

void VerifyProgress::Finish(absl::StatusOr<runtime::VerifyReport> report) {
  std::function<void()> wake;
  {
    MutexLock lock(mutex_);
    news_.is_new = true;
    news_.is_done = true;
    news_.status = report.status();
    if (report.ok()) news_.report = *std::move(report);
    wake = wake_;
  }
  if (wake) wake();
}

VerifyProgress::News VerifyProgress::Take() {
  MutexLock lock(mutex_);
  News news = news_;
  news_.is_new = false;
  return news;
}

Verifier::~Verifier() {
  std::thread thread;
  {
    MutexLock lock(mutex_);
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

std::shared_ptr<VerifyProgress> Verifier::Start() {
  MutexLock lock(mutex_);
  if (is_running_) return nullptr;
  // The one before has said that it is over; what is left of it takes no time.
  if (thread_.joinable()) thread_.join();
  is_running_ = true;
  auto progress = std::make_shared<VerifyProgress>();
  thread_ = std::thread([this, progress] {
    NameThread("verify");
    absl::StatusOr<runtime::VerifyReport> report = engine_.Verify(
        [&progress](const runtime::VerifyReport& so_far) { return progress->Report(so_far); });
    {
      MutexLock inner(mutex_);
      is_running_ = false;
    }
    progress->Finish(std::move(report));
  });
  return progress;
}

Pulled VerifySource::Pull(v1::VerifyStoreResponse& frame) {
  if (is_told_) return Pulled::End(absl::OkStatus());
  const VerifyProgress::News news = progress_->Take();
  if (!news.is_new) return Pulled::NothingNow();
  if (!news.status.ok()) return Pulled::End(news.status);
  const runtime::VerifyReport& report = news.report;
  frame.set_commits(report.commits);
  frame.set_events(report.events);
  frame.set_sagas(report.sagas);
  frame.set_ended_sagas(report.ended);
  frame.set_running_sagas(report.running);
  frame.set_suspended_sagas(report.suspended);
  frame.set_rows(report.rows);
  frame.set_audit_leaves(report.leaves);
  frame.set_checkpoints(report.checkpoints);
  for (const std::string& difference : report.differences) frame.add_differences(difference);
  frame.set_done(news.is_done);
  is_told_ = news.is_done;
  return Pulled::Frame();
}

}  // namespace skald::api
