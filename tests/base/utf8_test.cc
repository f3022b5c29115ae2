// Goal: well-formed UTF-8 and nothing else passes, and code points survive the way there and back.
#include "base/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace skald {
namespace {

TEST(Utf8, EveryCodePointSurvives) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    std::string text;
    AppendUtf8(code_point, text);
    ASSERT_TRUE(IsValidUtf8(text)) << std::hex << static_cast<uint32_t>(code_point);
    ASSERT_EQ(CountCodePoints(text), 1u);
    size_t place = 0;
    ASSERT_EQ(NextCodePoint(text, place), code_point);
    ASSERT_EQ(place, text.size());
    text.pop_back();
    ASSERT_TRUE(text.empty() || !IsValidUtf8(text))
        << std::hex << static_cast<uint32_t>(code_point);
  }
}

TEST(Utf8, IllFormedTextIsRefusedAtAnyPlace) {
  for (const char* bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf",
                          "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
                          "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    for (size_t before = 0; before < 12; ++before) {
      EXPECT_FALSE(IsValidUtf8(std::string(before, 'a') + bad)) << bad;
      EXPECT_FALSE(IsValidUtf8(std::string(before, 'a') + bad + "aaaaaaaaa")) << bad;
    }
  }
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("plain text of more than one word, \u00e9\u20ac\U0001F600"));
}

TEST(Utf8, WhatIsNoCodePointBecomesAReplacement) {
  std::string text;
  AppendUtf8(0xD800, text);
  AppendUtf8(0x110000, text);
  EXPECT_EQ(text, "\uFFFD\uFFFD");
  size_t place = 0;
  EXPECT_EQ(NextCodePoint("\xff"
                          "a",
                          place),
            kReplacementCharacter);
  EXPECT_EQ(place, 1u);
}

TEST(Utf8, IllFormedBytesAreReplacedOneByOne) {
  EXPECT_EQ(ToValidUtf8("caf\u00e9 \u20ac"), "caf\u00e9 \u20ac");
  EXPECT_EQ(ToValidUtf8("a\xff\xfe z"), "a\uFFFD\uFFFD z");
  EXPECT_EQ(ToValidUtf8("\x82\xac\u20ac\xe2\x82"), "\uFFFD\uFFFD\u20ac\uFFFD\uFFFD");
}

TEST(Utf8, LongTextIsCutBetweenCodePoints) {
  EXPECT_EQ(ShortenUtf8("", 0), "");
  EXPECT_EQ(ShortenUtf8("abc", 3), "abc");
  EXPECT_EQ(ShortenUtf8("abcd", 3), "abc... (cut; it had 4 bytes)");
  const std::string text = "a\u00e9\u20ac\U0001F600";  // ends at 1, 3, 6 and 10
  const size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6};
  for (size_t bytes_max = 0; bytes_max < text.size(); ++bytes_max) {
    EXPECT_EQ(ShortenUtf8(text, bytes_max),
              text.substr(0, ends[bytes_max]) + "... (cut; it had 10 bytes)");
  }
  EXPECT_EQ(ShortenUtf8(text, 10), text);
}

}  // namespace
}  // namespace skald
