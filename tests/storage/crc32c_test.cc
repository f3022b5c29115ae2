// Known answers from RFC 3720, appendix B.4, and the two ways to compute compared.
#include "storage/crc32c.h"

#include <random>
#include <string>

#include "gtest/gtest.h"

namespace skald::storage {
namespace {

TEST(Crc32cTest, GivesTheKnownAnswers) {
  std::string ascending;
  std::string descending;
  for (char byte = 0; byte < 32; ++byte) {
    ascending.push_back(byte);
    descending.push_back(static_cast<char>(31 - byte));
  }
  const struct {
    std::string bytes;
    uint32_t crc;
  } answers[] = {
      {"", 0},
      {std::string(32, '\0'), 0x8a9136aa},
      {std::string(32, '\xff'), 0x62a8ab43},
      {ascending, 0x46dd794e},
      {descending, 0x113fdb5c},
      {"123456789", 0xe3069283},
  };
  for (const auto& answer : answers) {
    EXPECT_EQ(Crc32c(answer.bytes), answer.crc);
    EXPECT_EQ(ExtendCrc32cByTable(0, answer.bytes), answer.crc);
  }
}

TEST(Crc32cTest, TableAndInstructionAgreeOnEveryLengthAndSplit) {
  std::mt19937 random(1);
  std::string bytes;
  for (size_t length = 0; length < 70; ++length) {
    const uint32_t whole = Crc32c(bytes);
    EXPECT_EQ(whole, ExtendCrc32cByTable(0, bytes));
    for (size_t split = 0; split <= length; ++split) {
      const absl::string_view view = bytes;
      EXPECT_EQ(ExtendCrc32c(Crc32c(view.substr(0, split)), view.substr(split)), whole);
    }
    bytes.push_back(static_cast<char>(random()));
  }
}

}  // namespace
}  // namespace skald::storage
