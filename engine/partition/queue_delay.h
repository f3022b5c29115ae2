// How long the oldest of a partition's requests has waited, for its turn and then for the disk.
//
// Thread rule: owned by the partition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/ids.h"

namespace skald::partition {

class QueueDelay {
 public:
  // A turn begins with so many requests in the inbox; those that were not there at the last one
  // count from now.
  void BeginTurn(size_t waiting, Timestamp now);
  // It took so many of them and left the rest; their answers leave when `staged` is durable.
  void EndTurn(size_t taken, size_t left, Position staged, Position durable);
  void Durable(Position position);
  void Clear();

  // 0 when nothing waits.
  Micros At(Timestamp now) const;

 private:
  // Requests up to the so manyth ever arrived then.
  struct Arrival {
    uint64_t through = 0;
    Timestamp time;
  };
  struct Decided {
    Position needs;
    Timestamp arrived;
  };
  std::deque<Arrival> arrivals_;
  std::deque<Decided> decided_;
  uint64_t taken_ = 0;
};

}  // namespace skald::partition
