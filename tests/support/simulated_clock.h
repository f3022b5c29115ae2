// A clock that stands until a test moves it.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace skald::testing {

class SimulatedClock : public Clock {
 public:
  Timestamp Now() const override { return Timestamp(now_.load()); }
  void Advance(Micros span) { now_ += span; }
  void Set(Timestamp time) { now_ = time.value(); }

 private:
  std::atomic<int64_t> now_ = 1'700'000'000 * kSecond;
};

}  // namespace skald::testing
