// Where the time comes from. Only shells around the core read it (engine/runtime, the API, tools):
// the core is given the time with each command.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>

#include "base/ids.h"

namespace skald {

class Clock {
 public:
  virtual ~Clock() = default;
  // From any thread. Does not go back.
  virtual Timestamp Now() const = 0;
};

// The machine's clock, but it never goes back: when the machine's clock is set back, this one goes
// on from where it was, at the same pace, so that what is due still comes due. Thread-safe.
class RealClock : public Clock {
 public:
  Timestamp Now() const override {
    const int64_t steady = InMicros(std::chrono::steady_clock::now());
    return Timestamp(steady + Raise(InMicros(std::chrono::system_clock::now()) - steady));
  }

  // From now on it is never before `time`, which another run of the process had reached.
  void GoOnFrom(Timestamp time) {
    Raise(time.value() - InMicros(std::chrono::steady_clock::now()));
  }

 private:
  // Returns the most that was ever wanted.
  int64_t Raise(int64_t wanted) const {
    int64_t ahead = ahead_.load(std::memory_order_relaxed);
    while (wanted > ahead &&
           !ahead_.compare_exchange_weak(ahead, wanted, std::memory_order_relaxed)) {
    }
    return std::max(ahead, wanted);
  }

  template <typename TimePoint>
  static int64_t InMicros(TimePoint time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  }

  // Of the machine's clock before the steady one, at its most.
  mutable std::atomic<int64_t> ahead_ = std::numeric_limits<int64_t>::min();
};

}  // namespace skald
