// Goal: the parser takes exactly RFC 8259 within its limits, says where a text is broken, and no
// operation is bounded by the thread's stack. Method: tables of texts; values deep enough to
// overflow the stack of anything that recurses.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/json_value.h"
#include "tests/support/status_matchers.h"

namespace skald {
namespace {

using ::skald::testing::IsOk;
using ::skald::testing::IsOkAndHolds;
using ::skald::testing::Repeat;
using ::skald::testing::StatusIs;
using ::skald::testing::Value;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

TEST(JsonParse, CompactTextIsWrittenBackAsItWas) {
  for (const char* text : {
           "null",
           "true",
           "false",
           "0",
           "-1",
           "1.5",
           R"("")",
           R"("a")",
           "[]",
           "{}",
           "[[],{}]",
           R"("fifteen bytes..")",
           R"("sixteen bytes...")",
           R"("seven b")",
           R"("eight by")",
           R"({"a":1,"b":[true,null,{"c":"d"}]})",
           R"({"z":1,"a":2})",
           "[1,2,3,[4,[5]]]",
           R"(["\u0000\u001f\u007f\b\f\n\r\t\"\\/"])",
           "\"h\u00e9llo \u20ac \U0001F600\"",
       }) {
    EXPECT_EQ(Value(text).ToText(), text);
  }
}

TEST(JsonParse, WhiteSpaceAndEscapesAreAccepted) {
  EXPECT_EQ(Value(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n").ToText(),
            R"({"a":[1,2],"b":{}})");
  EXPECT_EQ(Value(R"("\u0041\u00e9\u20ac\ud83d\ude00\/")").AsString(), "A\u00e9\u20ac\U0001F600/");
}

TEST(JsonParse, StringsOfEveryLengthAndPlaceKeepTheirBytes) {
  // Short strings are read in words; this crosses each edge of a word and of the text.
  for (size_t length = 0; length < 40; ++length) {
    std::string plain;
    for (size_t i = 0; i < length; ++i) plain.push_back(static_cast<char>('a' + i % 26));
    for (size_t behind = 0; behind < 20; ++behind) {
      const std::string text = absl::StrCat("[\"", plain, "\"", Repeat(" ", behind), "]");
      const Json value = Value(text);
      EXPECT_EQ(value.At(0).AsString(), plain);
      EXPECT_EQ(value.At(0), Json::String(plain));
    }
  }
}

TEST(JsonParse, BrokenTextIsRefusedWithItsPlace) {
  struct Case {
    std::string text;
    const char* message;
  };
  const Case cases[] = {
      {"", "line 1, column 1: unexpected end of the text"},
      {" \n ", "line 2, column 2: unexpected end of the text"},
      {"{", "line 1, column 2: unexpected end of the text"},
      {"[1", "line 1, column 3: unexpected end of the text"},
      {"[1 2]", "line 1, column 4: expected ',' or ']' after an element"},
      {"[1,]", "line 1, column 4: expected a value"},
      {"[,1]", "line 1, column 2: expected a value"},
      {"[1}", "line 1, column 3: expected ',' or ']'"},
      {"{\"a\":1]", "line 1, column 7: expected ',' or '}' after a member"},
      {"{\"a\":1,}", "line 1, column 8: expected a key in quotes"},
      {"{a:1}", "line 1, column 2: expected a key in quotes"},
      {"{\"a\" 1}", "line 1, column 6: expected ':' after a key"},
      {"{\n \"a\": tru\n}", "line 2, column 7: expected a value"},
      {"1 2", "line 1, column 3: unexpected text after the value"},
      {"[]]", "line 1, column 3: unexpected text after the value"},
      {"nullx", "line 1, column 5: unexpected text after the value"},
      {"\"abc", "line 1, column 5: unexpected end of the text in a string"},
      {"\"abc\\", "line 1, column 6: unexpected end of the text in a string"},
      {"\"a\nb\"", "line 1, column 3: control characters in a string must be escaped"},
      {"\"\\x\"", "line 1, column 2: unknown escape"},
      {"\"\\u12g4\"", "expected four hexadecimal digits"},
      {"\"\\u-123\"", "expected four hexadecimal digits"},
      {"\"\\u12", "expected four hexadecimal digits"},
      {"\"\\ud800\"", "line 1, column 2: a surrogate without its pair"},
      {"\"\\udc00\"", "line 1, column 2: a surrogate without its pair"},
      {"\"\\ud800\\u0041\"", "line 1, column 2: a surrogate without its pair"},
      {"\"\\ud800\\ud800\"", "line 1, column 2: a surrogate without its pair"},
      {"\"\u00e9\u00e9\xff\"", "line 1, column 4: invalid UTF-8"},
      {"\"\xc0\xaf\"", "invalid UTF-8"},
      {"\"\xed\xa0\x80\"", "invalid UTF-8"},
      {"\"\xe2\x82\"", "invalid UTF-8"},
      {"\"\xf4\x90\x80\x80 and more than a word\"", "invalid UTF-8"},
      {"\xef\xbb\xbf[]", "line 1, column 1: expected a value"},
      {"{\"a\":1,\"b\":2,\"a\":3}",
       "line 1, column 19: duplicate key in the object that ends "
       "here: \"a\""},
      {"{\"a\":1,\"\\u0061\":3}", "duplicate key in the object that ends here: \"a\""},
      {"{\"a key beyond small\":1,\"a key beyond small\":3}", "duplicate key"},
      {"01", "line 1, column 2: a number must not have leading zeros"},
      {"-01", "line 1, column 3: a number must not have leading zeros"},
      {"-", "line 1, column 2: expected a digit"},
      {"1.", "line 1, column 3: expected a digit"},
      {"1.e1", "line 1, column 3: expected a digit"},
      {"1e", "line 1, column 3: expected a digit"},
      {"1e+", "line 1, column 4: expected a digit"},
      {".5", "expected a value"},
      {"+1", "expected a value"},
      {"nan", "expected a value"},
      {"NaN", "expected a value"},
      {"'a'", "expected a value"},
      {"[1] // x", "unexpected text"},
      {std::string("\0", 1), "expected a value"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(Json::Parse(c.text), StatusIs(kInvalid, HasSubstr(c.message))) << c.text;
  }
}

TEST(JsonParse, DuplicateKeysAreFoundInObjectsOfAnySize) {
  for (const size_t size : {2, 8, 15, 16, 17, 18, 40, 1000}) {
    std::string members;
    for (size_t i = 0; i < size; ++i) absl::StrAppend(&members, "\"key", i, "\":", i, ",");
    EXPECT_THAT(Json::Parse(absl::StrCat("{", members, "\"last\":0}")), IsOk());
    EXPECT_THAT(Json::Parse(absl::StrCat("{", members, "\"key1\":0}")),
                StatusIs(kInvalid, HasSubstr("duplicate key")));
  }
}

TEST(JsonParse, LimitsAreExact) {
  const JsonLimits three{.depth_max = 3};
  EXPECT_THAT(Json::Parse("[[{}]]", three), IsOk());
  EXPECT_THAT(Json::Parse("[[{\"a\":[]}]]", three),
              StatusIs(kInvalid, HasSubstr("column 8: deeper than the limit of 3")));
  EXPECT_THAT(Json::Parse("[[1],[[2]],[[[]]]]", three), StatusIs(kInvalid, HasSubstr("column 14")));
  EXPECT_THAT(Json::Parse("1", {.depth_max = 0}), IsOkAndHolds(Json::Int(1)));
  EXPECT_THAT(Json::Parse("[]", {.depth_max = 0}), StatusIs(kInvalid));
  EXPECT_THAT(Json::Parse(Repeat("[", 512) + Repeat("]", 512)), IsOk());
  EXPECT_THAT(Json::Parse(Repeat("[", 513) + Repeat("]", 513)),
              StatusIs(kInvalid, HasSubstr("deeper than the limit of 512")));
  EXPECT_THAT(Json::Parse("1234", {.bytes_max = 4}), IsOk());
  EXPECT_THAT(Json::Parse("12345", {.bytes_max = 4}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("5 bytes is longer than the limit of 4")));
}

TEST(JsonParse, ATextAfterABrokenOneIsUnaffected) {
  // The parser's buffers live on in the thread.
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Json::Parse(R"([{"a":["a string beyond the small ones",{"b":[)"),
                StatusIs(kInvalid));
    EXPECT_EQ(Value(R"({"a":[1,{"b":"c"}]})").ToText(), R"({"a":[1,{"b":"c"}]})");
  }
}

TEST(JsonDepth, NoOperationRecurses) {
  // Recursion of this depth would take tens of megabytes of stack.
  constexpr size_t kDepth = 500'000;
  Json arrays;
  Json objects;
  for (size_t i = 0; i < kDepth; ++i) {
    arrays = Json::EmptyArray().WithAppended(std::move(arrays));
    objects = Json::EmptyObject().With("k", std::move(objects));
  }
  const std::string array_text = Repeat("[", kDepth) + "null" + Repeat("]", kDepth);
  EXPECT_EQ(arrays.ToText(), array_text);
  ASSERT_OK_AND_ASSIGN(const Json parsed, Json::Parse(array_text, {.depth_max = kDepth}));
  EXPECT_EQ(parsed, arrays);
  EXPECT_EQ(Json::Compare(parsed, arrays), 0);
  ASSERT_OK_AND_ASSIGN(const Json copy, Json::Parse(objects.ToText(), {.depth_max = kDepth}));
  EXPECT_TRUE(copy == objects);
  EXPECT_EQ(Json::Compare(copy, objects), 0);
  EXPECT_GT(objects.ApproximateBytes(), kDepth * sizeof(Json));
  EXPECT_THAT(Json::Parse(Repeat("[{\"a\":", kDepth), {.depth_max = 1 << 30}), StatusIs(kInvalid));
}

TEST(JsonDepth, SharedPartsOutliveTheValuesAroundThem) {
  Json inner = Value(R"({"text":"a string beyond the small ones"})");
  {
    Json outer = Json::Array({inner, inner, Json::Object({{"x", inner}})});
    EXPECT_EQ(outer.At(2).Get("x"), inner);
  }
  EXPECT_EQ(inner.ToText(), R"({"text":"a string beyond the small ones"})");
}

}  // namespace
}  // namespace skald
