#include "engine/projection/recent_rows.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skald::projection {
namespace {

WrittenRow Row(int number) { return {Json::Int(number), absl::StrCat(number)}; }

TEST(RecentRowsTest, TheRowThatWasPutLastIsFound) {
  RecentRows rows(1'000);
  EXPECT_EQ(rows.Find("a"), nullptr);
  rows.Put("a", Row(1));
  rows.Put("b", Row(2));
  rows.Put("a", Row(3));
  EXPECT_EQ(rows.Find("a")->text, "3");
  EXPECT_EQ(rows.Find("a")->row.AsInt(), 3);
  EXPECT_EQ(rows.Find("b")->text, "2");
  rows.Erase("a");
  rows.Erase("c");
  EXPECT_EQ(rows.Find("a"), nullptr);
}

TEST(RecentRowsTest, TheOldestGoFirst) {
  RecentRows rows(1'000);
  for (int i = 100; i < 1'000; ++i) {
    rows.Put(absl::StrCat("key-", i), Row(i));
    EXPECT_NE(rows.Find(absl::StrCat("key-", i > 130 ? i - 30 : i)), nullptr);
  }
  EXPECT_EQ(rows.Find("key-100"), nullptr);
  EXPECT_EQ(rows.Find("key-850"), nullptr) << "each takes 10 bytes";
}

TEST(RecentRowsTest, WhatIsPutAgainIsNeverFoundAsItWas) {
  RecentRows rows(1'000);
  for (int i = 0; i < 1'000; ++i) {
    const std::string key = absl::StrCat("key-", i % 60);
    if (const WrittenRow* const found = rows.Find(key)) {
      EXPECT_EQ(found->row.AsInt(), i - 60);
    }
    rows.Put(key, Row(i));
    if (i % 7 == 0) rows.Erase(key);
    EXPECT_EQ(rows.Find(key) == nullptr, i % 7 == 0);
  }
}

TEST(RecentRowsTest, AtMostOneIsLargerThanTheBound) {
  RecentRows rows(100);
  rows.Put("large", {Json::String(""), std::string(200, 'x')});
  rows.Put("small", Row(1));
  EXPECT_NE(rows.Find("large"), nullptr);
  EXPECT_NE(rows.Find("small"), nullptr);
  rows.Put("larger", {Json::String(""), std::string(300, 'x')});
  EXPECT_EQ(rows.Find("large"), nullptr);
  EXPECT_NE(rows.Find("larger"), nullptr);
}

}  // namespace
}  // namespace skald::projection
