// Goal: values are read, changed, ordered and written as the header says. Method: tables of texts
// and results; wide values made in loops; sharing seen through copies that must not change.
#include "base/json.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/json_value.h"

namespace skald {
namespace {

using ::skald::testing::Value;
using ::testing::ElementsAre;

std::vector<std::string> Keys(const Json& object) {
  std::vector<std::string> keys;
  for (const Json::Member& member : object.AsObject()) keys.emplace_back(member.key());
  return keys;
}

TEST(JsonAccess, KindsAndNames) {
  struct Case {
    const char* text;
    Json::Kind kind;
    const char* name;
    bool truthy;
    size_t size;
  };
  const Case cases[] = {
      {"null", Json::Kind::kNull, "null", false, 0},
      {"false", Json::Kind::kFalse, "boolean", false, 0},
      {"true", Json::Kind::kTrue, "boolean", true, 0},
      {"0", Json::Kind::kNumber, "number", true, 0},
      {"0.5", Json::Kind::kNumber, "number", true, 0},
      {"123456789012345678901234567890", Json::Kind::kNumber, "number", true, 0},
      {"\"\"", Json::Kind::kString, "string", true, 0},
      {"\"\u00e9\u20ac\U0001F600x\"", Json::Kind::kString, "string", true, 4},
      {"\"more than fifteen bytes\"", Json::Kind::kString, "string", true, 23},
      {"[]", Json::Kind::kArray, "array", true, 0},
      {"[1,2]", Json::Kind::kArray, "array", true, 2},
      {"{}", Json::Kind::kObject, "object", true, 0},
      {"{\"a\":1}", Json::Kind::kObject, "object", true, 1},
  };
  for (const Case& c : cases) {
    const Json value = Value(c.text);
    EXPECT_EQ(value.kind(), c.kind) << c.text;
    EXPECT_EQ(value.KindName(), c.name) << c.text;
    EXPECT_EQ(value.Truthy(), c.truthy) << c.text;
    EXPECT_EQ(value.Size(), c.size) << c.text;
  }
  EXPECT_EQ(sizeof(Json), 16u);
}

TEST(JsonAccess, MissingPartsAreNull) {
  const Json value = Value(R"({"a":[1,2]})");
  EXPECT_EQ(value.Get("a").At(1), Json::Int(2));
  EXPECT_TRUE(value.Get("b").is_null());
  EXPECT_TRUE(value.Get("a").At(2).is_null());
  EXPECT_TRUE(value.At(0).is_null());
  EXPECT_TRUE(Json::Int(1).Get("a").is_null());
  EXPECT_EQ(value.Find("b"), nullptr);
  EXPECT_EQ(Json::EmptyObject().Find(""), nullptr);
  EXPECT_TRUE(Json::EmptyArray().AsArray().empty());
  EXPECT_TRUE(Json::EmptyObject().AsObject().empty());
}

TEST(JsonAccess, PointersFollowRfc6901) {
  const Json value = Value(
      R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,
          "~1":9,"01":10})");
  const std::pair<const char*, const char*> found[] = {
      {"/foo", R"(["bar","baz"])"},
      {"/foo/0", "\"bar\""},
      {"/foo/1", "\"baz\""},
      {"/", "0"},
      {"/a~1b", "1"},
      {"/c%d", "2"},
      {"/e^f", "3"},
      {"/g|h", "4"},
      {"/i\\j", "5"},
      {"/k\"l", "6"},
      {"/ ", "7"},
      {"/m~0n", "8"},
      {"/~01", "9"},
      {"/01", "10"},
  };
  for (const auto& [pointer, text] : found) {
    const Json* const part = value.AtPointer(pointer);
    ASSERT_NE(part, nullptr) << pointer;
    EXPECT_EQ(part->ToText(), text) << pointer;
  }
  EXPECT_EQ(value.AtPointer(""), &value);
  for (const char* pointer :
       {"foo", "/nope", "/foo/2", "/foo/-", "/foo/00", "/foo/01", "/foo/+1", "/foo/", "/foo/0/x",
        "/m~n", "/m~2n", "/m~", "/foo/4294967296", "/foo/18446744073709551616"}) {
    EXPECT_EQ(value.AtPointer(pointer), nullptr) << pointer;
  }
}

TEST(JsonAccess, MembersAreFoundInObjectsOfAnySize) {
  for (const size_t size : {1, 15, 16, 17, 33, 500}) {
    Json object;
    for (size_t i = 0; i < size; ++i) {
      object = std::move(object).With(absl::StrCat(i % 2 ? "k" : "a key of more bytes ", i),
                                      Json::Int(static_cast<int64_t>(i)));
    }
    ASSERT_EQ(object.Size(), size);
    const Json parsed = Value(object.ToText());
    for (size_t i = 0; i < size; ++i) {
      const std::string key = absl::StrCat(i % 2 ? "k" : "a key of more bytes ", i);
      EXPECT_EQ(object.Get(key), Json::Int(static_cast<int64_t>(i)));
      EXPECT_EQ(parsed.Get(key), Json::Int(static_cast<int64_t>(i)));
    }
    EXPECT_EQ(object.Find("nope"), nullptr);
    EXPECT_EQ(object.Find("a key of more bytes than that"), nullptr);
  }
}

TEST(JsonChange, CopiesStayAsTheyWere) {
  const Json object = Value(R"({"a":1,"b":2})");
  EXPECT_EQ(object.With("a", Json::Int(3)).ToText(), R"({"a":3,"b":2})");
  EXPECT_EQ(object.With("c", Json::Int(3)).ToText(), R"({"a":1,"b":2,"c":3})");
  EXPECT_EQ(object.Without("a").ToText(), R"({"b":2})");
  EXPECT_EQ(object.Without("x").ToText(), R"({"a":1,"b":2})");
  EXPECT_EQ(object.ToText(), R"({"a":1,"b":2})");

  const Json array = Value("[1,2]");
  EXPECT_EQ(array.WithElement(0, Json()).ToText(), "[null,2]");
  EXPECT_EQ(array.WithElement(4, Json::Int(5)).ToText(), "[1,2,null,null,5]");
  EXPECT_EQ(array.WithAppended(Json::Int(3)).ToText(), "[1,2,3]");
  EXPECT_EQ(array.ToText(), "[1,2]");

  const Json text = Json::String("a string beyond the small ones");
  EXPECT_EQ(text.WithSuffix("!").AsString(), "a string beyond the small ones!");
  EXPECT_EQ(text.AsString(), "a string beyond the small ones");
}

TEST(JsonChange, MovedFromCopiesDoNotChangeTheOthers) {
  Json object = Value(R"({"a":1})");
  const Json other = object;
  EXPECT_EQ(std::move(object).With("a", Json::Int(2)).ToText(), R"({"a":2})");
  EXPECT_EQ(other.ToText(), R"({"a":1})");
  Json array = Value("[1]");
  const Json other_array = array;
  EXPECT_EQ(std::move(array).WithAppended(Json::Int(2)).ToText(), "[1,2]");
  EXPECT_EQ(other_array.ToText(), "[1]");
  Json text = Json::String("a string beyond the small ones");
  const Json other_text = text;
  EXPECT_EQ(std::move(text).WithSuffix("?").AsString(), "a string beyond the small ones?");
  EXPECT_EQ(other_text.AsString(), "a string beyond the small ones");
}

TEST(JsonChange, UnsharedValuesChangeInPlace) {
  Json array = Value("[1,2,3]");
  const Json* const elements = array.AsArray().data();
  array = std::move(array).WithElement(1, Json::Int(5));
  EXPECT_EQ(array.AsArray().data(), elements);
  Json object = Value(R"({"a":1,"b":2})");
  const Json::Member* const members = object.AsObject().data();
  object = std::move(object).With("b", Json::Int(5));
  object = std::move(object).Without("a");
  EXPECT_EQ(object.AsObject().data(), members);
  EXPECT_EQ(object.ToText(), R"({"b":5})");
}

TEST(JsonChange, BuildingStepByStepIsLinear) {
  // A quadratic way would copy 10^10 elements here and run into the test's time limit.
  constexpr int64_t kSteps = 200'000;
  Json array;
  Json object;
  Json text = Json::String("");
  for (int64_t i = 0; i < kSteps; ++i) {
    array = std::move(array).WithAppended(Json::Int(i));
    object = std::move(object).With(absl::StrCat("key ", i), Json::Int(i));
    text = std::move(text).WithSuffix("x");
  }
  EXPECT_EQ(array.Size(), static_cast<size_t>(kSteps));
  EXPECT_EQ(object.Get("key 123456"), Json::Int(123456));
  EXPECT_EQ(text.Size(), static_cast<size_t>(kSteps));
}

TEST(JsonChange, NullCountsAsEmpty) {
  EXPECT_EQ(Json().With("a", Json()).ToText(), R"({"a":null})");
  EXPECT_EQ(Json().WithElement(1, Json::Int(1)).ToText(), "[null,1]");
  EXPECT_EQ(Json().WithAppended(Json::Int(1)).ToText(), "[1]");
  EXPECT_TRUE(Json().Without("a").is_null());
  EXPECT_EQ(Json::EmptyObject().Without("a").ToText(), "{}");
}

TEST(JsonChange, RemovingKeepsTheOrderAndTheRest) {
  for (const int size : {1, 2, 16, 17, 18, 40}) {
    Json object;
    for (int i = 0; i < size; ++i) object = std::move(object).With(absl::StrCat(i), Json::Int(i));
    for (int removed = 0; removed < size; ++removed) {
      const Json rest = object.Without(absl::StrCat(removed));
      ASSERT_EQ(rest.Size(), static_cast<size_t>(size - 1));
      for (int i = 0; i < size; ++i) {
        EXPECT_EQ(rest.Find(absl::StrCat(i)) == nullptr, i == removed);
        if (i != removed) {
          EXPECT_EQ(rest.Get(absl::StrCat(i)), Json::Int(i));
        }
      }
      EXPECT_EQ(Value(rest.ToText()), rest);
    }
  }
}

TEST(JsonChange, ArgumentsMayPointIntoTheReceiver) {
  Json object = Value(R"({"name":"short","other":"a string beyond the small ones"})");
  object = std::move(object).With(object.Get("name").AsString(), Json::Int(1));
  EXPECT_EQ(object.Get("short"), Json::Int(1));
  object = std::move(object).With(object.Get("other").AsString(), Json::Int(2));
  EXPECT_EQ(object.Get("a string beyond the small ones"), Json::Int(2));
  object = std::move(object).With("other", object);
  EXPECT_EQ(object.Get("other").Get("name").AsString(), "short");
  object = std::move(object).Without(object.AsObject()[0].key());
  EXPECT_EQ(object.Find("name"), nullptr);
  object = object.Get("other");
  EXPECT_EQ(object.Get("name").AsString(), "short");

  Json text = Json::String("a string beyond the small ones");
  text = std::move(text).WithSuffix(text.AsString());
  EXPECT_EQ(text.AsString(), "a string beyond the small onesa string beyond the small ones");
  Json small = Json::String("small");
  small = std::move(small).WithSuffix(small.AsString());
  EXPECT_EQ(small, Json::String("smallsmall"));
}

TEST(JsonChange, TakenPartsLeaveNullOnlyInUnsharedValues) {
  Json object = Value(R"({"a":[1],"b":2})");
  const Json copy = object;
  EXPECT_EQ(object.Take("a").ToText(), "[1]");
  EXPECT_EQ(copy.ToText(), R"({"a":[1],"b":2})");
  EXPECT_EQ(object.ToText(), R"({"a":[1],"b":2})");
  object = object.With("c", Json::Int(3));
  EXPECT_EQ(object.Take("a").ToText(), "[1]");
  EXPECT_EQ(object.ToText(), R"({"a":null,"b":2,"c":3})");
  EXPECT_TRUE(object.Take("x").is_null());
  Json array = Value("[[1],[2]]");
  EXPECT_EQ(array.TakeElement(1).ToText(), "[2]");
  EXPECT_TRUE(array.TakeElement(2).is_null());
  EXPECT_EQ(array.ToText(), "[[1],null]");
}

TEST(JsonChange, ThreadsMayShareValues) {
  // Under ThreadSanitizer this shows a count that is not atomic.
  const Json shared = Value(R"({"a":["a string beyond the small ones",{"b":[1,2,3]}]})");
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 4; ++t) {
    threads.emplace_back([shared, t] {
      for (int64_t i = 0; i < 1000; ++i) {
        Json changed = shared.With("thread", Json::Int(t)).With("a", shared.Get("a").At(1));
        EXPECT_EQ(changed.Get("thread"), Json::Int(t));
        EXPECT_EQ(changed.Take("a").Get("b").Size(), 3u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared.Size(), 1u);
}

TEST(JsonChange, BuildersAndFactories) {
  EXPECT_EQ(Json::Array({}).ToText(), "[]");
  EXPECT_EQ(Json::Object({}).ToText(), "{}");
  EXPECT_EQ(Json::Object({{"a", Json::Int(1)}, {"b", Json()}, {"a", Json::Int(2)}}).ToText(),
            R"({"a":2,"b":null})");
  Json::ObjectBuilder object;
  object.Add("x", Json::Int(1)).Add("y", Json::Bool(true)).Add("x", Json::Double(0.5));
  EXPECT_EQ(std::move(object).Build().ToText(), R"({"x":0.5,"y":true})");
  EXPECT_EQ(Json::ObjectBuilder().Build().ToText(), "{}");
  Json::ArrayBuilder array;
  array.Reserve(2);
  array.Add(Json::String("x"));
  array.Add(Json::Bool(false));
  EXPECT_EQ(array.size(), 2u);
  EXPECT_EQ(std::move(array).Build().ToText(), R"(["x",false])");
}

TEST(JsonOrder, SortedAsJqSorts) {
  const char* sorted[] = {
      "null",
      "false",
      "true",
      "-1e1000",
      "-1e400",
      "-9223372036854775809",
      "-9223372036854775808",
      "-1.5",
      "0",
      "0.1",
      "0.10000000000000000001",
      "1",
      "9007199254740992",
      "9007199254740993",
      "9223372036854775807",
      "9223372036854775808",
      "1e400",
      "1e1000",
      "\"\"",
      "\"A\"",
      "\"a\"",
      "\"aa\"",
      "\"b\"",
      "\"longer than fifteen bytes\"",
      "\"\u00e9\"",
      "\"\uffff\"",
      "\"\U0001F600\"",
      "[]",
      "[null]",
      "[null,0]",
      "[1]",
      "[1,1]",
      "[[]]",
      "[{}]",
      "{}",
      "{\"a\":1}",
      "{\"a\":2}",
      "{\"a\":1,\"b\":2}",
      "{\"b\":1,\"a\":3}",
      "{\"a\":0,\"b\":0,\"c\":0}",
      "{\"a\":0,\"c\":0}",
      "{\"b\":0}",
  };
  const size_t count = std::size(sorted);
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < count; ++j) {
      const Json a = Value(sorted[i]);
      const Json b = Value(sorted[j]);
      const int order = Json::Compare(a, b);
      EXPECT_EQ(order < 0, i < j) << sorted[i] << " " << sorted[j];
      EXPECT_EQ(order > 0, i > j) << sorted[i] << " " << sorted[j];
      EXPECT_EQ(a == b, i == j) << sorted[i] << " " << sorted[j];
    }
  }
}

TEST(JsonOrder, MembersAreEqualInAnyOrder) {
  EXPECT_EQ(Value(R"({"a":1,"b":{"c":[],"d":2}})"), Value(R"({"b":{"d":2,"c":[]},"a":1})"));
  EXPECT_NE(Value(R"({"a":1,"b":2})"), Value(R"({"a":1,"c":2})"));
  EXPECT_NE(Value(R"({"a":1,"b":2})"), Value(R"({"a":2,"b":1})"));
  EXPECT_NE(Value("[1,2]"), Value("[2,1]"));
}

TEST(JsonOrder, SortedMembersAreByKey) {
  const Json object = Value(R"({"b":1,"a":2,"":3,"ab":4,"B":5})");
  std::vector<std::string> keys;
  for (const Json::Member* member : object.SortedMembers()) keys.emplace_back(member->key());
  EXPECT_THAT(keys, ElementsAre("", "B", "a", "ab", "b"));
  EXPECT_THAT(Keys(object), ElementsAre("b", "a", "", "ab", "B"));
}

TEST(JsonText, PrettyTextIsIndentedByTwo) {
  EXPECT_EQ(Value(R"({"a":[1,{}],"b":[],"c":{"d":"e"}})").ToPrettyText(),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": [],\n  \"c\": {\n    \"d\": \"e\"\n  "
            "}\n}");
  EXPECT_EQ(Json::Int(1).ToPrettyText(), "1");
}

TEST(JsonText, EscapesAtEveryPlaceInTextsOfEveryLength) {
  // The writer looks at eight bytes at a time and collects a kilobyte; this crosses each edge.
  for (const size_t length : {1, 7, 8, 9, 15, 16, 17, 30, 1020, 1023, 1024, 1025, 5000}) {
    for (const char special : {'"', '\\', '\n', '\x01', '\x7f'}) {
      for (size_t place = 0; place < std::min<size_t>(length, 20); ++place) {
        std::string text(length, 'x');
        text[place] = special;
        text[length - 1 - place] = special;
        const Json value = Json::Array({Json::String(text), Json::String(text)});
        EXPECT_EQ(Value(value.ToText()), value);
      }
    }
  }
  EXPECT_EQ(Json::String("\x01 \x1f\x7f\u20ac\"\\/").ToText(), R"("\u0001 \u001f\u007f)"
                                                               "\u20ac"
                                                               R"(\"\\/")");
}

TEST(JsonText, AppendsToWhatIsThere) {
  std::string out = "x=";
  Value("[1]").AppendTo(out);
  EXPECT_EQ(out, "x=[1]");
}

}  // namespace
}  // namespace skald
