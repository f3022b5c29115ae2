#include "engine/definition/suggest.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skald::definition {
namespace {

using ::testing::Eq;
using ::testing::Optional;

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(EditDistance("retry", "retry", 3), 0);
  EXPECT_EQ(EditDistance("rety", "retry", 3), 1);
  EXPECT_EQ(EditDistance("rettry", "retry", 3), 1);
  EXPECT_EQ(EditDistance("retri", "retry", 3), 1);
  EXPECT_EQ(EditDistance("rerty", "retry", 3), 1);
  EXPECT_EQ(EditDistance("swich", "switch", 3), 1);
  EXPECT_EQ(EditDistance("onfault", "onFault", 3), 0);
  EXPECT_EQ(EditDistance("", "abc", 3), 3);
}

TEST(EditDistance, StopsAtItsLimit) {
  EXPECT_EQ(EditDistance("call", "compensate", 3), 4);
  EXPECT_EQ(EditDistance("aaaa", "bbbb", 2), 3);
  EXPECT_EQ(EditDistance("kitten", "sitting", 2), 3);
  EXPECT_EQ(EditDistance("kitten", "sitting", 3), 3);
}

// The full table, without bands or limits.
int SlowDistance(const std::string& a, const std::string& b) {
  std::vector<std::vector<int>> table(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        table[i][j] = static_cast<int>(i + j);
        continue;
      }
      table[i][j] = std::min({table[i - 1][j] + 1, table[i][j - 1] + 1,
                              table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        table[i][j] = std::min(table[i][j], table[i - 2][j - 2] + 1);
      }
    }
  }
  return table[a.size()][b.size()];
}

TEST(EditDistance, AgreesWithTheFullTable) {
  std::mt19937 random(7);
  const auto word = [&random] {
    std::string text(random() % 12, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::string a = word(), b = word();
    const int limit = static_cast<int>(random() % 6);
    EXPECT_EQ(EditDistance(a, b, limit), std::min(SlowDistance(a, b), limit + 1))
        << a << " " << b << " " << limit;
  }
}

TEST(NearestName, FindsPlausibleSlipsOnly) {
  const std::vector<std::string> names = {"compensate", "register", "scope", "pivot"};
  EXPECT_THAT(NearestName("compensat", names), Optional(Eq("compensate")));
  EXPECT_THAT(NearestName("Pivot", names), Optional(Eq("pivot")));
  EXPECT_THAT(NearestName("scpoe", names), Optional(Eq("scope")));
  EXPECT_EQ(NearestName("when", names), std::nullopt);
  EXPECT_THAT(NearestName("registration", names), Eq(std::nullopt));
  EXPECT_EQ(NearestName("f", {"g"}), std::nullopt);
  EXPECT_EQ(NearestName("", names), std::nullopt);
  EXPECT_EQ(NearestName("pivot", {}), std::nullopt);
}

TEST(DidYouMean, IsEmptyWithoutANeighbour) {
  EXPECT_EQ(DidYouMean("forword", {"forward"}), "; did you mean 'forward'?");
  EXPECT_EQ(DidYouMean("xyz", {"forward"}), "");
}

}  // namespace
}  // namespace skald::definition
