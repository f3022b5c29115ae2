// Dates. Times are broken down as [year, month from 0, day, hours, minutes, seconds, weekday, day
// of the year]. There is one time zone, UTC: a result must not depend on where it is computed.
#include <cmath>
#include <string>
#include <utility>

#include <time.h>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "engine/expression/builtins.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

// Years beyond these have no use, and some functions below could not count them.
constexpr double kSecondsMax = 1e13;

int64_t ToSeconds(const absl::CivilSecond& civil) {
  return absl::ToUnixSeconds(absl::FromCivil(civil, absl::UTCTimeZone()));
}

// Fields as they are, without carrying over; the weekday and the day of the year are derived.
bool BreakDown(Machine& machine, double seconds, Json& out) {
  if (!(std::fabs(seconds) <= kSecondsMax)) {
    return machine.Raise("error converting number of seconds since epoch to datetime");
  }
  const double whole = std::floor(seconds);
  const absl::CivilSecond civil =
      absl::ToCivilSecond(absl::FromUnixSeconds(static_cast<int64_t>(whole)), absl::UTCTimeZone());
  const absl::CivilDay day(civil);
  const double second = civil.second() + (seconds - whole);
  // absl counts weekdays from Monday.
  const int weekday = (static_cast<int>(absl::GetWeekday(day)) + 1) % 7;
  if (!machine.ChargeElements(8)) return false;
  out = Json::Array({Json::Int(civil.year()), Json::Int(civil.month() - 1), Json::Int(civil.day()),
                     Json::Int(civil.hour()), Json::Int(civil.minute()), Json::Double(second),
                     Json::Int(weekday), Json::Int(absl::GetYearDay(day) - 1)});
  return true;
}

// The fields of a broken-down time. False, without an error, when `value` is none.
bool ToFields(const Json& value, struct tm& fields) {
  if (!value.is_array() || value.Size() < 6) return false;
  constexpr double kFieldMax = 1e8;
  int numbers[8] = {};
  for (size_t i = 0; i < value.Size() && i < 8; ++i) {
    const Json& field = value.At(i);
    if (!field.is_number() || !(std::fabs(field.AsDouble()) <= kFieldMax)) return false;
    numbers[i] = static_cast<int>(field.AsDouble());
  }
  fields = {};
  fields.tm_year = numbers[0] - 1900;
  fields.tm_mon = numbers[1];
  fields.tm_mday = numbers[2];
  fields.tm_hour = numbers[3];
  fields.tm_min = numbers[4];
  fields.tm_sec = numbers[5];
  fields.tm_wday = numbers[6];
  fields.tm_yday = numbers[7];
  fields.tm_zone = "UTC";
  return true;
}

absl::CivilSecond ToCivil(const struct tm& fields) {
  return absl::CivilSecond(fields.tm_year + 1900LL, fields.tm_mon + 1LL, fields.tm_mday,
                           fields.tm_hour, fields.tm_min, fields.tm_sec);
}

bool GmTime(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_number()) return machine.Raise("gmtime() requires a number");
  return BreakDown(machine, in.AsDouble(), out);
}

bool MkTime(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_array() || in.Size() < 6) {
    return machine.Raise("mktime requires array of 6 numbers");
  }
  struct tm fields;
  if (!ToFields(in, fields)) return machine.Raise("mktime requires parsed datetime inputs");
  out = Json::Int(ToSeconds(ToCivil(fields)));
  return true;
}

// `%s` would ask the process's own time zone, so it is resolved here.
std::string ResolveEpoch(absl::string_view format, const struct tm& fields) {
  std::string resolved;
  for (size_t i = 0; i < format.size(); ++i) {
    resolved += format[i];
    if (format[i] != '%' || i + 1 == format.size()) continue;
    ++i;
    if (format[i] == 's') {
      resolved.pop_back();
      absl::StrAppend(&resolved, ToSeconds(ToCivil(fields)));
    } else {
      resolved += format[i];
    }
  }
  return resolved;
}

bool FormatTime(Machine& machine, const Json& in, const Json& format, absl::string_view name,
                Json& out) {
  Json broken_down = in;
  if (in.is_number() && !BreakDown(machine, in.AsDouble(), broken_down)) return false;
  if (!broken_down.is_array()) {
    return machine.Raise(absl::StrCat(name, "/1 requires parsed datetime inputs"));
  }
  if (!format.is_string()) {
    return machine.Raise(absl::StrCat(name, "/1 requires a string format"));
  }
  struct tm fields;
  if (!ToFields(broken_down, fields)) {
    return machine.Raise(absl::StrCat(name, "/1 requires parsed datetime inputs"));
  }
  // The library's tables of names trust their indices.
  fields.tm_wday = ((fields.tm_wday % 7) + 7) % 7;
  fields.tm_mon = ((fields.tm_mon % 12) + 12) % 12;
  const std::string resolved = ResolveEpoch(format.AsString(), fields);
  if (resolved.empty()) {
    out = Json::String("");
    return true;
  }
  constexpr size_t kLongest = 64;  // What one conversion may become.
  if (!machine.Charge(resolved.size() * kLongest)) return false;
  std::string text(resolved.size() * kLongest, '\0');
  text.resize(strftime(text.data(), text.size(), resolved.c_str(), &fields));
  out = Json::String(text);
  return true;
}

bool StrFTime(Machine& machine, const Json& in, Json* arguments, Json& out) {
  return FormatTime(machine, in, arguments[0], "strftime", out);
}

bool StrFLocalTime(Machine& machine, const Json& in, Json* arguments, Json& out) {
  return FormatTime(machine, in, arguments[0], "strflocaltime", out);
}

bool StrPTime(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (!in.is_string() || !arguments[0].is_string()) {
    return machine.Raise(absl::StrCat("strptime/1 requires string inputs and arguments"));
  }
  const std::string text = ToStd(in);
  const std::string format = ToStd(arguments[0]);
  if (!machine.Spend(text.size() + format.size())) return false;
  struct tm fields = {};
  fields.tm_mday = 1;
  const char* end = strptime(text.c_str(), format.c_str(), &fields);
  if (end == nullptr || *end != '\0') {
    return machine.Raise(
        absl::StrCat("date \"", text, "\" does not match format \"", format, "\""));
  }
  const absl::CivilDay day(ToCivil(fields));
  const int weekday = (static_cast<int>(absl::GetWeekday(day)) + 1) % 7;
  if (!machine.ChargeElements(8)) return false;
  out = Json::Array({Json::Int(fields.tm_year + 1900LL), Json::Int(fields.tm_mon),
                     Json::Int(fields.tm_mday), Json::Int(fields.tm_hour), Json::Int(fields.tm_min),
                     Json::Int(fields.tm_sec), Json::Int(weekday),
                     Json::Int(absl::GetYearDay(day) - 1)});
  return true;
}

constexpr NativeEntry kNatives[] = {
    {"gmtime", 0, GmTime},     {"localtime", 0, GmTime},  {"mktime", 0, MkTime},
    {"strftime", 1, StrFTime}, {"strptime", 1, StrPTime}, {"strflocaltime", 1, StrFLocalTime},
};

}  // namespace

absl::Span<const NativeEntry> TimeNatives() { return kNatives; }

}  // namespace skald::expression
