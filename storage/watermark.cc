#include "storage/watermark.h"

#include <algorithm>

namespace skald::storage {

void Watermark::Restart(Position durable, Timestamp latest) {
  MutexLock lock(mu_);
  open_from_ = kNever;
  under_way_.clear();
  decided_ = durable;
  latest_ = latest;
}

Timestamp Watermark::BeginTurn(Timestamp earliest) {
  MutexLock lock(mu_);
  open_from_ = std::max(earliest, least_);
  return open_from_;
}

void Watermark::EndTurn(Position decided, Timestamp latest) {
  MutexLock lock(mu_);
  if (decided > decided_) under_way_.push_back({open_from_, decided});
  open_from_ = kNever;
  decided_ = decided;
  latest_ = latest;
}

void Watermark::Durable(Position durable) {
  MutexLock lock(mu_);
  while (!under_way_.empty() && under_way_.front().last <= durable) under_way_.pop_front();
}

Watermark::Reading Watermark::Raise(Timestamp floor) {
  MutexLock lock(mu_);
  least_ = std::max(least_, After(floor, 1));
  // Turns begin in order of time, so the first that is not durable is the earliest.
  const Timestamp open = under_way_.empty() ? open_from_ : under_way_.front().from;
  return {.through = std::min(floor, After(open, -1)), .latest = latest_};
}

}  // namespace skald::storage
