#include "engine/projection/time_text.h"

#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace skald::projection {
namespace {

// Rows of one round are of about the same time, and putting a second into words is most of the work.
struct Second {
  int64_t value = -1;
  std::string text;
};

}  // namespace

std::string TimeText(Timestamp time) {
  thread_local Second last;
  const int64_t second = time.value() / kSecond;
  if (second != last.value) {
    last.value = second;
    last.text = absl::FormatTime("%Y-%m-%dT%H:%M:%S", absl::FromUnixSeconds(second),
                                 absl::UTCTimeZone());
  }
  char fraction[9] = ".000000Z";
  int64_t micros = time.value() % kSecond;
  for (int i = 6; i > 0; --i, micros /= 10) fraction[i] = static_cast<char>('0' + micros % 10);
  std::string text;
  text.reserve(last.text.size() + 8);
  return text.append(last.text).append(fraction, 8);
}

Json TimeJson(Timestamp time) { return Json::String(TimeText(time)); }

}  // namespace skald::projection
