// Formats that the official suite leaves out, and a few of each other.
#include "engine/schema/format.h"

#include "engine/schema/idna.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skald::schema {
namespace {

struct Case {
  const char* format;
  const char* text;
  bool valid;
};

TEST(Format, Table) {
  const Case kCases[] = {
      {"date", "2024-02-29", true},
      {"date", "2023-02-29", false},
      {"date", "1900-02-29", false},
      {"date", "2024-13-01", false},
      {"date", "2024-00-01", false},
      {"date", "2024-01-00", false},
      {"time", "23:59:60Z", true},
      {"time", "12:00:00.Z", false},
      {"date-time", "2024-02-29T12:00:00+01:00", true},
      {"date-time", "2024-02-29 12:00:00Z", false},
      {"date-time", "2024-02-29T", false},
      {"duration", "P1Y2M3DT4H5M6S", true},
      {"duration", "P", false},
      {"duration", "PT", false},
      {"duration", "P1W", true},
      {"email", "a@b", true},
      {"email", "a@b@c", false},
      {"email", "\"a\\\"b\"@c", true},
      {"email", "\"a\"b\"@c", false},
      {"email", "ä@example.org", false},
      {"idn-email", "ä@exämple.org", true},
      {"idn-email", "@", false},
      {"hostname", "example.org", true},
      {"idn-hostname", "exämple.org", true},
      {"idn-hostname", "例。テスト", true},
      {"idn-hostname", "〮한국.example", false},
      {"idn-hostname", "", false},
      {"idn-hostname", "a..b", false},
      {"ipv4", "127.0.0.1", true},
      {"ipv4", "127.0.0.01", false},
      {"ipv4", "1.2.3", false},
      {"ipv6", "::1", true},
      {"ipv6", ":::", false},
      {"ipv6", "1::2::3", false},
      {"ipv6", "1:2:3:4:5:6:7::", true},
      {"ipv6", "", false},
      {"uri", "https://example.org/a?b#c", true},
      {"uri", "http://[v1.x:y]/", true},
      {"uri", "http://[v1.]/", false},
      {"uri", "http://ä/", false},
      {"iri", "http://ä/ö?ü#ß", true},
      {"iri", "/ö", false},
      {"iri-reference", "/ö", true},
      {"iri-reference", "a\\b", false},
      {"uri-template", "http://example.org/{+path}{?q,lang*}{&x:3}", true},
      {"uri-template", "http://example.org/{path", false},
      {"uri-template", "http://example.org/path}", false},
      {"uri-template", "{}", false},
      {"uri-template", "{a:12345}", false},
      {"uri-template", "{a%4}", false},
      {"uri-template", "{a%40.b}", true},
      {"regex", "^a(b|c)*$", true},
      {"regex", "^(abc]", false},
      {"regex", "\\a", false},
      {"json-pointer", "/a~1b", true},
      {"json-pointer", "a", false},
      {"relative-json-pointer", "0#", true},
      {"relative-json-pointer", "01", false},
      {"uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", true},
      {"uuid", "2eb8aa08aa9811eab4aa73b441d16380", false},
  };
  for (const Case& test : kCases) {
    FormatCheck* check = FindFormat(test.format);
    ASSERT_NE(check, nullptr) << test.format;
    EXPECT_EQ(check(test.text), test.valid) << test.format << ": " << test.text;
  }
  EXPECT_EQ(FindFormat("color"), nullptr);
}

TEST(Punycode, Decodes) {
  EXPECT_EQ(DecodePunycode("bcher-kva"), ToCodePoints("bücher"));
  EXPECT_EQ(DecodePunycode("ihqwcrb4cv8a8dqg056pqjye"), ToCodePoints("他们为什么不说中文"));
  EXPECT_EQ(DecodePunycode("X"), std::nullopt);
  EXPECT_EQ(DecodePunycode("99999999999999"), std::nullopt);
}

}  // namespace
}  // namespace skald::schema
