// Virtual time, and what is to happen when: everything in a simulation is an event here, so one seed
// gives one history.
#pragma once

#include <cstdint>
#include <random>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "base/ids.h"

namespace skald::simulation {

// The only source of chance.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  uint64_t Next() { return engine_(); }
  uint64_t Below(uint64_t bound) { return engine_() % bound; }
  bool Chance(uint64_t percent) { return Below(100) < percent; }
  Micros Between(Micros low, Micros high) {
    return low + static_cast<Micros>(Below(static_cast<uint64_t>(high - low + 1)));
  }

 private:
  std::mt19937_64 engine_;
};

class Scheduler {
 public:
  using Action = absl::AnyInvocable<void()>;

  explicit Scheduler(uint64_t seed) : random_(seed) {}

  Timestamp now() const { return now_; }
  Random& random() { return random_; }
  uint64_t steps() const { return steps_; }

  // Runs `action` after `delay`; of two at the same moment, the one that came first.
  void In(Micros delay, Action action) {
    events_.emplace(std::pair(After(now_, delay), next_++), std::move(action));
  }

  // Moves the time to the next event and runs it. False when there is none.
  bool RunNext() {
    if (events_.empty()) return false;
    auto event = events_.begin();
    if (event->first.first > now_) now_ = event->first.first;
    Action action = std::move(event->second);
    events_.erase(event);
    ++steps_;
    action();
    return true;
  }

  // The clock makes a leap; what was due meanwhile is due now.
  void Jump(Micros span) { now_ = After(now_, span); }

 private:
  Random random_;
  Timestamp now_{1'700'000'000 * kSecond};
  absl::btree_map<std::pair<Timestamp, uint64_t>, Action> events_;
  uint64_t next_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace skald::simulation
