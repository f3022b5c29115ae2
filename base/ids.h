// Strong types for every id and number that could be swapped for another. No implicit conversions.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace skald {

// A number with a meaning. `Tag` tells kinds apart at compile time.
template <typename Tag, typename Rep>
class StrongNumber {
 public:
  using Representation = Rep;

  constexpr StrongNumber() = default;
  constexpr explicit StrongNumber(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }

  constexpr StrongNumber Next() const { return StrongNumber(static_cast<Rep>(value_ + 1)); }
  // The number `count` places further on.
  constexpr StrongNumber Plus(Rep count) const {
    return StrongNumber(static_cast<Rep>(value_ + count));
  }

  friend constexpr auto operator<=>(StrongNumber, StrongNumber) = default;

  template <typename H>
  friend H AbslHashValue(H hash, StrongNumber number) {
    return H::combine(std::move(hash), number.value_);
  }

 private:
  Rep value_ = 0;
};

// A partition of a store: 0 .. partition count - 1, fixed for the store's life.
using PartitionId = StrongNumber<struct PartitionIdTag, uint32_t>;
// A place in a partition's log: dense, from 1. 0 means "before the first event".
using Position = StrongNumber<struct PositionTag, uint64_t>;
// A place in one saga's stream: dense, from 0.
using Revision = StrongNumber<struct RevisionTag, uint64_t>;
// A moment as microseconds since 1970-01-01 UTC: what commits and timers are stamped with.
using Timestamp = StrongNumber<struct TimestampTag, int64_t>;

inline constexpr Timestamp kNever{std::numeric_limits<int64_t>::max()};

// A span of time in microseconds; may be added to a Timestamp, saturating at kNever.
using Micros = int64_t;

inline constexpr Micros kMillisecond = 1'000;
inline constexpr Micros kSecond = 1'000'000;
inline constexpr Micros kMinute = 60 * kSecond;
inline constexpr Micros kHour = 60 * kMinute;
inline constexpr Micros kDay = 24 * kHour;

// `time` moved by `span`, saturating at kNever and at 0.
constexpr Timestamp After(Timestamp time, Micros span) {
  if (span >= 0 && time.value() > kNever.value() - span) return kNever;
  if (span < 0 && time.value() < -span) return Timestamp(0);
  return Timestamp(time.value() + span);
}

// Names one saga: the namespace of its definition and its id, unique in the namespace.
struct SagaKey {
  std::string namespace_name;
  std::string saga_id;

  friend bool operator==(const SagaKey&, const SagaKey&) = default;
  friend auto operator<=>(const SagaKey&, const SagaKey&) = default;

  template <typename H>
  friend H AbslHashValue(H hash, const SagaKey& key) {
    return H::combine(std::move(hash), key.namespace_name, key.saga_id);
  }
};

}  // namespace skald
