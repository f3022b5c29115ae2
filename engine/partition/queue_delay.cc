#include "engine/partition/queue_delay.h"

#include <algorithm>

namespace skald::partition {

void QueueDelay::BeginTurn(size_t waiting, Timestamp now) {
  const uint64_t through = taken_ + waiting;
  if (waiting > 0 && (arrivals_.empty() || arrivals_.back().through < through)) {
    arrivals_.push_back({through, now});
  }
}

void QueueDelay::EndTurn(size_t taken, size_t left, Position staged, Position durable) {
  taken_ += taken;
  // Requests may be taken back, so that fewer come than arrived.
  while (!arrivals_.empty() && (left == 0 || arrivals_.front().through <= taken_)) {
    if (staged > durable) decided_.push_back({staged, arrivals_.front().time});
    arrivals_.pop_front();
  }
}

void QueueDelay::Durable(Position position) {
  while (!decided_.empty() && decided_.front().needs <= position) decided_.pop_front();
}

void QueueDelay::Clear() {
  arrivals_.clear();
  decided_.clear();
}

Micros QueueDelay::At(Timestamp now) const {
  Timestamp oldest = now;
  if (!decided_.empty()) oldest = std::min(oldest, decided_.front().arrived);
  if (!arrivals_.empty()) oldest = std::min(oldest, arrivals_.front().time);
  return now.value() - oldest.value();
}

}  // namespace skald::partition
