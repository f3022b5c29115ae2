// The pieces below the compiler: URIs, decimals, expressions, the table of names.
#include "absl/strings/str_cat.h"
#include "engine/schema/decimal.h"
#include "engine/schema/keywords.h"
#include "engine/schema/property_table.h"
#include "engine/schema/regex.h"
#include "engine/schema/uri.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::schema {
namespace {

using ::skald::testing::IsOkAndHolds;
using ::skald::testing::StatusIs;

// The examples of RFC 3986, 5.4.
TEST(Uri, ResolvesAsInTheRfc) {
  constexpr const char* kBase = "http://a/b/c/d;p?q";
  const std::pair<const char*, const char*> kCases[] = {
      {"g:h", "g:h"},
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q#s"},
      {"g#s", "http://a/b/c/g#s"},
      {";x", "http://a/b/c/;x"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g..", "http://a/b/c/g.."},
      {"./g/.", "http://a/b/c/g/"},
      {"g/../h", "http://a/b/c/h"},
  };
  for (const auto& [reference, expected] : kCases) {
    EXPECT_EQ(ResolveUri(kBase, reference), expected) << reference;
  }
  EXPECT_EQ(ResolveUri("", "a/b#c"), "a/b#c");
  EXPECT_EQ(ResolveUri("urn:uuid:1", "#c"), "urn:uuid:1#c");
  EXPECT_EQ(ResolveUri("http://a", "b"), "http://a/b");
}

TEST(Uri, DecodesPercentEscapes) {
  EXPECT_EQ(PercentDecode("/a%25b%7Ec%"), "/a%b~c%");
  EXPECT_EQ(PercentDecode("%4"), "%4");
}

TEST(Decimal, SplitsDigitsAndExponent) {
  const auto read = [](absl::string_view text) {
    const Decimal decimal = Decimal::Of(Json::Parse(text).value());
    return absl::StrCat(decimal.digits, "e", decimal.exponent);
  };
  EXPECT_EQ(read("0"), "e0");
  EXPECT_EQ(read("-120"), "12e1");
  EXPECT_EQ(read("0.00750"), "75e-4");
  EXPECT_EQ(read("1e300"), "1e300");
  EXPECT_EQ(read("12345678901234567890.5"), "123456789012345678905e-1");
}

TEST(Divisor, RefusesWhatItCannotCompute) {
  EXPECT_THAT(Divisor::Of(Json::Int(-1)), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Divisor::Of(Json::Number("1." + std::string(40, '1'))),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Regex, TranslatesWhatDiffers) {
  EXPECT_THAT(TranslatePattern("^\\d\\.[a-z]$"), IsOkAndHolds("^\\d\\x2e[a-z]$"));
  EXPECT_THAT(TranslatePattern("\\p{Letter}"), IsOkAndHolds("\\p{L}"));
  EXPECT_THAT(TranslatePattern("[[:x:]"), IsOkAndHolds("[\\[:x:]"));
  for (const char* pattern : {"a**", "(?>a)", "(?#c)", "\\Qa", "\\h", "[", "\\", "\\x1", "\\u12",
                              "\\p{L", "\\ud800", "\\c1", "(?i)a", "[\\B]"}) {
    EXPECT_THAT(TranslatePattern(pattern), StatusIs(absl::StatusCode::kInvalidArgument)) << pattern;
  }
}

TEST(Regex, LongTextsNeedAnAnchor) {
  const std::string text(2 * Regex::kUnanchoredBytesMax, 'a');
  EXPECT_EQ(Regex::Compile("a+b").value().Search(text), Regex::Result::kLimit);
  EXPECT_EQ(Regex::Compile("^a+$").value().Search(text), Regex::Result::kMatch);
  EXPECT_EQ(Regex::Compile("ab").value().Search(text), Regex::Result::kNoMatch);
}

TEST(PropertyTable, FindsNamesOfEveryLength) {
  PropertyTable table;
  std::string name;
  std::vector<std::string> names;
  for (int i = 0; i < 60; ++i) {
    names.push_back(name);
    table.Add(name).node = static_cast<NodeId>(i);
    name.push_back(static_cast<char>('a' + i % 3));
  }
  for (int i = 0; i < 60; ++i) {
    ASSERT_NE(table.Find(names[i]), nullptr) << i;
    EXPECT_EQ(table.Find(names[i])->node, static_cast<NodeId>(i));
    EXPECT_EQ(table.Find(names[i] + "x"), nullptr);
  }
  EXPECT_EQ(table.Add("a").node, 1u);
  EXPECT_EQ(PropertyTable().Find("a"), nullptr);
}

TEST(Keywords, AreFoundByName) {
  for (int i = 0; i < kKeywordCount; ++i) {
    const Keyword keyword = static_cast<Keyword>(i);
    EXPECT_EQ(FindKeyword(Info(keyword).name), keyword);
  }
  EXPECT_EQ(Info(Keyword::kVocabulary).name, "$vocabulary");
  EXPECT_EQ(Info(Keyword::kMinimum).name, "minimum");
  EXPECT_EQ(FindKeyword("title"), std::nullopt);
}

}  // namespace
}  // namespace skald::schema
