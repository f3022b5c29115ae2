// skald_sim --seed N [--count M] [--verbose] [--saga ID] [--steps K] [--mutation NAME --expect INVARIANT]
//
// Plays simulations, one a seed, from N on. Exit code 0: every promise was kept; 1: one was not, and
// the seed that shows it is printed with the way there; 2: wrong usage.
//
// With --mutation one thing is broken on purpose, and the exit code is 0 when one of the seeds finds a
// violation of the invariant that is expected.
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/simulation/world.h"

namespace skald::simulation {
namespace {

constexpr std::pair<const char*, Mutation> kMutations[] = {
    {"skip-sync", Mutation::kSkipSync},
    {"forget-requests", Mutation::kForgetRequests},
    {"open-gate", Mutation::kOpenGate},
    {"early-views", Mutation::kEarlyViews},
    {"split-checkpoint", Mutation::kSplitCheckpoint},
    {"keep-torn", Mutation::kKeepTorn},
    {"split-models", Mutation::kSplitModels},
    {"stale-audit", Mutation::kStaleAudit},
};

struct Flags {
  SimulationOptions options;
  uint64_t count = 1;
  std::string mutation, expect;
};

std::optional<Flags> Parse(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--verbose") {
      flags.options.verbose = true;
      continue;
    }
    if (i + 1 == argc) return std::nullopt;
    const std::string value = argv[++i];
    bool ok = true;
    if (flag == "--seed") {
      ok = absl::SimpleAtoi(value, &flags.options.seed);
    } else if (flag == "--count") {
      ok = absl::SimpleAtoi(value, &flags.count);
    } else if (flag == "--steps") {
      ok = absl::SimpleAtoi(value, &flags.options.steps_max);
    } else if (flag == "--mutation") {
      flags.mutation = value;
      ok = false;
      for (const auto& [name, mutation] : kMutations) {
        if (value != name) continue;
        flags.options.mutation = mutation;
        ok = true;
      }
    } else if (flag == "--saga") {
      flags.options.shown = value;
    } else if (flag == "--expect") {
      flags.expect = value;
    } else {
      ok = false;
    }
    if (!ok) return std::nullopt;
  }
  if (flags.mutation.empty() != flags.expect.empty()) return std::nullopt;
  return flags;
}

void Report(const Flags& flags, const SimulationResult& result) {
  std::printf("the last steps:\n");
  for (const std::string& line : result.last) std::printf("%s\n", line.c_str());
  std::printf("\nVIOLATED: %s\n%s\n", result.violation->invariant.c_str(),
              result.violation->what.c_str());
  std::printf("replay it: skald_sim --seed %llu --steps %llu --verbose%s\n",
              static_cast<unsigned long long>(flags.options.seed),
              static_cast<unsigned long long>(result.steps),
              flags.mutation.empty()
                  ? ""
                  : absl::StrCat(" --mutation ", flags.mutation, " --expect ", flags.expect).c_str());
}

int Run(Flags flags) {
  SimulationResult sum;
  std::map<std::string, int> found;
  const uint64_t end = flags.options.seed + flags.count;
  for (; flags.options.seed < end; ++flags.options.seed) {
    const SimulationResult result = Simulate(flags.options);
    if (result.violation && flags.mutation.empty()) {
      Report(flags, result);
      return 1;
    }
    if (result.violation) {
      ++found[result.violation->invariant];
      if (result.violation->invariant == flags.expect) {
        std::printf("%s: seed %llu finds that '%s' is violated: %s\n", flags.mutation.c_str(),
                    static_cast<unsigned long long>(flags.options.seed), flags.expect.c_str(),
                    result.violation->what.c_str());
        return 0;
      }
    }
    sum.hash ^= result.hash;
    sum.steps += result.steps;
    sum.commits += result.commits;
    sum.sagas += result.sagas;
    sum.crashes += result.crashes;
    sum.effects += result.effects;
  }
  if (!flags.mutation.empty()) {
    std::printf("%s: no seed of %llu finds that '%s' is violated\n", flags.mutation.c_str(),
                static_cast<unsigned long long>(flags.count), flags.expect.c_str());
    for (const auto& [name, times] : found) std::printf("  '%s': %d times\n", name.c_str(), times);
    return 1;
  }
  std::printf("%llu seeds: %llu steps, %llu crashes, %llu sagas, %llu commits, %llu effects, "
              "trace %016llx\n",
              static_cast<unsigned long long>(flags.count),
              static_cast<unsigned long long>(sum.steps),
              static_cast<unsigned long long>(sum.crashes),
              static_cast<unsigned long long>(sum.sagas),
              static_cast<unsigned long long>(sum.commits),
              static_cast<unsigned long long>(sum.effects),
              static_cast<unsigned long long>(sum.hash));
  return 0;
}

}  // namespace
}  // namespace skald::simulation

int main(int argc, char** argv) {
  const auto flags = skald::simulation::Parse(argc, argv);
  if (!flags) {
    std::fprintf(stderr,
                 "usage: skald_sim --seed N [--count M] [--verbose] [--saga ID] [--steps K]\n"
                 "                 [--mutation NAME --expect INVARIANT]\n");
    return 2;
  }
  return skald::simulation::Run(*flags);
}
