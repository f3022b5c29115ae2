// The commit record: round trips, the frozen bytes of format 1, and no damage that goes unseen.
#include "storage/commit_record.h"

#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/crc32c.h"
#include "tests/support/status_matchers.h"

namespace skald::storage {
namespace {

using ::skald::testing::StatusIs;
using ::testing::HasSubstr;

log::v1::CommitHeader SmallHeader() {
  log::v1::CommitHeader header;
  header.set_format(kCommitFormat);
  header.set_partition(3);
  header.set_first_position(1000);
  header.set_count(2);
  header.set_namespace_("shop");
  header.set_saga_id("order-1");
  header.set_first_revision(4);
  header.set_time_us(1'700'000'000'000'000);
  header.mutable_cause()->set_command("CompleteTask");
  header.set_request_id("r-1");
  header.set_request_digest(0x0123456789abcdef);
  return header;
}

std::string SmallRecord() {
  std::string record;
  EncodeCommit(SmallHeader(), "bodies", {R"({"paid":true})", ""}, &record);
  return record;
}

TEST(CommitRecordTest, ComesBackAsItWasWritten) {
  const std::string record = SmallRecord();
  ASSERT_OK_AND_ASSIGN(const CommitView commit, DecodeCommit(record));
  EXPECT_EQ(commit.header.SerializeAsString(), SmallHeader().SerializeAsString());
  EXPECT_EQ(commit.header_bytes, SmallHeader().SerializeAsString());
  EXPECT_EQ(commit.bodies, "bodies");
  EXPECT_THAT(commit.slots, ::testing::ElementsAre(R"({"paid":true})", ""));
}

TEST(CommitRecordTest, ComesBackWhateverTheSizesAre) {
  std::mt19937 random(7);
  CommitView commit;  // reused, as readers do
  for (int round = 0; round < 200; ++round) {
    log::v1::CommitHeader header = SmallHeader();
    header.set_saga_id(std::string(random() % 300, 'x'));
    header.set_first_position(1 + (uint64_t{random()} << 20));
    const std::string bodies(random() % 3000, '\x01');
    std::vector<std::string> slots(random() % 20);
    for (std::string& slot : slots) slot.assign(random() % 400, static_cast<char>(random()));
    const std::vector<absl::string_view> views(slots.begin(), slots.end());
    std::string record = "before";
    EncodeCommit(header, bodies, views, &record);
    const absl::string_view encoded = absl::string_view(record).substr(6);
    EXPECT_EQ(encoded.size(), EncodedCommitBytes(header, bodies, views));
    ASSERT_OK(DecodeCommit(encoded, &commit));
    EXPECT_EQ(commit.header_bytes, header.SerializeAsString());
    EXPECT_EQ(commit.bodies, bodies);
    EXPECT_EQ(commit.slots, views);
    ASSERT_OK_AND_ASSIGN(const CommitPlace place, PeekCommitPlace(encoded));
    EXPECT_EQ(place.partition.value(), header.partition());
    EXPECT_EQ(place.first.value(), header.first_position());
    EXPECT_EQ(place.count, header.count());
  }
}

TEST(CommitRecordTest, PlaceIsReadWithoutTheOptionalFields) {
  log::v1::CommitHeader header;
  header.set_format(kCommitFormat);
  header.set_first_position(1);
  header.set_count(1);
  std::string record;
  EncodeCommit(header, "", {}, &record);
  ASSERT_OK_AND_ASSIGN(const CommitPlace place, PeekCommitPlace(record));
  EXPECT_EQ(place.partition, PartitionId(0));
  EXPECT_EQ(place.first, Position(1));
  EXPECT_EQ(place.last(), Position(1));
}

// Goal: no bit can change unseen. Method: change every byte to every other value that differs in
// one bit, and to two more.
TEST(CommitRecordTest, EveryChangedByteIsDataLoss) {
  const std::string record = SmallRecord();
  for (size_t at = 0; at < record.size(); ++at) {
    for (const int mask : {1, 2, 4, 8, 16, 32, 64, 128, 0xff, 0x55}) {
      std::string damaged = record;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      EXPECT_THAT(DecodeCommit(damaged).status(), StatusIs(absl::StatusCode::kDataLoss))
          << "byte " << at << " mask " << mask;
    }
  }
}

TEST(CommitRecordTest, EveryShorterOrLongerRecordIsDataLoss) {
  const std::string record = SmallRecord();
  for (size_t length = 0; length < record.size(); ++length) {
    EXPECT_THAT(DecodeCommit(absl::string_view(record).substr(0, length)).status(),
                StatusIs(absl::StatusCode::kDataLoss))
        << length;
  }
  EXPECT_THAT(DecodeCommit(record + '\0').status(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(CommitRecordTest, DamageNamesThePart) {
  std::string record = SmallRecord();
  record.back() = 'x';  // the last byte of slot 0: slot 1 is empty
  EXPECT_THAT(DecodeCommit(record).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("slot 0")));
}

// Goal: a slot's kind of a later version is refused, not read as user data. Method: change the kind
// and mend the frame's checksum.
TEST(CommitRecordTest, UnknownKindOfSlotIsRefused) {
  std::string record = SmallRecord();
  constexpr size_t kSlotKindAt = 4 + 2 * 8 + 3;
  constexpr size_t kFrameChecksumAt = 4 + 4 * 8;
  record[kSlotKindAt] = 1;
  const uint32_t crc = Crc32c(absl::string_view(record).substr(0, kFrameChecksumAt));
  for (size_t i = 0; i < 4; ++i) {
    record[kFrameChecksumAt + i] = static_cast<char>(crc >> (8 * i));
  }
  EXPECT_THAT(DecodeCommit(record).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("kind 1 of slot 0 is unknown")));
}

// Goal: format 1 never changes. Never edit the file; a new format gets a new one.
TEST(CommitRecordTest, FormatOneIsFrozen) {
  const std::string path =
      std::string(SKALD_SOURCE_DIR) + "/tests/golden/formats/commit_record_v1.hex";
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  std::string hex;
  for (const char c : text.str()) {
    if (absl::ascii_isxdigit(static_cast<unsigned char>(c))) hex.push_back(c);
  }
  EXPECT_EQ(absl::BytesToHexString(SmallRecord()), hex) << "frozen in " << path;
}

}  // namespace
}  // namespace skald::storage
