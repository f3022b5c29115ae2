// How far apart the rounds of read models are: what changes more than once between two rounds is
// written once, so rare rounds cost less; and who reads or watches wants them often.
#pragma once

#include <cstddef>

#include "base/clock.h"

namespace skald::projection {

// From the begin of one round to that of the next, in microseconds.
struct PaceOptions {
  // While nobody reads or watches: three times what a round takes, within these bounds.
  Micros unwatched_min = 100 * kMillisecond;
  Micros unwatched_max = 300 * kMillisecond;
  // While someone watches: for each 50 watchers, as each looks at what each round brings. At most
  // unwatched_min.
  Micros watched = 2 * kMillisecond;
};

// Who wants rows: reads that wait for a round to come, and watchers that follow all.
struct Interest {
  size_t waiting = 0;
  size_t watchers = 0;
};

// `round_took`: how long the last round took. `held_up`: so many of the last ones found commits of
// which none was final, as the disk is slow: who waits is looked after more and more seldom then.
Micros RoundPace(const PaceOptions& options, Interest interest, Micros round_took,
                 size_t held_up = 0);

}  // namespace skald::projection
