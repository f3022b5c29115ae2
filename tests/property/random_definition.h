// Random definitions over all the language that runs, as JSON texts. The same seed gives the same
// text.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/json.h"

namespace skald::testing {

class RandomDefinition {
 public:
  explicit RandomDefinition(uint64_t seed) : random_(seed) {}

  // Of namespace "test".
  std::string Text(absl::string_view name = "random", absl::string_view version = "1.0.0");

 private:
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
  bool Chance(uint32_t percent) { return Below(100) < percent; }
  Json List(int depth, bool inside_undo);
  Json Task(int depth, bool inside_undo);
  Json Body(int depth, bool inside_undo);
  Json Try(int depth, bool inside_undo);
  Json Switch(bool inside_undo);
  Json RetryPolicy();
  Json Compensation();
  Json Call(const std::string& prefix);
  Json Seconds(uint32_t below);

  std::mt19937_64 random_;
  int tasks_ = 0;
  bool pivot_allowed_ = true;
};

}  // namespace skald::testing
