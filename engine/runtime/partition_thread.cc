#include "engine/runtime/partition_thread.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/errors.h"
#include "base/this_thread.h"

namespace skald::runtime {
namespace {

// The longest sleep, so that a clock that was set does not hold timers up for long.
constexpr Micros kSleepMax = kSecond;
// How often partitions are told what writes take.
constexpr Micros kWriteTimeInterval = 100 * kMillisecond;

thread_local PartitionThread* current = nullptr;

void Refuse(PartitionThread::Submission& submission) {
  if (!submission.done) return;
  std::move(submission.done)(
      PartitionNotServingError(submission.partition->id(), "the engine is stopping"));
}

}  // namespace

PartitionThread::PartitionThread(PartitionThreadOptions options)
    : options_(std::move(options)), awake_wait_(std::thread::hardware_concurrency()) {}

PartitionThread::~PartitionThread() {
  Stop();
  std::vector<Item> left;
  {
    MutexLock lock(mu_);
    std::swap(left, intake_);
  }
  for (Item& item : left) {
    if (auto* const submission = std::get_if<Submission>(&item)) Refuse(*submission);
  }
}

void PartitionThread::Start() {
  thread_ = std::thread([this] {
    NameThread("partitions");
    current = this;
    Run();
  });
}

PartitionThread* PartitionThread::Current() { return current; }

template <typename Fill>
bool PartitionThread::Add(Fill fill) {
  bool must_wake = false;
  {
    MutexLock lock(mu_);
    if (stopping_) return false;
    fill(intake_);
    has_intake_.store(true, std::memory_order_release);
    must_wake = std::exchange(asleep_, false);
  }
  if (must_wake) wake_.NotifyOne();
  return true;
}

void PartitionThread::Submit(Submission submission) {
  const bool added =
      Add([&](std::vector<Item>& intake) { intake.emplace_back(std::move(submission)); });
  if (!added) Refuse(submission);
}

void PartitionThread::Submit(std::vector<Submission> submissions) {
  const bool added = Add([&](std::vector<Item>& intake) {
    for (Submission& each : submissions) intake.emplace_back(std::move(each));
  });
  if (added) return;
  for (Submission& each : submissions) Refuse(each);
}

void PartitionThread::Post(absl::AnyInvocable<void()> work) {
  Add([&](std::vector<Item>& intake) { intake.emplace_back(std::move(work)); });
}

void PartitionThread::Durable(
    absl::Span<const std::pair<partition::Partition*, Position>> positions) {
  Add([&](std::vector<Item>& intake) {
    for (const auto& [partition, position] : positions) {
      intake.emplace_back(News{partition, position});
    }
  });
}

void PartitionThread::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void PartitionThread::Run() {
  Timestamp due;
  while (Take(due)) {
    HandOver();
    EndTurn();
    const Timestamp now = options_.clock->Now();
    TellWriteTime(now);
    PollAll(now);
    Append();
    EndTurn();
    due = NextDue();
  }
}

bool PartitionThread::Take(Timestamp due) {
  items_.clear();
  const bool waits = TimeUntil(due) > 0;
  if (waits) awake_wait_.Begin(has_intake_);
  MutexLock lock(mu_);
  Sleep(due);
  if (waits) awake_wait_.End();
  // What is left is answered by the destructor.
  if (stopping_) return false;
  std::swap(items_, intake_);
  has_intake_.store(false, std::memory_order_relaxed);
  return true;
}

void PartitionThread::Sleep(Timestamp due) {
  while (intake_.empty() && !stopping_) {
    const Micros time = TimeUntil(due);
    if (time <= 0) return;
    asleep_ = true;
    const bool woken = wake_.WaitFor(mu_, std::chrono::microseconds(time));
    asleep_ = false;
    if (!woken) return;
  }
}

Micros PartitionThread::TimeUntil(Timestamp due) const {
  const Timestamp now = options_.clock->Now();
  return std::min(due.value() - std::min(due, now).value(), kSleepMax);
}

void PartitionThread::HandOver() {
  for (Item& item : items_) {
    if (auto* const submission = std::get_if<Submission>(&item)) {
      submission->partition->Submit(std::move(submission->command), std::move(submission->ticket),
                                    std::move(submission->done));
    } else if (auto* const news = std::get_if<News>(&item)) {
      Tell(*news->partition, news->position);
    } else {
      std::get<absl::AnyInvocable<void()>>(item)();
    }
  }
  // What they held must not wait for the next turn.
  items_.clear();
}

void PartitionThread::Tell(partition::Partition& partition, Position position) {
  const absl::Status status = partition.OnDurable(position, options_.clock->Now());
  if (status.ok() || broken_) return;
  broken_ = true;
  options_.on_fatal(status);
}

void PartitionThread::TellWriteTime(Timestamp now) {
  if (now < tell_due_) return;
  tell_due_ = After(now, kWriteTimeInterval);
  const storage::LogWriter::Stats before = std::exchange(told_, options_.writer->stats());
  const uint64_t batches =
      told_.batches + told_.inline_batches - before.batches - before.inline_batches;
  if (batches == 0) return;
  const auto mean = static_cast<Micros>((told_.append_us - before.append_us) / batches);
  for (partition::Partition* const partition : options_.partitions) {
    partition->admission().SetWriteTime(mean);
  }
}

void PartitionThread::PollAll(Timestamp now) {
  last_staged_.clear();
  for (partition::Partition* const partition : options_.partitions) {
    if (!partition->HasWork() && partition->NextDue() > now) {
      options_.on_turn(*partition);
      continue;
    }
    const size_t before = staged_.size();
    partition->Poll(now, staged_);
    if (staged_.size() > before) last_staged_.emplace_back(partition, staged_.back().last());
    if (!partition->broken().ok() && !broken_) {
      broken_ = true;
      options_.on_fatal(partition->broken());
    }
    options_.on_turn(*partition);
  }
}

bool PartitionThread::HasMore() {
  for (const partition::Partition* const partition : options_.partitions) {
    if (partition->HasWork()) return true;
  }
  MutexLock lock(mu_);
  return !intake_.empty();
}

void PartitionThread::Append() {
  if (broken_) staged_.clear();
  if (staged_.empty()) return;
  // With more to decide, deciding it while another thread syncs this is better than to wait.
  if (!HasMore() && options_.writer->TryAppendInline(staged_)) {
    staged_.clear();
    for (const auto& [partition, position] : last_staged_) {
      Tell(*partition, position);
      options_.on_turn(*partition);
    }
    options_.on_durable();
    return;
  }
  options_.writer->Stage(std::exchange(staged_, {}));
}

void PartitionThread::EndTurn() {
  while (!at_turn_end_.empty()) {
    for (absl::AnyInvocable<void()>& work : std::exchange(at_turn_end_, {})) work();
  }
}

Timestamp PartitionThread::NextDue() const {
  Timestamp due = kNever;
  for (const partition::Partition* const partition : options_.partitions) {
    due = std::min(due, partition->NextDue());
  }
  return due;
}

}  // namespace skald::runtime
