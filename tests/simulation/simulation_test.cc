// Goal: a simulation is its seed: whatever it found can be looked at again. And what was found once
// stays mended. Method: runs of one seed are compared by the hash of their traces; seeds that led to a
// mend are played (tests/simulation/regressions: a seed a line, with what it showed).
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"
#include "tests/simulation/world.h"

namespace skald::simulation {
namespace {

TEST(SimulationTest, OneSeedGivesOneTrace) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const SimulationResult first = Simulate({.seed = seed, .shown = {}});
    const SimulationResult second = Simulate({.seed = seed, .shown = {}});
    EXPECT_EQ(first.hash, second.hash) << "seed " << seed;
    EXPECT_EQ(first.steps, second.steps) << "seed " << seed;
    std::printf("seed %d: trace %016llx of %llu lines\n", static_cast<int>(seed),
                static_cast<unsigned long long>(first.hash),
                static_cast<unsigned long long>(first.lines));
  }
}

TEST(SimulationTest, SeedsGiveDifferentTraces) {
  EXPECT_NE(Simulate({.seed = 1, .shown = {}}).hash, Simulate({.seed = 2, .shown = {}}).hash);
}

TEST(SimulationTest, WhatWasMendedStaysMended) {
  std::ifstream file(SKALD_SOURCE_DIR "/tests/simulation/regressions");
  ASSERT_TRUE(file);
  int seeds = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    uint64_t seed = 0;
    std::istringstream(line) >> seed;
    const SimulationResult result = Simulate({.seed = seed, .shown = {}});
    ++seeds;
    EXPECT_FALSE(result.violation) << line << "\n"
                                   << result.violation->invariant << ": " << result.violation->what;
  }
  EXPECT_GT(seeds, 0);
}

}  // namespace
}  // namespace skald::simulation
