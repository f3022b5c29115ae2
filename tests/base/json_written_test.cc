// Goal: a value as it is written is what its text reads back as. Method: not-a-number and
// infinities at every place of values, and values of any depth.
#include "base/json_written.h"

#include <limits>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/json_value.h"

namespace skald {
namespace {

using ::skald::testing::Value;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargest = std::numeric_limits<double>::max();

Json Nan() { return Json::Double(std::numeric_limits<double>::quiet_NaN()); }

TEST(JsonWritten, WhatHasATextStaysAsItIs) {
  for (const char* text :
       {"null", "true", "-0", "1e400", "1.5", "9223372036854775807", "1.797693134862315708145e+308",
        "\"nan\"", "[]", "{}", R"([[],{},{"a":[1,"b",{"c":null}]}])"}) {
    const Json value = Value(text);
    const Json written = AsWritten(value);
    EXPECT_EQ(written.ToText(), text);
    EXPECT_EQ(written, value);
  }
}

TEST(JsonWritten, NotANumberIsNullAndInfinitiesAreTheLargestNumbers) {
  EXPECT_EQ(AsWritten(Nan()), Json());
  EXPECT_EQ(AsWritten(Json::Double(kInfinity)), Json::Double(kLargest));
  EXPECT_EQ(AsWritten(Json::Double(-kInfinity)), Json::Double(-kLargest));
  const Json value = Json::Object(
      {{"a", Json::Array({Json::Int(1), Nan()})},
       {"b", Json::Object({{"c", Json::Double(-kInfinity)}, {"d", Json::String("e")}})}});
  EXPECT_EQ(AsWritten(value),
            Value(R"({"a":[1,null],"b":{"c":-1.7976931348623157e+308,"d":"e"}})"));
}

TEST(JsonWritten, OfAnyDepth) {
  Json value = Nan();
  Json written;
  for (int i = 0; i < 200'000; ++i) {
    value = i % 2 == 0 ? Json::Array({std::move(value)}) : Json::Object({{"a", std::move(value)}});
    written =
        i % 2 == 0 ? Json::Array({std::move(written)}) : Json::Object({{"a", std::move(written)}});
  }
  EXPECT_EQ(AsWritten(value), written);
  EXPECT_EQ(AsWritten(written), written);
}

}  // namespace
}  // namespace skald
