// What an engine does by itself while it is open, and how it closes.
#include <algorithm>
#include <chrono>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/runtime/engine_impl.h"

namespace skald::runtime {
namespace {

// A disk that takes a gigabyte a second fills the default of free_bytes_hard in this time.
constexpr Micros kSpaceInterval = 50 * kMillisecond;
constexpr Micros kFlushInterval = kSecond;
// The broker's next due time may come forward meanwhile, so the ticker never sleeps for long.
constexpr Micros kTickMax = 50 * kMillisecond;
constexpr Micros kTickMin = kMillisecond;

}  // namespace

// ---- The ticker ----

void EngineImpl::RunTicker() {
  Timestamp sampled = clock_->Now();
  while (true) {
    const Timestamp now = clock_->Now();
    const Timestamp due = broker_->Poll(now);
    if (now >= After(sampled, kSpaceInterval)) {
      sampled = now;
      SampleFreeBytes();
    }
    const Micros wait = std::clamp(due.value() - now.value(), kTickMin, kTickMax);
    MutexLock lock(mu_);
    if (!stopping_) changed_.WaitFor(mu_, std::chrono::microseconds(wait));
    if (stopping_) return;
  }
}

void EngineImpl::SampleFreeBytes() {
  const absl::StatusOr<uint64_t> bytes = log_->FreeBytes();
  // Not knowing is no reason to refuse work.
  if (!bytes.ok()) return;
  const uint64_t unwritten = log_->UnwrittenBytes() + views_->UnwrittenBytes();
  free_bytes_ = *bytes;
  for (const auto& partition : partitions_) {
    const partition::DiskSpace before = partition->admission().disk_space();
    partition->admission().SetFreeBytes(*bytes, unwritten);
    // Timers that stood still go on.
    if (before == partition->admission().disk_space() || threads_.front() == nullptr) continue;
    ThreadOf(partition->id()).Post([] {});
  }
}

void EngineImpl::RunFlusher() {
  while (true) {
    FlushViews();
    MutexLock lock(mu_);
    if (!stopping_) changed_.WaitFor(mu_, std::chrono::microseconds(kFlushInterval));
    if (stopping_) return;
  }
}

void EngineImpl::FlushViews() {
  uint64_t applied = 0;
  for (const Figures& figures : figures_) applied += figures.applied;
  if (applied < flushed_events_ + flush_events_) return;
  if (const absl::Status status = views_->Flush(); !status.ok()) return OnFatal(status);
  flushed_events_ = applied;
}

// ---- Closing ----

bool EngineImpl::IsWrittenOut() const {
  return std::all_of(figures_.begin(), figures_.end(),
                     [](const Figures& figures) { return figures.written_out.load(); });
}

absl::Status EngineImpl::Shutdown() {
  projector_->Stop();
  serving_ = false;
  closing_ = true;
  keeper_->Stop();
  const absl::Status why = PartitionNotServingError(PartitionId(0), "the engine is stopping");
  for (const auto& partition : partitions_) {
    ThreadOf(partition->id()).Post([&each = *partition, why] { each.Close(why); });
  }
  {
    MutexLock lock(mu_);
    while (!IsWrittenOut() && broken_.ok()) {
      changed_.WaitFor(mu_, std::chrono::microseconds(kTickMax));
    }
    SKALD_RETURN_IF_ERROR(broken_);
  }
  StopThreads();
  SKALD_RETURN_IF_ERROR(views_->Flush());
  owned_views_.reset();
  owned_log_.reset();
  return absl::OkStatus();
}

void EngineImpl::StopThreads() {
  if (keeper_ != nullptr) keeper_->Stop();
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (ticker_.joinable()) ticker_.join();
  if (flusher_.joinable()) flusher_.join();
  for (const auto& thread : threads_) {
    if (thread != nullptr) thread->Stop();
  }
  // The writer's last news finds threads that do not listen any more.
  writer_.reset();
}

EngineImpl::~EngineImpl() {
  if (projector_ != nullptr) projector_->Stop();
  serving_ = false;
  StopThreads();
  // What was under way is answered before what the answers may look at goes.
  threads_.clear();
  partitions_.clear();
}

}  // namespace skald::runtime
