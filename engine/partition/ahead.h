// How much a partition has decided that the log has not made durable: what nobody waits for, timers
// and what follows from them, must not run ahead of a slow disk without bound.
//
// Thread rule: owned by its partition.
#pragma once

#include <cstddef>
#include <deque>

#include "base/ids.h"

namespace skald::partition {

class Ahead {
 public:
  // A turn staged so many bytes, the last of them at `last`. Nothing with 0 bytes.
  void Staged(Position last, size_t bytes) {
    if (bytes == 0) return;
    turns_.push_back({last, bytes});
    bytes_ += bytes;
  }
  // Everything up to `position` is durable.
  void Durable(Position position) {
    for (; !turns_.empty() && turns_.front().last <= position; turns_.pop_front()) {
      bytes_ -= turns_.front().bytes;
    }
  }
  // What was staged is gone.
  void Clear() {
    turns_.clear();
    bytes_ = 0;
  }
  size_t bytes() const { return bytes_; }

 private:
  struct Turn {
    Position last;
    size_t bytes = 0;
  };

  std::deque<Turn> turns_;
  size_t bytes_ = 0;
};

}  // namespace skald::partition
