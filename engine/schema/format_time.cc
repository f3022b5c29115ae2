// Formats of dates and times.
#include <cstdint>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "engine/schema/format.h"

namespace skald::schema {
namespace {

// Takes `count` digits off the front.
std::optional<int> TakeDigits(absl::string_view& text, size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!absl::ascii_isdigit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool TakeChar(absl::string_view& text, char wanted) {
  if (text.empty() || absl::ascii_tolower(text[0]) != absl::ascii_tolower(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

// Takes two digits and gives -1 unless they are within [0, max].
int TakeTwoDigits(absl::string_view& text, int max) {
  const std::optional<int> value = TakeDigits(text, 2);
  return value.has_value() && *value <= max ? *value : -1;
}

int DaysOfMonth(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

// Takes "Z" or "+hh:mm" and gives the minutes east of UTC.
std::optional<int> TakeOffset(absl::string_view& text) {
  if (TakeChar(text, 'Z')) return 0;
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const int sign = text[0] == '+' ? 1 : -1;
  text.remove_prefix(1);
  const int hours = TakeTwoDigits(text, 23);
  if (hours < 0 || !TakeChar(text, ':')) return std::nullopt;
  const int minutes = TakeTwoDigits(text, 59);
  if (minutes < 0) return std::nullopt;
  return sign * (hours * 60 + minutes);
}

// Takes a number and its unit, which must be units[next] or a later one. Gives the place of the
// unit.
std::optional<size_t> TakeElement(absl::string_view& text, absl::string_view units) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  if (digits == 0 || digits == text.size()) return std::nullopt;
  const size_t unit = units.find(text[digits]);
  if (unit == absl::string_view::npos) return std::nullopt;
  text.remove_prefix(digits + 1);
  return unit;
}

// True when `text` is elements of which each has the unit right after that of the one before (RFC
// 3339 has no hours with seconds but without minutes).
bool IsElements(absl::string_view text, absl::string_view units) {
  std::optional<size_t> last;
  while (!text.empty()) {
    const std::optional<size_t> unit = TakeElement(text, units);
    if (!unit.has_value() || (last.has_value() && *unit != *last + 1)) return false;
    last = unit;
  }
  return last.has_value();
}

}  // namespace

bool IsDate(absl::string_view text) {
  const std::optional<int> year = TakeDigits(text, 4);
  if (!year.has_value() || !TakeChar(text, '-')) return false;
  const int month = TakeTwoDigits(text, 12);
  if (month < 1 || !TakeChar(text, '-')) return false;
  return TakeTwoDigits(text, DaysOfMonth(*year, month)) >= 1 && text.empty();
}

bool IsTime(absl::string_view text) {
  constexpr int kMinutesPerDay = 24 * 60;
  const int hour = TakeTwoDigits(text, 23);
  if (hour < 0 || !TakeChar(text, ':')) return false;
  const int minute = TakeTwoDigits(text, 59);
  if (minute < 0 || !TakeChar(text, ':')) return false;
  const int second = TakeTwoDigits(text, 60);
  if (second < 0) return false;
  if (TakeChar(text, '.')) {
    if (!TakeDigits(text, 1).has_value()) return false;
    while (TakeDigits(text, 1).has_value()) continue;
  }
  const std::optional<int> offset = TakeOffset(text);
  if (!offset.has_value() || !text.empty()) return false;
  if (second < 60) return true;
  // Leap seconds are added at the end of a UTC day.
  const int utc = (hour * 60 + minute - *offset + 2 * kMinutesPerDay) % kMinutesPerDay;
  return utc == kMinutesPerDay - 1;
}

bool IsDateTime(absl::string_view text) {
  constexpr size_t kDateLength = 10;
  if (text.size() <= kDateLength || absl::ascii_tolower(text[kDateLength]) != 't') return false;
  return IsDate(text.substr(0, kDateLength)) && IsTime(text.substr(kDateLength + 1));
}

bool IsDuration(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "P")) return false;
  if (IsElements(text, "W")) return true;
  const size_t separator = text.find('T');
  if (separator == absl::string_view::npos) return IsElements(text, "YMD");
  const absl::string_view date = text.substr(0, separator);
  return (date.empty() || IsElements(date, "YMD")) && IsElements(text.substr(separator + 1), "HMS");
}

}  // namespace skald::schema
