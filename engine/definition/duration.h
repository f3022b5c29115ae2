// A span of time as the DSL writes it: an object {days, hours, minutes, seconds, milliseconds} or
// an ISO 8601 string. Months and years are relative to the calendar, so a span becomes a moment
// only from a start.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"

namespace skald::definition {

struct Duration {
  int64_t months = 0;  // years count as 12
  Micros micros = 0;

  // P[nY][nM][nW][nD][T[nH][nM][nS]], decimals allowed in each part but years and months.
  // INVALID_ARGUMENT says what is wrong.
  static absl::StatusOr<Duration> ParseIso8601(absl::string_view text);
  // From the object form or an ISO 8601 string.
  static absl::StatusOr<Duration> FromJson(const Json& value);

  // `start` moved by this span, in UTC; the day of the month is clamped to the month's last.
  // Saturates at kNever.
  Timestamp From(Timestamp start) const;
};

}  // namespace skald::definition
