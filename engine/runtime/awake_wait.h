// Waiting awake, for a short time, for what another thread brings at once.
//
// A thread that sleeps takes some 50 us to be woken on a virtual machine, as its core has to be
// woken too; the answer to what it just sent may be there in 100. So it looks for a while before it
// sleeps, if what it waited for last came soon: where things come seldom, it sleeps at once
// (docs/adr/0021-waiting-awake.md).
//
//   wait.Begin(flag);   // returns at once, or when the flag is set, or when it is time to sleep
//   ... sleeps until the flag is set, if it is not ...
//   wait.End();
//
// Thread rule: one thread's own.
#pragma once

#include <atomic>
#include <chrono>

namespace skald::runtime {

class AwakeWait {
 public:
  using Clock = std::chrono::steady_clock;
  // The longest that it waits awake.
  static constexpr std::chrono::microseconds kAwakeMax{100};
  // A wait that took less, with waking up, was short.
  static constexpr std::chrono::microseconds kShort{200};

  // Who is to set the flag needs a core too: with one there is nothing to wait awake for.
  explicit AwakeWait(unsigned cores) : has_cores_(cores > 1) {}

  void Begin(const std::atomic<bool>& flag) {
    begun_ = Clock::now();
    if (!has_cores_ || !was_short_) return;
    while (!flag.load(std::memory_order_acquire) && Clock::now() - begun_ < kAwakeMax) Pause();
  }
  // After each Begin, once.
  void End() { was_short_ = Clock::now() - begun_ < kShort; }

 private:
  // Leaves the core's other thread, where it has one, more of it; about a tenth of a microsecond to
  // a whole one.
  static void Pause() {
    for (int i = 0; i < 20; ++i) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      asm volatile("yield");
#endif
    }
  }

  const bool has_cores_;
  bool was_short_ = false;
  Clock::time_point begun_;
};

}  // namespace skald::runtime
