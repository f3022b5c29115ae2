#include "storage/log_writer.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/check.h"
#include "base/this_thread.h"

namespace skald::storage {

LogWriter::LogWriter(EventLog& log, LogWriterOptions options)
    : log_(log), options_(std::move(options)) {
  SKALD_CHECK(options_.batch_events_max > 0 && options_.batch_bytes_max > 0);
  thread_ = std::thread([this] {
    NameThread("log-writer");
    Run();
  });
}

LogWriter::~LogWriter() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    work_.NotifyAll();
  }
  thread_.join();
}

void LogWriter::Stage(std::vector<StagedCommit> commits) {
  if (commits.empty()) return;
  bool is_idle = false;
  {
    MutexLock lock(mu_);
    // Nobody would ever write them.
    if (!broken_.ok()) return;
    staged_count_ += commits.size();
    std::move(commits.begin(), commits.end(), std::back_inserter(staged_));
    is_idle = !writing_;
  }
  // Unlocked, or the thread that wakes up would wait for the lock at once.
  if (is_idle) work_.NotifyOne();
}

bool LogWriter::TryAppendInline(absl::Span<const StagedCommit> commits) {
  if (commits.empty()) return true;
  {
    MutexLock lock(mu_);
    if (writing_ || !staged_.empty() || !broken_.ok()) return false;
    writing_ = true;
  }
  const bool durable = AppendBatch(commits, /*is_inline=*/true);
  bool has_work = false;
  {
    MutexLock lock(mu_);
    writing_ = false;
    has_work = !staged_.empty() || stopping_;
    idle_.NotifyAll();
  }
  if (has_work) work_.NotifyOne();
  return durable;
}

absl::Status LogWriter::Drain() {
  MutexLock lock(mu_);
  const uint64_t target = staged_count_;
  while (broken_.ok() && durable_count_ < target) idle_.Wait(mu_);
  return broken_;
}

LogWriter::Stats LogWriter::stats() const {
  MutexLock lock(mu_);
  return stats_;
}

void LogWriter::Run() {
  while (true) {
    {
      MutexLock lock(mu_);
      // An inline append ends with a call of work_ when there is any, so waiting loses nothing.
      while (writing_ || (staged_.empty() && !stopping_)) work_.Wait(mu_);
      if (staged_.empty() || !broken_.ok()) return;
      TakeBatch();
      writing_ = true;
    }
    const bool durable = AppendBatch(batch_, /*is_inline=*/false);
    if (durable) ReportDurable();
    MutexLock lock(mu_);
    writing_ = false;
    if (durable) durable_count_ += batch_.size();
    idle_.NotifyAll();
    if (!durable) return;
  }
}

void LogWriter::TakeBatch() {
  batch_.clear();
  uint64_t events = 0;
  size_t bytes = 0;
  while (!staged_.empty()) {
    const StagedCommit& next = staged_.front();
    // A commit that is larger than a batch goes alone.
    const bool fits = events + next.count <= options_.batch_events_max &&
                      bytes + next.record.size() <= options_.batch_bytes_max;
    if (!batch_.empty() && !fits) return;
    events += next.count;
    bytes += next.record.size();
    batch_.push_back(std::move(staged_.front()));
    staged_.pop_front();
  }
}

bool LogWriter::AppendBatch(absl::Span<const StagedCommit> commits, bool is_inline) {
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = log_.Append(commits);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - start);
  {
    MutexLock lock(mu_);
    if (status.ok()) {
      ++(is_inline ? stats_.inline_batches : stats_.batches);
      stats_.commits += commits.size();
      for (const StagedCommit& commit : commits) {
        stats_.events += commit.count;
        stats_.bytes += commit.record.size();
      }
      stats_.append_us += static_cast<uint64_t>(took.count());
      return true;
    }
    broken_ = status;
  }
  if (options_.on_fatal) options_.on_fatal(status);
  return false;
}

void LogWriter::ReportDurable() {
  if (!options_.on_durable) return;
  durable_.clear();
  for (const StagedCommit& commit : batch_) {
    const auto known = std::find_if(durable_.begin(), durable_.end(), [&](const auto& entry) {
      return entry.first == commit.partition;
    });
    if (known != durable_.end()) {
      known->second = commit.last();
    } else {
      durable_.emplace_back(commit.partition, commit.last());
    }
  }
  options_.on_durable(durable_);
}

}  // namespace skald::storage
