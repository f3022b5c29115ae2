// Goal: tokens come back as they went out; damaged, foreign and made-up ones are refused with a
// reason, never misread.
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "api/stream_token.h"
#include "api/task_token.h"
#include "api/wire.h"
#include "base/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::api {
namespace {

using skald::testing::IsOkAndHolds;
using skald::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const TokenScope kScope{"0123456789abcdef", 77};

template <typename T>
bool IsTokenInvalid(const absl::StatusOr<T>& result) {
  return HasReason(result.status(), ErrorReason::kResumeTokenInvalid);
}

TEST(WireTest, VarintsHaveOneForm) {
  for (uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, ~uint64_t{0}}) {
    std::string bytes;
    AppendVarint(value, bytes);
    absl::string_view rest = bytes;
    uint64_t read = 1;
    EXPECT_TRUE(ReadVarint(rest, read));
    EXPECT_EQ(read, value);
    EXPECT_TRUE(rest.empty());
  }
  uint64_t read = 0;
  absl::string_view padded("\x80\x00", 2);
  EXPECT_FALSE(ReadVarint(padded, read));
  absl::string_view cut("\x80", 1);
  EXPECT_FALSE(ReadVarint(cut, read));
  const std::string too_long(11, '\x80');
  absl::string_view long_view = too_long;
  EXPECT_FALSE(ReadVarint(long_view, read));
}

TEST(HashFieldsTest, BordersCount) {
  EXPECT_NE(HashFields({"ab", ""}), HashFields({"a", "b"}));
  EXPECT_EQ(HashFields({"ab", "c"}), HashFields({"ab", "c"}));
}

TEST(ResumeTokenTest, RoundTrip) {
  const std::string token =
      EncodeResumeToken(kScope, {Position(1), Position(1'000'000'000'000), Position(5)});
  EXPECT_THAT(DecodeResumeToken(token, kScope, 3),
              IsOkAndHolds(ElementsAre(Position(1), Position(1'000'000'000'000), Position(5))));
}

TEST(ResumeTokenTest, ForeignTokensAreRefusedWithTheReason) {
  const std::string token = EncodeResumeToken(kScope, {Position(1), Position(2)});
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(DecodeResumeToken(token, {"another-store-id", 77}, 2),
              StatusIs(code, HasSubstr("another store")));
  EXPECT_THAT(DecodeResumeToken(token, {kScope.store_id, 78}, 2),
              StatusIs(code, HasSubstr("another filter")));
  EXPECT_THAT(DecodeResumeToken(token, kScope, 3), StatusIs(code, HasSubstr("partitions")));
  std::string page_bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(EncodePageToken(kScope, "c"), &page_bytes));
  EXPECT_THAT(DecodeResumeToken(page_bytes, kScope, 2), StatusIs(code, HasSubstr("another kind")));
}

TEST(ResumeTokenTest, EveryDamagedByteAndEveryCutIsFound) {
  const std::string token = EncodeResumeToken(kScope, {Position(300), Position(2)});
  for (size_t i = 0; i < token.size(); ++i) {
    std::string damaged = token;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    EXPECT_TRUE(IsTokenInvalid(DecodeResumeToken(damaged, kScope, 2))) << i;
    EXPECT_TRUE(IsTokenInvalid(DecodeResumeToken(token.substr(0, i), kScope, 2))) << i;
  }
}

TEST(PageTokenTest, RoundTripAndRefusals) {
  const std::string token = EncodePageToken(kScope, std::string("cur\0sor", 7));
  EXPECT_THAT(DecodePageToken(token, kScope), IsOkAndHolds(std::string("cur\0sor", 7)));
  EXPECT_THAT(DecodePageToken("", kScope), IsOkAndHolds(""));
  EXPECT_TRUE(IsTokenInvalid(DecodePageToken("!!!", kScope)));
  EXPECT_TRUE(IsTokenInvalid(DecodePageToken("AAAA", kScope)));
  EXPECT_TRUE(IsTokenInvalid(DecodePageToken(token, {kScope.store_id, 1})));
}

TEST(TaskTokenTest, RoundTrip) {
  const saga::TaskToken token{
      .saga = {"shop", "Zürich/1"}, .frame = saga::FrameId(70'000), .attempt = 3};
  EXPECT_EQ(DecodeTaskToken(EncodeTaskToken(token)), token);
}

TEST(TaskTokenTest, RubbishIsRefused) {
  std::mt19937 random(1);
  EXPECT_FALSE(DecodeTaskToken(""));
  EXPECT_FALSE(DecodeTaskToken("\x01"));
  EXPECT_FALSE(DecodeTaskToken("\x02\x01\x01\x04shopx"));                  // version 2
  EXPECT_FALSE(DecodeTaskToken(std::string("\x01\x01\x00\x04shopx", 9)));  // attempt 0
  EXPECT_FALSE(DecodeTaskToken("\x01\x01\x01\x04shop"));                   // no saga id
  EXPECT_FALSE(DecodeTaskToken("\x01\x01\x01\x09shop"));  // namespace longer than the rest
  const std::string good = EncodeTaskToken({.saga = {"shop", "o"}, .frame = saga::FrameId(1)});
  // Whatever the bytes: no crash, and what decodes has ids.
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % (bytes.size() + 1));
    if (const auto token = DecodeTaskToken(bytes)) {
      EXPECT_FALSE(token->saga.namespace_name.empty());
      EXPECT_FALSE(token->saga.saga_id.empty());
    }
  }
}

}  // namespace
}  // namespace skald::api
