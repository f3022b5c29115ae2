#include "engine/partition/timers.h"

#include <utility>

#include "base/status_macros.h"

namespace skald::partition {
namespace {

// Rows fetched in one go, so that a minute with a million timers does not stall the partition.
constexpr size_t kFetchedAtOnce = 10'000;

}  // namespace

void Timers::Add(const SagaKey& saga, const saga::Timer& timer) {
  if (timer.due >= fetched_until_) return;
  due_.insert({timer.due, saga, timer});
}

void Timers::Remove(const SagaKey& saga, const saga::Timer& timer) {
  if (timer.due >= fetched_until_) return;
  due_.erase({timer.due, saga, timer});
}

void Timers::Postpone(const SagaKey& saga, const saga::Timer& timer, Timestamp until) {
  due_.insert({until, saga, timer});
}

absl::Status Timers::Fetch(const storage::Delta& delta, Timestamp until) {
  if (until <= fetched_until_) return absl::OkStatus();
  size_t fetched = 0;
  Timestamp reached = until, last = fetched_until_;
  absl::Status malformed;
  SKALD_RETURN_IF_ERROR(
      delta.Scan(TimerBound(partition_, fetched_until_), TimerBound(partition_, until),
                 [&](absl::string_view key, absl::string_view) {
                   absl::StatusOr<TimerRow> row = ParseTimerKey(key);
                   malformed = row.status();
                   if (!row.ok()) return false;
                   // Only between two moments: what is due at `reached` is fetched next time.
                   if (fetched >= kFetchedAtOnce && row->timer.due > last) {
                     reached = row->timer.due;
                     return false;
                   }
                   ++fetched;
                   last = row->timer.due;
                   due_.insert({row->timer.due, row->saga, row->timer});
                   return true;
                 }));
  SKALD_RETURN_IF_ERROR(malformed);
  fetched_until_ = reached;
  return absl::OkStatus();
}

std::optional<TimerRow> Timers::PopDue(Timestamp now) {
  if (due_.empty() || due_.begin()->at > now) return std::nullopt;
  TimerRow row{due_.begin()->saga, due_.begin()->timer};
  due_.erase(due_.begin());
  return row;
}

}  // namespace skald::partition
