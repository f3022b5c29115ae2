// Refuses requests at a partition's door, before they cost anything: too many under way, or too
// little disk.
//
// A request is under way from Enter until its Ticket goes, which is when its answer has left. So
// the bound holds for everything that waits: at the door, in the inbox and at the gate.
//
// Thread rule: all methods from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "engine/saga/command.h"

namespace skald::partition {

class Admission;

// A request's place among those under way; gives it back when it goes. Must not outlive its door.
class Ticket {
 public:
  Ticket() = default;
  Ticket(Ticket&& other) noexcept
      : admission_(std::exchange(other.admission_, nullptr)),
        bytes_(other.bytes_),
        is_streams_(other.is_streams_) {}
  Ticket& operator=(Ticket&& other) noexcept {
    std::swap(admission_, other.admission_);
    std::swap(bytes_, other.bytes_);
    std::swap(is_streams_, other.is_streams_);
    return *this;
  }
  ~Ticket();

 private:
  friend class Admission;
  Ticket(Admission* admission, size_t bytes, bool is_streams)
      : admission_(admission), bytes_(bytes), is_streams_(is_streams) {}

  Admission* admission_ = nullptr;
  size_t bytes_ = 0;
  bool is_streams_ = false;
};

// How much disk is left, in steps of what is still allowed.
enum class DiskSpace : uint8_t {
  kPlenty,
  kLow,  // no new sagas, no definitions
  kOut,  // reads only
};

struct AdmissionLimits {
  size_t commands_max = 4'096;
  // While requests wait longer than this and what the disk takes, new sagas get less and less of
  // that room.
  Micros start_delay_max = 50 * kMillisecond;
  // While requests of sagas that have begun wait longer than this and what the disk takes, new
  // sagas of streams, which can wait, get less still, down to so much: with more sagas under way
  // than keep the engine busy each ends later and costs more. They begin with eight times that, and
  // get more as they use it.
  Micros begun_delay_max = 2 * kMillisecond;
  size_t begun_room_min = 32;
  size_t bytes_max = 64 << 20;
  uint64_t free_bytes_soft = 0;  // 0: no such floor
  uint64_t free_bytes_hard = 0;
};

// Who asks to be let in.
enum class Caller : uint8_t {
  kCall,
  kStream,  // with one of many, which can wait: leaves a quarter of the room to others
};

class Admission {
 public:
  Admission(PartitionId partition, const AdmissionLimits& limits);
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // Lets a command in. RESOURCE_EXHAUSTED when too much is under way or the disk is too full for
  // it. Workers' answers may take twice the room: they are what makes room. New sagas make work for
  // later, and have as much room as leaves the wait short: else those that are begun would wait
  // behind those that begin, and the more came the fewer would end.
  absl::StatusOr<Ticket> Enter(const saga::Command& command, Caller caller = Caller::kCall);
  // Lets a definition in.
  absl::StatusOr<Ticket> EnterDeploy(size_t bytes);
  // Lets a read in.
  absl::StatusOr<Ticket> EnterRead();

  // How long the oldest request under way has waited, and the oldest for a saga that has begun; and
  // what a write takes that waits for no other: twice that is no sign of a queue, as a request may
  // come just after a write has begun.
  struct Delays {
    Micros all = 0;  // `begun` at least
    Micros begun = 0;
    Micros write = 0;
  };
  // By one thread at a time. The mean of the delays of a tenth of a second counts, as answers come
  // in waves; after the room became less, of twice the mean that there was then, when that is
  // longer.
  void SetDelays(const Delays& delays, Timestamp now);
  // Tells what a write took in the mean of late, by the same thread: what has begun may wait twice
  // that longer.
  void SetWriteTime(Micros mean) { mean_write_ = mean; }
  Micros write_time() const { return mean_write_; }
  // Tells how much of the log's device is free, and how much of that is for what is in memory
  // still: new work is let in by what will be left, what has begun by what there is.
  void SetFreeBytes(uint64_t bytes, uint64_t unwritten = 0);
  DiskSpace disk_space() const { return disk_space_.load(std::memory_order_relaxed); }

  size_t under_way() const { return commands_.load(std::memory_order_relaxed); }

 private:
  friend class Ticket;
  bool HasStartRoom(Caller caller) const;
  // `room`: in quarters of the limits.
  absl::StatusOr<Ticket> Take(size_t bytes, size_t room, bool is_streams = false);
  absl::Status CheckDisk(DiskSpace worst) const;
  void Leave(size_t bytes, bool is_streams);

  const PartitionId partition_;
  const AdmissionLimits limits_;
  // Of the thread that tells the delay: when the room is looked at next, and the sums of what was told
  // since it was last, so many times.
  Timestamp adjust_due_ = kNever;
  Micros delays_ = 0;
  Micros begun_delays_ = 0;
  Micros mean_write_ = 0;
  size_t under_ways_ = 0;
  size_t delay_count_ = 0;
  std::atomic<size_t> commands_ = 0;
  std::atomic<size_t> streams_ = 0;  // of the commands: of streams
  std::atomic<size_t> bytes_ = 0;
  // Requests under way before new sagas are refused, of which calls have more; and before streams'
  // wait.
  std::atomic<size_t> start_room_;
  std::atomic<size_t> stream_room_;
  std::atomic<uint64_t> free_bytes_ = ~uint64_t{0};
  std::atomic<uint64_t> unwritten_bytes_ = 0;
  std::atomic<DiskSpace> disk_space_ = DiskSpace::kPlenty;
};

// The memory that a command holds, roughly.
size_t CommandBytes(const saga::Command& command);

}  // namespace skald::partition
