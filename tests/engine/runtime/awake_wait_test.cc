// Goal: a thread waits awake only where that pays. Method: waits that end at once or late, timed.
#include "engine/runtime/awake_wait.h"

#include <algorithm>
#include <thread>

#include "gtest/gtest.h"

namespace skald::runtime {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kCores = 2;

AwakeWait::Clock::duration TimeOfBegin(AwakeWait& wait, const std::atomic<bool>& flag) {
  const auto begun = AwakeWait::Clock::now();
  wait.Begin(flag);
  return AwakeWait::Clock::now() - begun;
}

// A busy machine may stretch any wait, so the shortest of some is looked at.
AwakeWait::Clock::duration ShortestAfter(unsigned cores, milliseconds wait_before) {
  const std::atomic<bool> nothing = false;
  AwakeWait::Clock::duration shortest = std::chrono::hours(1);
  for (int i = 0; i < 20; ++i) {
    AwakeWait wait(cores);
    wait.Begin(nothing);
    std::this_thread::sleep_for(wait_before);
    wait.End();
    shortest = std::min(shortest, TimeOfBegin(wait, nothing));
  }
  return shortest;
}

TEST(AwakeWaitTest, AfterAShortWaitItLooksForAWhile) {
  const std::atomic<bool> nothing = false;
  bool looked = false;
  // Unless each of these waits was stretched, one is short.
  for (int i = 0; i < 1000 && !looked; ++i) {
    AwakeWait wait(kCores);
    wait.Begin(nothing);
    wait.End();
    looked = TimeOfBegin(wait, nothing) >= AwakeWait::kAwakeMax;
  }
  EXPECT_TRUE(looked);
}

TEST(AwakeWaitTest, AfterALongWaitItSleepsAtOnce) {
  EXPECT_LT(ShortestAfter(kCores, milliseconds(1)), AwakeWait::kAwakeMax / 2);
}

TEST(AwakeWaitTest, WithOneCoreItSleepsAtOnce) {
  EXPECT_LT(ShortestAfter(1, milliseconds(0)), AwakeWait::kAwakeMax / 2);
}

TEST(AwakeWaitTest, WhatIsThereIsTakenAtOnce) {
  const std::atomic<bool> there = true;
  AwakeWait wait(kCores);
  AwakeWait::Clock::duration shortest = std::chrono::hours(1);
  for (int i = 0; i < 20; ++i) {
    shortest = std::min(shortest, TimeOfBegin(wait, there));
    wait.End();
  }
  EXPECT_LT(shortest, AwakeWait::kAwakeMax / 2);
}

TEST(AwakeWaitTest, WhatComesMeanwhileEndsIt) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one core";
  constexpr std::chrono::microseconds kLate = AwakeWait::kAwakeMax / 4;
  std::atomic<bool> flag = false, has_begun = false, is_over = false;
  std::thread other([&] {
    while (!is_over) {
      if (!has_begun.exchange(false)) continue;
      const auto begun = AwakeWait::Clock::now();
      while (AwakeWait::Clock::now() - begun < kLate) {
      }
      flag = true;
    }
  });
  // The two need a core each at the same time: on a busy machine that takes many tries.
  bool came = false;
  for (int i = 0; i < 20'000 && !came; ++i) {
    flag = false;
    AwakeWait wait(kCores);
    wait.Begin(flag);
    wait.End();
    has_begun = true;
    const AwakeWait::Clock::duration time = TimeOfBegin(wait, flag);
    came = flag && time > kLate / 2 && time < AwakeWait::kAwakeMax;
    while (!flag) {
    }
  }
  is_over = true;
  other.join();
  EXPECT_TRUE(came);
}

}  // namespace
}  // namespace skald::runtime
