// Damage to the log's write-ahead files: a torn last batch is cut, anything else is refused.
//
// Method: write a log, remember where each record ends in the file, damage a copy, and look.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "storage/rocksdb/rocksdb_event_log.h"
#include "storage/rocksdb/wal_scan.h"
#include "tests/storage/test_commits.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

using ::skald::testing::StatusIs;
using ::skald::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr PartitionId kPartition{0};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void WriteFile(const std::string& path, absl::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.good());
}

absl::string_view WithoutZeros(absl::string_view bytes) {
  return bytes.substr(0, bytes.find_last_not_of('\0') + 1);
}

RocksDbEventLogOptions Options(const std::string& path) {
  return {.path = path, .create_if_missing = true, .partition_count = 1};
}

std::vector<std::string> WalFiles(const std::string& path) {
  auto files = ListWalFiles(*rocksdb::Env::Default(), path);
  EXPECT_OK(files.status());
  return *files;
}

class WalDamageTest : public ::testing::Test {
 protected:
  // Appends one commit for each payload size, and remembers where its record ends.
  void Write(const std::vector<size_t>& payload_bytes) {
    {
      auto log = RocksDbEventLog::Open(Options(original_));
      ASSERT_OK(log.status());
      const std::vector<std::string> files = WalFiles(original_);
      ASSERT_FALSE(files.empty());
      file_ = std::filesystem::path(files.back()).filename();
      CommitMaker maker(kPartition);
      for (const size_t bytes : payload_bytes) {
        commits_.push_back(maker.Next(2, std::string(bytes, 'p')));
        ASSERT_OK((*log)->Append({commits_.back()}));
        ends_.push_back(WithoutZeros(ReadFile(original_ + "/" + file_)).size());
      }
    }
    // Closing took the room ahead away.
    wal_ = ReadFile(original_ + "/" + file_);
    ASSERT_EQ(wal_.size(), ends_.back());
  }

  // A copy of the log whose write-ahead file is `wal`.
  std::string CopyWith(absl::string_view wal) {
    std::filesystem::remove_all(copy_);
    std::filesystem::copy(original_, copy_, std::filesystem::copy_options::recursive);
    WriteFile(copy_ + "/" + file_, wal);
    return copy_;
  }

  // Scans a file of these bytes alone.
  std::optional<WalDamage> Scan(absl::string_view wal) {
    WriteFile(folder_.Sub("000007.log"), wal);
    auto damage = ScanWal(*rocksdb::Env::Default(), {folder_.Sub("000007.log")});
    EXPECT_OK(damage.status());
    return *damage;
  }

  // Opens a copy with this file: `commits` are left, and a torn tail is reported if `torn`.
  void ExpectOpensWith(absl::string_view wal, size_t commits, bool torn) {
    const std::string path = CopyWith(wal);
    {
      auto log = RocksDbEventLog::Open(Options(path));
      ASSERT_OK(log.status());
      const std::vector<StagedCommit> expected(commits_.begin(),
                                               commits_.begin() + static_cast<long>(commits));
      EXPECT_EQ(ReadAll(**log, kPartition), Expected(expected));
      const std::vector<TornTail>& tails = (*log)->open_report().torn_tails;
      ASSERT_EQ(tails.size(), torn ? 1u : 0u);
      if (torn) {
        const absl::string_view cut = WithoutZeros(wal.substr(tails[0].offset));
        EXPECT_EQ(tails[0].bytes_cut, cut.size());
        EXPECT_EQ(ReadFile(tails[0].copy), cut);
      }
      // The log goes on where it was cut.
      CommitMaker maker(kPartition, (*log)->LastPosition(kPartition));
      ASSERT_OK((*log)->Append({maker.Next(1, "after")}));
    }
    auto again = RocksDbEventLog::Open(Options(path));
    ASSERT_OK(again.status());
    EXPECT_TRUE((*again)->open_report().torn_tails.empty());
    EXPECT_EQ(ReadAll(**again, kPartition).size(), commits + 1);
  }

  TempFolder folder_;
  const std::string original_ = folder_.Sub("original");
  const std::string copy_ = folder_.Sub("copy");
  std::string file_;
  std::string wal_;
  std::vector<StagedCommit> commits_;
  std::vector<size_t> ends_;
};

TEST_F(WalDamageTest, WholeFileHasNone) {
  Write({10, 100, 40'000, 5});
  EXPECT_FALSE(Scan(wal_).has_value());
  EXPECT_FALSE(Scan("").has_value());
  ExpectOpensWith(wal_, 4, /*torn=*/false);
}

// Goal: no flipped bit is ever taken for a torn tail unless it is in the last record, whether or not
// there is room ahead.
TEST_F(WalDamageTest, FlippedBitIsLossUnlessInTheLastRecord) {
  Write({20, 20, 20, 20});
  const size_t last_start = ends_[ends_.size() - 2];
  for (const size_t ahead : {0, 300, 40'000}) {
    for (size_t at = 0; at < wal_.size(); ++at) {
      for (const int mask : {0x01, 0x80}) {
        std::string damaged = wal_ + std::string(ahead, '\0');
        damaged[at] = static_cast<char>(damaged[at] ^ mask);
        const std::optional<WalDamage> damage = Scan(damaged);
        ASSERT_TRUE(damage.has_value()) << at;
        EXPECT_EQ(damage->followed_by.has_value(), at < last_start) << at;
        if (at >= last_start) {
          EXPECT_EQ(damage->record_offset, last_start) << at;
        }
      }
    }
  }
}

// Goal: what looks like room ahead is not believed when something stands behind it.
TEST_F(WalDamageTest, ZerosForARecordThatOthersFollowAreLoss) {
  Write({20, 40'000, 20, 20});
  for (size_t record = 0; record + 1 < ends_.size(); ++record) {
    const size_t start = record == 0 ? 0 : ends_[record - 1];
    std::string damaged = wal_;
    std::fill(damaged.begin() + static_cast<long>(start),
              damaged.begin() + static_cast<long>(ends_[record]), '\0');
    const std::optional<WalDamage> damage = Scan(damaged);
    ASSERT_TRUE(damage.has_value()) << record;
    EXPECT_EQ(damage->record_offset, start) << record;
    ASSERT_TRUE(damage->followed_by.has_value()) << record;
    EXPECT_EQ(damage->followed_by->offset, ends_[record]) << record;
  }
}

TEST_F(WalDamageTest, FlippedBitBeforeTheLastRecordIsRefused) {
  Write({20, 20, 40'000, 20});
  for (const size_t at : {size_t{3}, ends_[0] + 6, ends_[1] + 20'000, ends_[2] - 1}) {
    std::string damaged = wal_;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    const std::string path = CopyWith(damaged);
    EXPECT_THAT(RocksDbEventLog::Open(Options(path)).status(),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(file_), HasSubstr("at byte"), HasSubstr("restore"))))
        << at;
    EXPECT_EQ(ReadFile(path + "/" + file_), damaged) << "nothing may be changed";
  }
}

TEST_F(WalDamageTest, FlippedBitInTheLastRecordIsCut) {
  Write({20, 20, 20});
  for (const size_t at : {ends_[1], ends_[1] + 6, ends_[2] - 1}) {
    std::string damaged = wal_;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    ExpectOpensWith(damaged, 2, /*torn=*/true);
  }
}

TEST_F(WalDamageTest, LastRecordCutAtEveryByteIsCutOff) {
  Write({20, 20, 20});
  for (size_t length = ends_[1]; length < ends_[2]; ++length) {
    ExpectOpensWith(absl::string_view(wal_).substr(0, length), 2, /*torn=*/length != ends_[1]);
    if (HasFailure()) FAIL() << "cut at " << length;
  }
}

// RocksDB refuses this one, though it is a plain torn write.
TEST_F(WalDamageTest, HalfZeroLastRecordIsCut) {
  Write({20, 20, 3000});
  std::string damaged = wal_;
  std::fill(damaged.begin() + static_cast<long>((ends_[1] + ends_[2]) / 2), damaged.end(), '\0');
  ExpectOpensWith(damaged, 2, /*torn=*/true);
}

// A process that was killed leaves the room ahead.
TEST_F(WalDamageTest, ZerosAfterTheLastRecordAreRoom) {
  Write({20, 20});
  for (const size_t bytes : {1, 6, 7, 5000, 40'000, 262'144}) {
    ExpectOpensWith(wal_ + std::string(bytes, '\0'), 2, /*torn=*/false);
    if (HasFailure()) FAIL() << bytes << " zeros";
  }
}

TEST_F(WalDamageTest, FlippedBitInTheRoomIsCut) {
  Write({20, 20});
  for (const size_t at : {0, 3, 6, 5000, 40'000, 99'999}) {
    std::string damaged = wal_ + std::string(100'000, '\0');
    damaged[ends_[1] + at] = 1;
    ExpectOpensWith(damaged, 2, /*torn=*/true);
    if (HasFailure()) FAIL() << "flipped " << at << " into the room";
  }
}

// A record over several blocks may be torn anywhere: pages reach the disk in any order.
TEST_F(WalDamageTest, LongLastRecordMayLoseAnyOfItsBlocks) {
  Write({20, 150'000});
  for (const size_t from : {ends_[0], size_t{32'768}, size_t{65'536}, size_t{98'304}}) {
    std::string damaged = wal_;
    std::fill_n(damaged.begin() + static_cast<long>(from), 4096, '\0');
    ExpectOpensWith(damaged, 1, /*torn=*/true);
    if (HasFailure()) FAIL() << "zeroed from " << from;
  }
}

// Goal: the place decides, not the kind of damage. Method: cut a file that another one follows.
TEST_F(WalDamageTest, TornTailBeforeAnotherFileIsLoss) {
  Write({20, 20, 20});
  const std::string first = folder_.Sub("000010.log");
  const std::string second = folder_.Sub("000011.log");
  rocksdb::Env& env = *rocksdb::Env::Default();
  WriteFile(first, absl::string_view(wal_).substr(0, ends_[1] + 9));
  WriteFile(second, "");
  auto damage = ScanWal(env, {first, second});
  ASSERT_OK(damage.status());
  ASSERT_TRUE(damage->has_value());
  EXPECT_FALSE((*damage)->followed_by.has_value()) << "an empty file proves nothing";

  WriteFile(second, wal_);
  damage = ScanWal(env, {first, second});
  ASSERT_OK(damage.status());
  ASSERT_TRUE(damage->has_value());
  EXPECT_EQ((*damage)->place.file, first);
  ASSERT_TRUE((*damage)->followed_by.has_value());
  EXPECT_EQ((*damage)->followed_by->file, second);
  EXPECT_THAT(LostDataError(**damage), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(second)));
}

TEST_F(WalDamageTest, RubbishInALaterFileIsCutWithTheTailAndRoomStays) {
  Write({20, 20, 20});
  const std::string first = folder_.Sub("000010.log");
  const std::string second = folder_.Sub("000011.log");
  for (const bool is_rubbish : {false, true}) {
    WriteFile(first, absl::string_view(wal_).substr(0, ends_[1] + 9));
    WriteFile(second, std::string(100, is_rubbish ? 'r' : '\0'));
    rocksdb::Env& env = *rocksdb::Env::Default();
    const auto damage = ScanWal(env, {first, second});
    ASSERT_OK(damage.status());
    ASSERT_TRUE(damage->has_value());
    ASSERT_OK_AND_ASSIGN(const std::vector<TornTail> tails,
                         CutTornTail(env, folder_.path(), {first, second}, **damage));
    ASSERT_EQ(tails.size(), is_rubbish ? 2u : 1u);
    EXPECT_EQ(tails.back().file, first);
    EXPECT_EQ(std::filesystem::file_size(first), ends_[1]);
    EXPECT_EQ(std::filesystem::file_size(second), is_rubbish ? 0u : 100u);
  }
}

}  // namespace
}  // namespace skald::storage
