#include "engine/partition/admission.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/errors.h"
#include "base/status_macros.h"

namespace skald::partition {
namespace {

// What a request takes beside its payload.
constexpr size_t kRequestBytes = 512;
// A refused caller comes back when a few batches have gone through.
constexpr Micros kRetryAfter = 50 * kMillisecond;
// The room for new sagas: one in so many of the most at least, however long the wait; how many
// times less it becomes at once, at most, as one long wait may be the disk's; by what part it grows
// while the wait is short; and how often it changes. From least to most takes 4.3 seconds.
constexpr size_t kLeastPart = 128;
constexpr double kShrinkMost = 2;
constexpr size_t kGrowthPart = 8;
constexpr Micros kAdjustInterval = 100 * kMillisecond;
// Streams have so many times their least at first, and more only while such a part of it is in use:
// else a flood would find room that nothing has tried, and what it brings would be under way for
// seconds.
constexpr size_t kFirstTimes = 8;
constexpr size_t kUsedPart = 2;
// Calls have so many times the room of streams, so that what floods a stream delays calls at most.
constexpr size_t kCallsMore = 4;
// Quarters of the limits.
constexpr size_t kAll = 4;
constexpr size_t kStreams = 3;

// What may be under way next, when so much was allowed, so many requests were under way and waited
// for `wait` in the mean. By Little's law what is under way is what gets done in a time, times how
// long each waits: so both tell how much may be under way that the wait is just what it may be.
size_t NextRoom(size_t room, size_t under_way, Micros wait, Micros allowed, size_t least,
                size_t most) {
  if (wait <= allowed) return std::min(room + std::max<size_t>(room / kGrowthPart, 1), most);
  const double part =
      std::max(static_cast<double>(allowed) / static_cast<double>(wait), 1 / kShrinkMost);
  const double fits = static_cast<double>(std::min(under_way, room)) * part;
  return std::min(std::max(static_cast<size_t>(fits), least), most);
}

}  // namespace

Admission::Admission(PartitionId partition, const AdmissionLimits& limits)
    : partition_(partition),
      limits_(limits),
      start_room_(limits.commands_max),
      stream_room_(std::min(kFirstTimes * limits.begun_room_min, limits.commands_max)) {}

Ticket::~Ticket() {
  if (admission_ != nullptr) admission_->Leave(bytes_, is_streams_);
}

size_t CommandBytes(const saga::Command& command) {
  size_t bytes = kRequestBytes;
  // The text, and about as much again for the value.
  if (const auto* start = std::get_if<saga::StartSaga>(&command.request)) {
    bytes += 2 * start->input.text.size();
  } else if (const auto* answer = std::get_if<saga::AnswerTask>(&command.request)) {
    if (answer->output) bytes += 2 * answer->output->text.size();
  } else if (const auto* complete = std::get_if<saga::CompleteTask>(&command.request)) {
    bytes += 2 * complete->output.text.size();
  }
  return bytes;
}

absl::Status Admission::CheckDisk(DiskSpace worst) const {
  const DiskSpace now = disk_space();
  if (now <= worst) [[likely]] {
    return absl::OkStatus();
  }
  const uint64_t free = free_bytes_.load(std::memory_order_relaxed);
  if (now == DiskSpace::kOut) return DiskSpaceOutError(free, limits_.free_bytes_hard);
  return DiskSpaceLowError(free, unwritten_bytes_.load(std::memory_order_relaxed),
                           limits_.free_bytes_soft);
}

absl::StatusOr<Ticket> Admission::Take(size_t bytes, size_t room, bool is_streams) {
  const size_t commands = commands_.fetch_add(1, std::memory_order_relaxed);
  const size_t held = bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (is_streams) streams_.fetch_add(1, std::memory_order_relaxed);
  // One request is always let in, however large: the API bounds its size.
  if (commands > 0 && (commands >= room * limits_.commands_max / kAll ||
                       held + bytes > room * limits_.bytes_max / kAll)) {
    Leave(bytes, is_streams);
    return PartitionOverloadedError(partition_, kRetryAfter);
  }
  return Ticket(this, bytes, is_streams);
}

void Admission::Leave(size_t bytes, bool is_streams) {
  commands_.fetch_sub(1, std::memory_order_relaxed);
  bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  if (is_streams) streams_.fetch_sub(1, std::memory_order_relaxed);
}

absl::StatusOr<Ticket> Admission::Enter(const saga::Command& command, Caller caller) {
  const bool starts = std::holds_alternative<saga::StartSaga>(command.request);
  SKALD_RETURN_IF_ERROR(CheckDisk(starts ? DiskSpace::kPlenty : DiskSpace::kLow));
  if (starts && !HasStartRoom(caller)) return PartitionOverloadedError(partition_, kRetryAfter);
  if (caller == Caller::kStream) return Take(CommandBytes(command), kStreams, true);
  const bool answers = std::holds_alternative<saga::AnswerTask>(command.request);
  return Take(CommandBytes(command), answers ? 2 * kAll : kAll);
}

bool Admission::HasStartRoom(Caller caller) const {
  const size_t all = under_way();
  if (caller == Caller::kStream) return all < stream_room_.load(std::memory_order_relaxed);
  const size_t streams = streams_.load(std::memory_order_relaxed);
  return all - std::min(streams, all) < kCallsMore * start_room_.load(std::memory_order_relaxed);
}

absl::StatusOr<Ticket> Admission::EnterDeploy(size_t bytes) {
  SKALD_RETURN_IF_ERROR(CheckDisk(DiskSpace::kPlenty));
  return Take(kRequestBytes + bytes, kAll);
}

absl::StatusOr<Ticket> Admission::EnterRead() { return Take(kRequestBytes, kAll); }

// What less room does shows only when the present queue is gone, so nothing is changed until then.
void Admission::SetDelays(const Delays& delays, Timestamp now) {
  delays_ += delays.all;
  begun_delays_ += delays.begun;
  under_ways_ += under_way();
  ++delay_count_;
  if (adjust_due_ == kNever) adjust_due_ = After(now, kAdjustInterval);
  if (now < adjust_due_) return;
  const size_t count = std::exchange(delay_count_, 0);
  const Micros wait = std::exchange(delays_, 0) / static_cast<Micros>(count);
  const Micros begun_wait = std::exchange(begun_delays_, 0) / static_cast<Micros>(count);
  const size_t waiting = std::exchange(under_ways_, 0) / count;

  const Micros allowed = limits_.start_delay_max + 2 * delays.write;
  const Micros begun_allowed = limits_.begun_delay_max + 2 * std::max(delays.write, mean_write_);
  const size_t most = limits_.commands_max;
  const size_t room = NextRoom(start_room_.load(std::memory_order_relaxed), waiting, wait, allowed,
                               std::max<size_t>(most / kLeastPart, 1), most);
  start_room_.store(room, std::memory_order_relaxed);
  size_t stream_room = stream_room_.load(std::memory_order_relaxed);
  if (begun_wait > begun_allowed || waiting >= stream_room / kUsedPart) {
    stream_room =
        NextRoom(stream_room, waiting, begun_wait, begun_allowed, limits_.begun_room_min, room);
  }
  stream_room_.store(std::min(stream_room, room), std::memory_order_relaxed);
  const bool is_long = wait > allowed || begun_wait > begun_allowed;
  adjust_due_ = After(now, is_long ? std::max(2 * wait, kAdjustInterval) : kAdjustInterval);
}

void Admission::SetFreeBytes(uint64_t bytes, uint64_t unwritten) {
  free_bytes_.store(bytes, std::memory_order_relaxed);
  unwritten_bytes_.store(unwritten, std::memory_order_relaxed);
  DiskSpace space = DiskSpace::kPlenty;
  const bool has_soft_floor = limits_.free_bytes_soft > 0;
  if (has_soft_floor && bytes < limits_.free_bytes_soft + unwritten) space = DiskSpace::kLow;
  if (bytes < limits_.free_bytes_hard) space = DiskSpace::kOut;
  disk_space_.store(space, std::memory_order_relaxed);
}

}  // namespace skald::partition
