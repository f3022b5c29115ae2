// What happened in a simulation, as lines: their hash tells two runs apart, the last ones tell how a
// violation came about. Holds the first violation, which ends the run.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "base/ids.h"

namespace skald::simulation {

// A promise that was not kept.
struct Violation {
  std::string invariant;  // its name: see docs/testing.md
  std::string what;
};

class Trace {
 public:
  explicit Trace(bool verbose) : verbose_(verbose) {}

  // Adds a line. With `verbose` it is printed at once.
  void Add(Timestamp now, absl::string_view line);
  // Notes that an invariant does not hold. Only the first one counts.
  void Violate(absl::string_view invariant, absl::string_view what);

  // Over all lines so far.
  uint64_t hash() const { return hash_; }
  uint64_t lines() const { return lines_; }
  // The last 50 lines.
  const std::deque<std::string>& last() const { return last_; }
  const std::optional<Violation>& violation() const { return violation_; }

 private:
  const bool verbose_;
  uint64_t hash_ = 0xcbf29ce484222325;
  uint64_t lines_ = 0;
  std::deque<std::string> last_;
  std::optional<Violation> violation_;
};

// FNV-1a, the same on every machine; `seed` chains.
uint64_t HashBytes(absl::string_view bytes, uint64_t seed = 0xcbf29ce484222325);

}  // namespace skald::simulation
