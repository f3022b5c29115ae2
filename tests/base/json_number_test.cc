// Goal: numbers are exact where the header says so, and are written as jq writes them. Method: a
// table of literals with their representation and text, and pairs in order.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(JsonNumber, LiteralsKeepTheirValue) {
  enum Held { kInt, kDouble, kLiteral };
  struct Case {
    const char* literal;
    Held held;
    const char* text;
    double real;
  };
  const Case cases[] = {
      {"0", kInt, "0", 0},
      {"-0", kDouble, "-0", -0.0},
      {"-0.0", kDouble, "-0", -0.0},
      {"0.000", kInt, "0", 0},
      {"0e99999999999999999999", kInt, "0", 0},
      {"1", kInt, "1", 1},
      {"1.0", kInt, "1", 1},
      {"1.000", kInt, "1", 1},
      {"100e-2", kInt, "1", 1},
      {"0.0001e4", kInt, "1", 1},
      {"1e3", kInt, "1000", 1000},
      {"1E+3", kInt, "1000", 1000},
      {"1.5e3", kInt, "1500", 1500},
      {"1e18", kInt, "1000000000000000000", 1e18},
      {"1e19", kDouble, "1e+19", 1e19},
      {"123456789012345678", kInt, "123456789012345678", 123456789012345678.0},
      {"999999999999999999", kInt, "999999999999999999", 1e18},
      {"9007199254740993", kInt, "9007199254740993", 9007199254740992.0},
      {"9007199254740993.0", kInt, "9007199254740993", 9007199254740992.0},
      {"9223372036854775807", kInt, "9223372036854775807", 9223372036854775808.0},
      {"-9223372036854775808", kInt, "-9223372036854775808", -9223372036854775808.0},
      {"9223372036854775808", kLiteral, "9223372036854775808", 9223372036854775808.0},
      {"-9223372036854775809", kLiteral, "-9223372036854775809", -9223372036854775808.0},
      {"18446744073709551615", kLiteral, "18446744073709551615", 18446744073709551616.0},
      {"18446744073709551616", kLiteral, "18446744073709551616", 18446744073709551616.0},
      {"12345678901234567000", kDouble, "12345678901234567000", 12345678901234567000.0},
      {"12345678901234567890", kLiteral, "12345678901234567890", 12345678901234567890.0},
      {"0.1", kDouble, "0.1", 0.1},
      {"-0.1", kDouble, "-0.1", -0.1},
      {"0.10", kDouble, "0.1", 0.1},
      {"1.5", kDouble, "1.5", 1.5},
      {"123456.789", kDouble, "123456.789", 123456.789},
      {"1e-5", kDouble, "1e-05", 1e-5},
      {"0.00001234", kDouble, "1.234e-05", 1.234e-5},
      {"0.0001", kDouble, "0.0001", 1e-4},
      {"1e-7", kDouble, "1e-07", 1e-7},
      {"1.5e300", kDouble, "1.5e+300", 1.5e300},
      {"1e-300", kDouble, "1e-300", 1e-300},
      {"5e-324", kDouble, "5e-324", 5e-324},
      {"4e-324", kLiteral, "4e-324", 5e-324},
      {"2.2250738585072014e-308", kDouble, "2.2250738585072014e-308", 2.2250738585072014e-308},
      {"1.7976931348623157e308", kDouble, "1.7976931348623157e+308", 1.7976931348623157e308},
      {"3.14159265358979", kDouble, "3.14159265358979", 3.14159265358979},
      {"3.141592653589793", kDouble, "3.141592653589793", 3.141592653589793},
      {"3.14159265358979323846", kLiteral, "3.14159265358979323846", 3.141592653589793},
      {"0.1000000000000000055511151231257827", kLiteral, "0.1000000000000000055511151231257827",
       0.1},
      {"1e400", kLiteral, "1e400", kInfinity},
      {"-1e400", kLiteral, "-1e400", -kInfinity},
      {"1e-400", kLiteral, "1e-400", 0},
      {"1e99999999999999999999", kLiteral, "1e99999999999999999999", kInfinity},
      {"1e-99999999999999999999", kLiteral, "1e-99999999999999999999", 0},
  };
  for (const Case& c : cases) {
    for (const Json& value : {*Json::Parse(c.literal), Json::Number(c.literal)}) {
      EXPECT_EQ(value.IsInt(), c.held == kInt) << c.literal;
      EXPECT_EQ(value.IsLiteral(), c.held == kLiteral) << c.literal;
      EXPECT_EQ(value.ToText(), c.text) << c.literal;
      EXPECT_EQ(value.AsDouble(), c.real) << c.literal;
      EXPECT_EQ(std::signbit(value.AsDouble()), std::signbit(c.real)) << c.literal;
      EXPECT_EQ(*Json::Parse(value.ToText()), value) << c.literal;
    }
  }
}

TEST(JsonNumber, IntegralDoublesBecomeIntegers) {
  EXPECT_TRUE(Json::Double(3.0).IsInt());
  EXPECT_TRUE(Json::Double(-9223372036854775808.0).IsInt());
  EXPECT_FALSE(Json::Double(9223372036854775808.0).IsInt());
  EXPECT_FALSE(Json::Double(-0.0).IsInt());
  EXPECT_FALSE(Json::Double(0.5).IsInt());
  EXPECT_EQ(Json::Double(1e17).ToText(), "100000000000000000");
  EXPECT_EQ(Json::Double(9223372036854775808.0).ToText(), "9223372036854776000");
}

TEST(JsonNumber, WhatJsonCannotWriteIsWrittenAsJqDoes) {
  EXPECT_EQ(Json::Double(kNan).ToText(), "null");
  EXPECT_EQ(Json::Double(kInfinity).ToText(), "1.7976931348623157e+308");
  EXPECT_EQ(Json::Double(-kInfinity).ToText(), "-1.7976931348623157e+308");
}

// Numbers in their order, from below to above.
std::vector<Json> SortedNumbers() {
  std::vector<Json> sorted = {Json::Double(kNan), Json::Double(-kInfinity)};
  for (const char* literal : {"-1e1001",
                              "-1e1000",
                              "-1.7976931348623157e308",
                              "-1e19",
                              "-9223372036854775809",
                              "-9223372036854775808",
                              "-9223372036854775807",
                              "-9007199254740993.5",
                              "-9007199254740993",
                              "-4503599627370496.5",
                              "-4503599627370496",
                              "-1.5",
                              "-1",
                              "-1e-5",
                              "-1e-1000",
                              "0",
                              "1e-1001",
                              "1e-1000",
                              "5e-324",
                              "0.1",
                              "0.1000000000000000055511151231257827",
                              "0.2",
                              "1",
                              "1.5",
                              "4503599627370496",
                              "4503599627370496.5",
                              "4503599627370497",
                              "9007199254740992",
                              "9007199254740992.5",
                              "9007199254740993",
                              "9223372036854775806",
                              "9223372036854775807",
                              "9223372036854775807.5",
                              "9223372036854775808",
                              "9223372036854776000",
                              "12345678901234567890",
                              "12345678901234567891",
                              "1e19000",
                              "1.1e19000",
                              "11e19000"}) {
    sorted.push_back(*Json::Parse(literal));
  }
  sorted.push_back(Json::Double(kInfinity));
  return sorted;
}

TEST(JsonNumber, OrderIsExactAcrossRepresentations) {
  const std::vector<Json> sorted = SortedNumbers();
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (size_t j = 0; j < sorted.size(); ++j) {
      const int order = Json::Compare(sorted[i], sorted[j]);
      EXPECT_EQ(order < 0, i < j) << sorted[i] << " " << sorted[j];
      EXPECT_EQ(order > 0, i > j) << sorted[i] << " " << sorted[j];
      EXPECT_EQ(sorted[i] == sorted[j], i == j) << sorted[i] << " " << sorted[j];
    }
  }
}

TEST(JsonNumber, EqualValuesAreEqualInAnySpelling) {
  const std::pair<const char*, const char*> equal[] = {
      {"1", "1.0"},
      {"0", "-0"},
      {"1e1000", "10e999"},
      {"12345678901234567890", "1.2345678901234567890e19"},
      {"9E999999999", "90E999999998"},
      {"9999999999E999999990", "9.999999999E+999999999"},
      {"0.000000001E-999999990", "1E-999999999"},
      {"1e19", "10000000000000000000"},
  };
  for (const auto& [a, b] : equal) EXPECT_EQ(*Json::Parse(a), *Json::Parse(b)) << a;
}

TEST(JsonNumber, NotANumberEqualsItselfOnlyForSorting) {
  const Json nan = Json::Double(kNan);
  EXPECT_EQ(Json::Compare(nan, nan), 0);
  EXPECT_EQ(nan, nan);
  EXPECT_LT(Json::CompareAsJq(nan, nan), 0);
  EXPECT_LT(Json::CompareAsJq(nan, Json::Double(-kInfinity)), 0);
  EXPECT_GT(Json::CompareAsJq(Json::Int(0), nan), 0);
  const Json array = Json::Array({nan});
  EXPECT_EQ(Json::Compare(array, array), 0);
  EXPECT_LT(Json::CompareAsJq(array, array), 0);
  EXPECT_EQ(Json::CompareAsJq(Json::Int(1), Json::Int(1)), 0);
}

TEST(JsonNumber, ShortDecimalsAreWrittenAsTheyAreRead) {
  for (const char* text : {"0.001",
                           "0.0015",
                           "0.0012345",
                           "0.00099",
                           "0.25",
                           "-0.25",
                           "1.1",
                           "1.01",
                           "-1.001",
                           "1.0001",
                           "1.00001",
                           "99.99",
                           "0.3333",
                           "0.30000000000000004",
                           "2.675",
                           "1234567890.1234",
                           "9999999999.9999",
                           "9999999999.99999",
                           "10000000000.5",
                           "1e-05",
                           "0.0001",
                           "0.0009"}) {
    EXPECT_EQ(Json::Double(Json::Parse(text)->AsDouble()).ToText(), text);
  }
  for (int i = 1; i < 30'000; ++i) {
    if (i % 10 == 0) continue;
    const std::string text = absl::StrFormat("%d.%04d", i / 7, i % 10'000);
    if (text.back() == '0') continue;
    ASSERT_EQ(Json::Double(std::stod(text)).ToText(), text);
  }
}

TEST(JsonNumber, EveryDoubleReadsBackTheSame) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    // All bit patterns, and decimals of few digits, which the fast way of the parser reads.
    double value = std::bit_cast<double>(random());
    if (i % 2 == 0) value = static_cast<double>(random() % 1'000'000) / std::pow(10, random() % 15);
    if (!std::isfinite(value)) continue;
    const std::string text = Json::Double(value).ToText();
    ASSERT_OK_AND_ASSIGN(const Json parsed, Json::Parse(text));
    ASSERT_EQ(parsed.AsDouble(), value) << text;
    ASSERT_EQ(parsed.ToText(), text);
    ASSERT_EQ(parsed, Json::Double(value)) << text;
    ASSERT_EQ(parsed, Json::Number(text)) << text;
  }
}

}  // namespace
}  // namespace skald
