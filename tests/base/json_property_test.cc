// Goal: laws that hold for all values. Method: random documents and random changes under a printed
// seed; changes are followed by a plain model (a vector of pairs).
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/json_order.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald {
namespace {

class JsonProperty : public ::testing::Test {
 protected:
  uint64_t Below(uint64_t bound) { return random_() % bound; }

  std::string RandomText() {
    static const char* const kPieces[] = {
        "a",    "b",      "xyz",    "\"",         "\\", "\n", "\x01",
        "\x7f", "\u00e9", "\u20ac", "\U0001F600", "/",  " ",  "a longer piece of text"};
    std::string text;
    for (uint64_t i = Below(6); i > 0; --i) text += kPieces[Below(std::size(kPieces))];
    return text;
  }

  Json RandomNumber() {
    switch (Below(5)) {
      case 0:
        return Json::Int(static_cast<int64_t>(Below(20)) - 10);
      case 1:
        return Json::Int(static_cast<int64_t>(random_()));
      case 2:
        return Json::Double(static_cast<double>(Below(1000)) / 8);
      case 3:
        return Json::Double(
            std::ldexp(static_cast<double>(Below(1 << 20)), static_cast<int>(Below(400)) - 200));
      default:
        return Json::Number(absl::StrCat("1", random_(), ".", random_(), "e", Below(900)));
    }
  }

  Json RandomValue(int depth) {
    switch (Below(depth > 0 ? 8 : 5)) {
      case 0:
        return Json();
      case 1:
        return Json::Bool(Below(2) == 0);
      case 2:
      case 3:
        return RandomNumber();
      case 4:
        return Json::String(RandomText());
      case 5: {
        Json array = Json::EmptyArray();
        for (uint64_t i = Below(5); i > 0; --i) {
          array = std::move(array).WithAppended(RandomValue(depth - 1));
        }
        return array;
      }
      default: {
        Json object = Json::EmptyObject();
        // Now and then past the size where objects get an index.
        for (uint64_t i = Below(10) == 0 ? 30 : Below(5); i > 0; --i) {
          object = std::move(object).With(RandomText(), RandomValue(depth - 1));
        }
        return object;
      }
    }
  }

  // The same value with the members of its objects in another order.
  Json Shuffled(const Json& value) {
    if (value.is_array()) {
      Json array = Json::EmptyArray();
      for (const Json& element : value.AsArray()) {
        array = std::move(array).WithAppended(Shuffled(element));
      }
      return array;
    }
    if (!value.is_object()) return value;
    std::vector<std::pair<std::string, Json>> members;
    for (const Json::Member& member : value.AsObject()) {
      members.emplace_back(std::string(member.key()), Shuffled(member.value));
    }
    std::shuffle(members.begin(), members.end(), random_);
    return Json::Object(std::move(members));
  }

  const uint64_t seed_ = std::random_device()();
  std::mt19937_64 random_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, absl::StrCat("seed ", seed_)};
};

TEST_F(JsonProperty, TextReadsBackAsTheSameValue) {
  for (int i = 0; i < 3000; ++i) {
    const Json value = RandomValue(5);
    const std::string text = value.ToText();
    ASSERT_OK_AND_ASSIGN(const Json parsed, Json::Parse(text));
    ASSERT_EQ(parsed, value) << text;
    ASSERT_EQ(parsed.ToText(), text);
    ASSERT_OK_AND_ASSIGN(const Json pretty, Json::Parse(value.ToPrettyText()));
    ASSERT_EQ(pretty, value) << text;
  }
}

TEST_F(JsonProperty, OrderedBytesSortAsValuesAndEndByThemselves) {
  const auto sign = [](int order) { return (order > 0) - (order < 0); };
  for (int round = 0; round < 20'000; ++round) {
    const Json a = RandomValue(3);
    const Json b = Below(4) == 0 ? Shuffled(a) : RandomValue(3);
    std::string bytes_a, bytes_b;
    AppendOrdered(a, bytes_a);
    AppendOrdered(b, bytes_b);
    ASSERT_EQ(sign(bytes_a.compare(bytes_b)), sign(Json::Compare(a, b))) << a << " and " << b;
    absl::string_view rest = bytes_a;
    const std::string both = bytes_a + bytes_b;
    absl::string_view two = both;
    ASSERT_TRUE(SkipOrdered(rest) && rest.empty()) << a;
    std::string text;
    absl::string_view of_string = both;
    ASSERT_EQ(TakeOrderedString(of_string, &text), a.is_string()) << a;
    if (a.is_string()) {
      ASSERT_EQ(text, a.AsString());
      ASSERT_EQ(of_string, bytes_b);
    }
    ASSERT_TRUE(SkipOrdered(two));
    ASSERT_EQ(two, bytes_b) << a << " then " << b;
    // What is cut off is malformed, never misread.
    absl::string_view cut = absl::string_view(bytes_a).substr(0, Below(bytes_a.size()));
    ASSERT_FALSE(SkipOrdered(cut)) << a;
  }
}

TEST_F(JsonProperty, OrderIsTotalAndIgnoresTheOrderOfMembers) {
  for (int i = 0; i < 3000; ++i) {
    const Json a = RandomValue(3);
    const Json b = RandomValue(3);
    const Json c = RandomValue(3);
    const auto sign = [](int order) { return (order > 0) - (order < 0); };
    ASSERT_EQ(Json::Compare(a, Shuffled(a)), 0) << a;
    ASSERT_TRUE(a == Shuffled(a)) << a;
    ASSERT_EQ(sign(Json::Compare(a, b)), -sign(Json::Compare(b, a))) << a << b;
    ASSERT_EQ(Json::Compare(a, b) == 0, a == b) << a << b;
    ASSERT_EQ(sign(Json::Compare(a, b)), sign(Json::CompareAsJq(a, b))) << a << b;
    if (Json::Compare(a, b) <= 0 && Json::Compare(b, c) <= 0) {
      ASSERT_LE(Json::Compare(a, c), 0) << a << b << c;
    }
  }
}

TEST_F(JsonProperty, BrokenTextNeverCrashes) {
  for (int i = 0; i < 3000; ++i) {
    std::string text = RandomValue(4).ToText();
    for (uint64_t edits = 1 + Below(3); edits > 0 && !text.empty(); --edits) {
      const size_t place = Below(text.size());
      if (Below(2) == 0) {
        text.erase(place, 1 + Below(3));
      } else {
        text[place] = static_cast<char>(Below(256));
      }
    }
    const absl::StatusOr<Json> value = Json::Parse(text);
    if (value.ok()) {
      ASSERT_EQ(*Json::Parse(value->ToText()), *value) << text;
    }
  }
}

TEST_F(JsonProperty, ChangedObjectsFollowTheModel) {
  for (int round = 0; round < 50; ++round) {
    std::vector<std::pair<std::string, int64_t>> model;
    Json object = Json::EmptyObject();
    std::vector<std::pair<Json, std::string>> kept;  // Copies with the text they must keep.
    for (int64_t step = 0; step < 200; ++step) {
      const std::string key = absl::StrCat(Below(2) == 0 ? "" : "a key of more bytes ", Below(40));
      const auto found = std::find_if(model.begin(), model.end(),
                                      [&](const auto& member) { return member.first == key; });
      if (Below(3) > 0) {
        object = std::move(object).With(key, Json::Int(step));
        if (found == model.end()) {
          model.emplace_back(key, step);
        } else {
          found->second = step;
        }
      } else {
        object = std::move(object).Without(key);
        if (found != model.end()) model.erase(found);
      }
      if (Below(10) == 0) kept.emplace_back(object, object.ToText());
      ASSERT_EQ(object.Size(), model.size());
      for (size_t i = 0; i < model.size(); ++i) {
        ASSERT_EQ(object.AsObject()[i].key(), model[i].first);
        ASSERT_EQ(object.Get(model[i].first), Json::Int(model[i].second));
      }
    }
    for (const auto& [value, text] : kept) ASSERT_EQ(value.ToText(), text);
  }
}

}  // namespace
}  // namespace skald
