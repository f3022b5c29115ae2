#include "engine/definition/duration.h"

#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "base/status_macros.h"

namespace skald::definition {
namespace {

// 128 bits hold any product of an int64 and a unit, so overflow is found by comparing.
using Wide = __int128;

constexpr Wide kMicrosMax = std::numeric_limits<int64_t>::max();
// 100,000 years: past every moment a Timestamp can hold after 1970, small enough never to overflow.
constexpr Wide kMonthsMax = 1'200'000;

struct Unit {
  char letter;
  bool after_t;
  Micros micros;   // 0 for a unit of the calendar
  int64_t months;  // 0 for a unit of fixed length
};

// In the order in which they must be written.
constexpr Unit kUnits[] = {
    {'Y', false, 0, 12},     {'M', false, 0, 1},    {'W', false, 7 * kDay, 0},
    {'D', false, kDay, 0},   {'H', true, kHour, 0}, {'M', true, kMinute, 0},
    {'S', true, kSecond, 0},
};

absl::Status Wrong(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", text.substr(0, 80), "' is no ISO 8601 duration: ", why));
}

// A decimal number as a whole part and micro-parts; what is finer than 1e-12 of a part is dropped.
struct Decimal {
  Wide whole = 0;
  Wide parts = 0;  // of kParts
  bool has_fraction = false;
};
constexpr Wide kParts = 1'000'000'000'000;

// Reads digits with an optional fraction and moves `rest` past them.
absl::StatusOr<Decimal> ReadDecimal(absl::string_view text, absl::string_view& rest) {
  Decimal number;
  size_t digits = 0;
  while (!rest.empty() && absl::ascii_isdigit(static_cast<unsigned char>(rest[0]))) {
    if (++digits > 18) return Wrong(text, "a number in it has more than 18 digits");
    number.whole = number.whole * 10 + (rest[0] - '0');
    rest.remove_prefix(1);
  }
  if (digits == 0) return Wrong(text, "a number was expected");
  if (rest.empty() || rest[0] != '.') return number;
  rest.remove_prefix(1);
  number.has_fraction = true;
  Wide place = kParts;
  if (rest.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(rest[0]))) {
    return Wrong(text, "digits were expected after the decimal point");
  }
  while (!rest.empty() && absl::ascii_isdigit(static_cast<unsigned char>(rest[0]))) {
    place /= 10;
    number.parts += place * (rest[0] - '0');
    rest.remove_prefix(1);
  }
  return number;
}

// Adds `number` of `unit`.
absl::Status Add(absl::string_view text, const Decimal& number, const Unit& unit, Wide& months,
                 Wide& micros) {
  if (unit.months > 0) {
    if (number.has_fraction) return Wrong(text, "years and months must be whole numbers");
    months += number.whole * unit.months;
  } else {
    micros += number.whole * unit.micros + number.parts * unit.micros / kParts;
  }
  if (months > kMonthsMax || micros > kMicrosMax) return Wrong(text, "it is too long");
  return absl::OkStatus();
}

struct ObjectUnit {
  absl::string_view key;
  Micros micros;
};
constexpr ObjectUnit kObjectUnits[] = {{"days", kDay},
                                       {"hours", kHour},
                                       {"minutes", kMinute},
                                       {"seconds", kSecond},
                                       {"milliseconds", kMillisecond}};

const ObjectUnit* FindObjectUnit(absl::string_view key) {
  for (const ObjectUnit& unit : kObjectUnits) {
    if (unit.key == key) return &unit;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<Duration> Duration::ParseIso8601(absl::string_view text) {
  absl::string_view rest = text;
  if (rest.empty() || rest[0] != 'P') return Wrong(text, "it must begin with 'P', as in PT30S");
  rest.remove_prefix(1);
  Wide months = 0, micros = 0;
  bool after_t = false, any = false;
  size_t unit_next = 0;
  while (!rest.empty()) {
    if (rest[0] == 'T' && !after_t) {
      after_t = true;
      any = false;  // a 'T' needs a time part after it
      rest.remove_prefix(1);
      continue;
    }
    SKALD_ASSIGN_OR_RETURN(const Decimal number, ReadDecimal(text, rest));
    if (rest.empty()) return Wrong(text, "a unit is missing at its end");
    size_t unit = unit_next;
    while (unit < std::size(kUnits) &&
           (kUnits[unit].letter != rest[0] || kUnits[unit].after_t != after_t)) {
      ++unit;
    }
    if (unit == std::size(kUnits)) {
      return Wrong(text, absl::StrCat("unit '", rest.substr(0, 1),
                                      "' is unknown or out of order (P1Y2M3W4DT5H6M7S)"));
    }
    SKALD_RETURN_IF_ERROR(Add(text, number, kUnits[unit], months, micros));
    unit_next = unit + 1;
    any = true;
    rest.remove_prefix(1);
  }
  if (!any) return Wrong(text, after_t ? "no time follows 'T'" : "it is empty");
  return Duration{static_cast<int64_t>(months), static_cast<Micros>(micros)};
}

absl::StatusOr<Duration> Duration::FromJson(const Json& value) {
  if (value.is_string()) return ParseIso8601(value.AsString());
  if (!value.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a duration is an object of days, hours, minutes, seconds and milliseconds, or "
        "an ISO 8601 string such as PT30S; this is a ",
        value.KindName()));
  }
  if (value.Size() == 0) return absl::InvalidArgumentError("a duration needs at least one unit");
  Wide micros = 0;
  for (const Json::Member& member : value.AsObject()) {
    const ObjectUnit* unit = FindObjectUnit(member.key());
    if (unit == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", member.key().substr(0, 80),
                       "' is no unit of a duration: days, hours, minutes, seconds, milliseconds"));
    }
    if (!member.value.is_number() || !member.value.IsInt() || member.value.AsInt() < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", unit->key, "' of a duration must be a whole number, 0 or more"));
    }
    micros += Wide{member.value.AsInt()} * unit->micros;
    if (micros > kMicrosMax) return absl::InvalidArgumentError("the duration is too long");
  }
  return Duration{0, static_cast<Micros>(micros)};
}

Timestamp Duration::From(Timestamp start) const {
  if (months == 0 || start == kNever) return After(start, micros);
  // Floor division, so that moments before 1970 keep their time of day too.
  int64_t day_number = start.value() / kDay;
  Micros of_day = start.value() % kDay;
  if (of_day < 0) {
    of_day += kDay;
    --day_number;
  }
  const absl::CivilDay epoch(1970, 1, 1);
  const absl::CivilDay day = epoch + day_number;
  const absl::CivilMonth month = absl::CivilMonth(day) + months;
  const absl::CivilDay last = absl::CivilDay(month + 1) - 1;
  const absl::CivilDay moved =
      day.day() > last.day() ? last : absl::CivilDay(month.year(), month.month(), day.day());
  const Wide moment = Wide{moved - epoch} * kDay + of_day;
  if (moment >= kMicrosMax) return kNever;
  return After(Timestamp(static_cast<int64_t>(moment)), micros);
}

}  // namespace skald::definition
