// How long the oldest of a partition's requests has waited, for its turn and then for the disk; and
// what of that is the disk's own doing.
//
// Thread rule: owned by the partition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>

#include "base/ids.h"

namespace skald::partition {

class QueueDelay {
 public:
  // A turn begins with so many requests in the inbox; those that were not there at the last one
  // count from now.
  void BeginTurn(size_t waiting, Timestamp now);
  // It took so many of them and left the rest; their answers leave when `staged` is durable.
  void EndTurn(size_t taken, size_t left, Position staged, Position durable);
  void Durable(Position position, Timestamp now);
  void Clear();

  // 0 when nothing waits.
  Micros At(Timestamp now) const;
  // The least time from the turn that decided something to its being durable, of the last ten to
  // twenty seconds in which there was something: what a write takes that waits for no other.
  Micros write_time() const;

 private:
  // Requests up to the so manyth ever arrived then.
  struct Arrival {
    uint64_t through = 0;
    Timestamp time;
  };
  struct Decided {
    Position needs;
    Timestamp arrived;
    Timestamp turn;
  };
  std::deque<Arrival> arrivals_;
  std::deque<Decided> decided_;
  uint64_t taken_ = 0;
  Timestamp turn_;
  // Of the present stretch of ten seconds, and of the one before; kNone: nothing was written yet.
  static constexpr Micros kNone = std::numeric_limits<Micros>::max();
  Timestamp stretch_;
  Micros least_ = kNone;
  Micros least_before_ = kNone;
};

}  // namespace skald::partition
