#include "engine/partition/queue_delay.h"

#include <algorithm>
#include <utility>

namespace skald::partition {
namespace {

constexpr Micros kStretch = 10 * kSecond;

}  // namespace

void QueueDelay::BeginTurn(size_t waiting, Timestamp now) {
  turn_ = now;
  const uint64_t through = taken_ + waiting;
  if (waiting > 0 && (arrivals_.empty() || arrivals_.back().through < through)) {
    arrivals_.push_back({through, now});
  }
}

void QueueDelay::EndTurn(size_t taken, size_t left, Position staged, Position durable) {
  taken_ += taken;
  // Requests may be taken back, so that fewer come than arrived.
  while (!arrivals_.empty() && (left == 0 || arrivals_.front().through <= taken_)) {
    if (staged > durable) decided_.push_back({staged, arrivals_.front().time, turn_});
    arrivals_.pop_front();
  }
}

void QueueDelay::Durable(Position position, Timestamp now) {
  if (decided_.empty() || decided_.front().needs > position) return;
  if (now >= After(stretch_, kStretch)) {
    least_before_ = std::exchange(least_, kNone);
    stretch_ = now;
  }
  while (!decided_.empty() && decided_.front().needs <= position) {
    least_ = std::min(least_, std::max<Micros>(now.value() - decided_.front().turn.value(), 0));
    decided_.pop_front();
  }
}

void QueueDelay::Clear() {
  arrivals_.clear();
  decided_.clear();
}

Micros QueueDelay::write_time() const {
  const Micros least = std::min(least_, least_before_);
  return least == kNone ? 0 : least;
}

Micros QueueDelay::At(Timestamp now) const {
  Timestamp oldest = now;
  if (!decided_.empty()) oldest = std::min(oldest, decided_.front().arrived);
  if (!arrivals_.empty()) oldest = std::min(oldest, arrivals_.front().time);
  return now.value() - oldest.value();
}

}  // namespace skald::partition
