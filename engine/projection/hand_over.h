// When a rebuild is handed over to the rounds' thread, which folds the rest while the live models
// wait.
//
// That is when few events are left, so that nobody notices. Where the log grows about as fast as
// the builder folds, more are, or a rebuild that somebody wants would never end; but no more than
// are folded in kRestTimeMax. A builder that waits, for its rate or as it is paused, is no reason
// for more.
//
// Thread rule: one thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace skald::projection {

// The live models wait no longer at once for the rest of a rebuild.
inline constexpr Micros kRestTimeMax = 300 * kMillisecond;

class HandOver {
 public:
  explicit HandOver(bool somebody_waits) : may_grow_(somebody_waits) {}

  // The builder has folded so many events in that time.
  void Folded(uint64_t events, Micros took) {
    folded_ += events;
    took_ += took;
    if (took_ > 0) {
      const auto rest = static_cast<uint64_t>(static_cast<double>(folded_) * kRestTimeMax /
                                              static_cast<double>(took_));
      in_time_ = std::max(rest, kEventsInTimeMin);
    }
  }

  // Whether what is left is to be handed over.
  bool IsLittle(uint64_t left, Timestamp now) {
    if (!since_) Begin(left, now);
    if (now >= After(*since_, kSecond)) {
      // What was folded is hardly less than what came.
      const bool gains = left + folded_ / 8 <= left_before_;
      const bool was_at_it = 2 * took_ >= now.value() - since_->value();
      if (gains) {
        events_ = kEvents;
      } else if (was_at_it && may_grow_) {
        events_ = std::max(kEvents, std::min(2 * events_, in_time_));
      }
      Begin(left, now);
    }
    return left <= std::min(events_, in_time_);
  }

 private:
  static constexpr uint64_t kEvents = 5'000;
  // However slow it was: a few are not worth the wait for better times.
  static constexpr uint64_t kEventsInTimeMin = 100;

  void Begin(uint64_t left, Timestamp now) {
    since_ = now;
    left_before_ = left;
    folded_ = 0;
    took_ = 0;
  }

  const bool may_grow_;
  uint64_t events_ = kEvents;
  uint64_t in_time_ = kEvents;  // so many are folded in kRestTimeMax
  // What it is judged by, for a second at least.
  std::optional<Timestamp> since_;
  uint64_t left_before_ = 0, folded_ = 0;
  Micros took_ = 0;
};

}  // namespace skald::projection
