// How many items a page holds, the same for every list.
#pragma once

#include <algorithm>
#include <cstdint>

namespace skald::api {

inline constexpr uint32_t kPageSizeDefault = 100;
inline constexpr uint32_t kPageSizeMax = 1'000;
// A page ends early past this many bytes, to stay well under the 4 MiB a client takes by default.
inline constexpr size_t kPageBytes = 1 << 20;

inline uint32_t CoercePageSize(uint32_t asked) {
  return asked == 0 ? kPageSizeDefault : std::min(asked, kPageSizeMax);
}

}  // namespace skald::api
