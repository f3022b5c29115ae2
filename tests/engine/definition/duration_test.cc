#include "engine/definition/duration.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::definition {
namespace {

using ::skald::testing::StatusIs;
using ::testing::HasSubstr;

struct IsoCase {
  const char* text;
  int64_t months;
  Micros micros;
};

TEST(ParseIso8601, ReadsEveryUnit) {
  constexpr IsoCase kCases[] = {
      {"PT30S", 0, 30 * kSecond},
      {"PT0.25S", 0, 250 * kMillisecond},
      {"PT1.5H", 0, 90 * kMinute},
      {"P1D", 0, kDay},
      {"P0.5D", 0, 12 * kHour},
      {"P2W", 0, 14 * kDay},
      {"P1Y2M", 14, 0},
      {"P1Y2M3W4DT5H6M7.008S", 14,
       25 * kDay + 5 * kHour + 6 * kMinute + 7 * kSecond + 8 * kMillisecond},
      {"PT0S", 0, 0},
      {"PT0.0000001S", 0, 0},
      {"PT1M", 0, kMinute},
      {"P1M", 1, 0},
  };
  for (const IsoCase& c : kCases) {
    ASSERT_OK_AND_ASSIGN(const Duration duration, Duration::ParseIso8601(c.text));
    EXPECT_EQ(duration.months, c.months) << c.text;
    EXPECT_EQ(duration.micros, c.micros) << c.text;
  }
}

TEST(ParseIso8601, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "begin with 'P'"},
      {"30s", "begin with 'P'"},
      {"P", "empty"},
      {"P1DT", "no time follows"},
      {"PT", "no time follows"},
      {"P1", "unit is missing"},
      {"P1X", "unit 'X'"},
      {"P1H", "unit 'H'"},
      {"PT1D", "unit 'D'"},
      {"P1D1Y", "unit 'Y'"},
      {"P1D1D", "unit 'D'"},
      {"PT1S1S", "unit 'S'"},
      {"PTT1S", "number was expected"},
      {"P-1D", "number was expected"},
      {"P.5D", "number was expected"},
      {"P1.D", "digits were expected"},
      {"P0.5Y", "whole numbers"},
      {"P1.5M", "whole numbers"},
      {"P99999999999999999999D", "more than 18 digits"},
      {"P999999999999999D", "too long"},
      {"P9999999Y", "too long"},
      {"PT1S ", "number was expected"},
      {" PT1S", "begin with 'P'"},
  };
  for (const auto& [text, fragment] : cases) {
    EXPECT_THAT(Duration::ParseIso8601(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(fragment)))
        << text;
  }
}

TEST(FromJson, ReadsBothForms) {
  ASSERT_OK_AND_ASSIGN(const Json object, Json::Parse(R"({"days": 1, "hours": 2, "minutes": 3,
                                                          "seconds": 4, "milliseconds": 5})"));
  ASSERT_OK_AND_ASSIGN(const Duration duration, Duration::FromJson(object));
  EXPECT_EQ(duration.months, 0);
  EXPECT_EQ(duration.micros, kDay + 2 * kHour + 3 * kMinute + 4 * kSecond + 5 * kMillisecond);
  ASSERT_OK_AND_ASSIGN(const Duration text, Duration::FromJson(Json::String("PT4S")));
  EXPECT_EQ(text.micros, 4 * kSecond);
}

TEST(FromJson, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "at least one unit"},
      {R"({"weeks": 1})", "'weeks' is no unit"},
      {R"({"seconds": 1.5})", "whole number"},
      {R"({"seconds": -1})", "whole number"},
      {R"({"seconds": "1"})", "whole number"},
      {R"({"days": 999999999999999})", "too long"},
      {"5", "a duration is an object"},
      {"null", "a duration is an object"},
      {"[]", "a duration is an object"},
  };
  for (const auto& [text, fragment] : cases) {
    ASSERT_OK_AND_ASSIGN(const Json value, Json::Parse(text));
    EXPECT_THAT(Duration::FromJson(value),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(fragment)))
        << text;
  }
}

// Seconds since 1970 of a civil time in UTC, by counting years and days.
Timestamp Utc(int year, int month, int day, int hour = 0) {
  int64_t days = 0;
  const auto leap = [](int y) { return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0; };
  for (int y = 1970; y < year; ++y) days += leap(y) ? 366 : 365;
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (int m = 1; m < month; ++m) days += kDays[m - 1] + (m == 2 && leap(year) ? 1 : 0);
  return Timestamp((days + day - 1) * kDay + hour * kHour);
}

TEST(From, FollowsTheCalendar) {
  EXPECT_EQ((Duration{1, 0}.From(Utc(2026, 1, 31))), Utc(2026, 2, 28));
  EXPECT_EQ((Duration{1, 0}.From(Utc(2028, 1, 31, 5))), Utc(2028, 2, 29, 5));
  EXPECT_EQ((Duration{12, 0}.From(Utc(2028, 2, 29))), Utc(2029, 2, 28));
  EXPECT_EQ((Duration{1, 0}.From(Utc(2026, 12, 15))), Utc(2027, 1, 15));
  EXPECT_EQ((Duration{3, kHour}.From(Utc(2026, 11, 30, 23))), Utc(2027, 3, 1, 0));
  EXPECT_EQ((Duration{0, kDay}.From(Utc(2026, 2, 28))), Utc(2026, 3, 1));
  EXPECT_EQ((Duration{24, 0}.From(Timestamp(0))), Utc(1972, 1, 1));
}

TEST(From, SaturatesAtNever) {
  EXPECT_EQ((Duration{0, kDay}.From(kNever)), kNever);
  EXPECT_EQ((Duration{1, 0}.From(kNever)), kNever);
  EXPECT_EQ((Duration{0, std::numeric_limits<int64_t>::max()}.From(Utc(2026, 1, 1))), kNever);
  EXPECT_EQ((Duration{1'200'000, std::numeric_limits<int64_t>::max()}.From(Utc(2026, 1, 1))),
            kNever);
  EXPECT_EQ((Duration{100'000'000, 0}.From(Utc(2026, 1, 1))), kNever);
}

}  // namespace
}  // namespace skald::definition
