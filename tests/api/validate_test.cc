// Goal: every violation of a request is told at once, with its field.
#include "api/validate.h"

#include <string>

#include "base/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skald::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::vector<std::pair<std::string, std::string>> Found(const Violations& violations) {
  const std::optional<ErrorInfo> info = GetErrorInfo(violations.ToStatus());
  return info ? info->violations : std::vector<std::pair<std::string, std::string>>();
}

TEST(ValidateTest, GoodFieldsGiveNoViolation) {
  Violations violations;
  violations.CheckId("a", "order-1", Presence::kRequired);
  violations.CheckId("b", "", Presence::kOptional);
  violations.CheckId("c", std::string(kIdBytesMax, 'x'), Presence::kRequired);
  violations.CheckId("d", "Zürich 東京", Presence::kRequired);
  violations.CheckNote("e", "two\nlines", Presence::kRequired);
  const saga::Payload payload = violations.ParseJson("f", R"({"n": 12345678901234567890})", "{}");
  EXPECT_TRUE(violations.ToStatus().ok());
  EXPECT_EQ(payload.text, R"({"n": 12345678901234567890})");
  EXPECT_EQ(payload.value.Get("n").ToText(), "12345678901234567890");
}

TEST(ValidateTest, AllViolationsAreToldAtOnce) {
  Violations violations;
  violations.CheckId("empty", "", Presence::kRequired);
  violations.CheckId("long", std::string(kIdBytesMax + 1, 'x'), Presence::kOptional);
  violations.CheckId("control", "a\nb", Presence::kOptional);
  violations.CheckId("utf8", "a\xFFz", Presence::kOptional);
  violations.CheckNote("note", std::string(kNoteBytesMax + 1, 'x'), Presence::kOptional);
  violations.ParseJson("json", "{\"a\":", "{}");
  EXPECT_THAT(Found(violations),
              ElementsAre(Pair("empty", HasSubstr("must not be empty")),
                          Pair("long", HasSubstr("257 bytes")),
                          Pair("control", HasSubstr("control characters")),
                          Pair("utf8", HasSubstr("UTF-8")), Pair("note", HasSubstr("4097 bytes")),
                          Pair("json", HasSubstr("is not JSON"))));
  EXPECT_TRUE(HasReason(violations.ToStatus(), ErrorReason::kBadRequest));
}

TEST(ValidateTest, EmptyJsonStandsForItsDefault) {
  Violations violations;
  EXPECT_EQ(violations.ParseJson("input", "", "{}").text, "{}");
  EXPECT_TRUE(violations.ParseJson("output", "", "null").value.is_null());
  EXPECT_TRUE(violations.empty());
}

TEST(ValidateTest, DeepJsonIsRefused) {
  Violations violations;
  violations.ParseJson("input", std::string(100'000, '['), "{}");
  EXPECT_FALSE(violations.empty());
}

}  // namespace
}  // namespace skald::api
