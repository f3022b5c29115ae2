#include "engine/projection/pace.h"

#include <algorithm>

namespace skald::projection {
namespace {

// Rounds never come faster, whoever waits for what.
constexpr Micros kPaceMin = 200;
// Nor does who waits for what is not final wait longer than this for the next one.
constexpr Micros kHeldUpPaceMax = 2 * kMillisecond;
constexpr size_t kHeldUpMost = 8;
constexpr size_t kWatchersAtFullPace = 50;
// A round and twice its time of rest.
constexpr Micros kRestPart = 3;

}  // namespace

Micros RoundPace(const PaceOptions& options, Interest interest, Micros round_took, size_t held_up) {
  if (interest.waiting > 0) {
    return std::min(kPaceMin << std::min(held_up, kHeldUpMost), kHeldUpPaceMax);
  }
  if (interest.watchers > 0) {
    const auto slower = static_cast<Micros>(1 + interest.watchers / kWatchersAtFullPace);
    return std::min(options.unwatched_min, options.watched * slower);
  }
  return std::clamp(kRestPart * round_took, options.unwatched_min,
                    std::max(options.unwatched_min, options.unwatched_max));
}

}  // namespace skald::projection
