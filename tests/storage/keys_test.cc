// Keys: what is built can be taken apart again, and byte order is the order of the parts.
#include "storage/keys.h"

#include <algorithm>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::storage {
namespace {

using ::skald::testing::IsOkAndHolds;
using ::skald::testing::StatusIs;

// Short strings over few bytes, so that prefixes, zeros and equal ones come up all the time.
std::string RandomText(std::mt19937& random) {
  static constexpr char kBytes[] = {'\x00', '\x01', '\x02', 'a', '\xfe', '\xff'};
  std::string text(random() % 4, ' ');
  for (char& byte : text) byte = kBytes[random() % sizeof(kBytes)];
  return text;
}

TEST(KeysTest, LogKeysRoundTripAndOrder) {
  const uint64_t numbers[] = {1, 2, 255, 256, 65535, 1ull << 32, ~0ull};
  std::string before;
  for (const uint64_t number : numbers) {
    const std::string key = LogKey(Position(number));
    EXPECT_THAT(ParseLogKey(key), IsOkAndHolds(Position(number)));
    EXPECT_LT(before, key);
    before = key;
  }
  EXPECT_THAT(ParseLogKey("short"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(KeysTest, ViewKeysRoundTripAndKeepTheOrderOfTheirParts) {
  const uint32_t seed = 11;
  std::mt19937 random(seed);
  using Parts = std::tuple<uint32_t, uint64_t, std::string, std::string, uint64_t>;
  std::vector<std::pair<Parts, std::string>> keys;
  for (int i = 0; i < 2000; ++i) {
    const Parts parts{random() % 3, random() % 3, RandomText(random), RandomText(random),
                      random() % 300};
    const auto& [partition, time, first, second, number] = parts;
    const std::string key = KeyBuilder(Table::kTimer, PartitionId(partition))
                                .Time(Timestamp(static_cast<int64_t>(time)))
                                .Text(first)
                                .Text(second)
                                .Number(number)
                                .Build();
    KeyParser parser(key);
    EXPECT_EQ(parser.table(), Table::kTimer);
    EXPECT_EQ(parser.partition().value(), partition);
    EXPECT_EQ(parser.Time().value(), static_cast<int64_t>(time));
    EXPECT_EQ(parser.Text(), first);
    EXPECT_EQ(parser.Text(), second);
    EXPECT_EQ(parser.Number(), number);
    EXPECT_TRUE(parser.AtEnd());
    keys.emplace_back(parts, key);
  }
  for (size_t i = 0; i + 1 < keys.size(); ++i) {
    const auto& [a_parts, a_key] = keys[i];
    const auto& [b_parts, b_key] = keys[i + 1];
    EXPECT_EQ(a_parts < b_parts, a_key < b_key) << "seed " << seed << " pair " << i;
    EXPECT_EQ(a_parts == b_parts, a_key == b_key) << "seed " << seed << " pair " << i;
  }
}

TEST(KeysTest, NoCutKeyParses) {
  const std::string key =
      KeyBuilder(Table::kSaga, PartitionId(1)).Text("shop").Text(std::string("a\0b", 3)).Build();
  for (size_t length = 0; length < key.size(); ++length) {
    KeyParser parser(absl::string_view(key).substr(0, length));
    parser.Text();
    parser.Text();
    EXPECT_FALSE(parser.AtEnd()) << length;
  }
}

TEST(KeysTest, RestIsWhatIsLeft) {
  const std::string key = KeyBuilder(Table::kDefinitionHash, PartitionId(0)).Raw("hash").Build();
  KeyParser parser(key);
  EXPECT_EQ(parser.Rest(), "hash");
  EXPECT_TRUE(parser.AtEnd());
}

TEST(KeysTest, PrefixEndIsTheSmallestKeyPastThePrefix) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd("a\xff\xff"), "b");
  EXPECT_EQ(PrefixEnd("\xff\xff"), "");
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::string prefix = RandomText(random);
    const std::string end = PrefixEnd(prefix);
    const std::string key = RandomText(random);
    if (end.empty()) continue;
    EXPECT_EQ(key >= prefix && key < end, key.compare(0, prefix.size(), prefix) == 0);
  }
}

TEST(KeysTest, AppliedPositionsRoundTrip) {
  EXPECT_THAT(ParsePosition(EncodePosition(Position(77))), IsOkAndHolds(Position(77)));
  EXPECT_NE(AppliedKey(PartitionId(1)), AppliedKey(PartitionId(2)));
}

}  // namespace
}  // namespace skald::storage
