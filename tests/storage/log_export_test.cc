// Goal: a log export gives back the commits it was made of, and one that was changed in any way is
// refused with the byte where. Method: a small export; every bit flipped, every length cut, frames
// swapped, dropped and repeated under checksums that are right.
#include "storage/log_export.h"

#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/crc32c.h"
#include "tests/storage/test_commits.h"

namespace skald::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

log::v1::ExportHeader Header() {
  log::v1::ExportHeader header;
  header.set_store_id("0123456789abcdef");
  header.set_partition_count(3);
  for (const auto& [partition, last] : {std::pair<uint32_t, uint64_t>{0, 6}, {2, 2}}) {
    log::v1::ExportRange& range = *header.add_ranges();
    range.set_partition(partition);
    range.set_first_position(1);
    range.set_last_position(last);
  }
  return header;
}

// Positions 1 to 6 of partition 0 in three commits, 1 and 2 of partition 2 in two.
std::vector<StagedCommit> Commits() {
  CommitMaker first(PartitionId(0));
  CommitMaker second(PartitionId(2));
  return {first.Next(1), first.Next(3, R"({"a":1})"), first.Next(2), second.Next(1),
          second.Next(1)};
}

// The file's parts: begin, a commit each, end.
std::vector<std::string> Parts(const log::v1::ExportHeader& header,
                               const std::vector<StagedCommit>& commits) {
  LogExportWriter writer;
  std::vector<std::string> parts = {writer.Begin(header)};
  for (const StagedCommit& commit : commits) parts.push_back(writer.Add(commit.record, commit.count));
  parts.push_back(writer.End());
  return parts;
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string file;
  for (const std::string& part : parts) file += part;
  return file;
}

std::string Export(const std::vector<StagedCommit>& commits) {
  return Joined(Parts(Header(), commits));
}

// What reading to the end says.
absl::Status Read(const std::string& file, std::vector<std::string>* records = nullptr) {
  std::istringstream in(file);
  LogExportReader reader(in);
  if (const auto header = reader.ReadHeader(); !header.ok()) return header.status();
  while (true) {
    const absl::StatusOr<bool> more = reader.Next();
    if (!more.ok() || !*more) return more.status();
    if (records != nullptr) records->push_back(std::string(reader.record()));
  }
}

TEST(LogExportTest, GivesBackWhatItWasMadeOf) {
  const std::vector<StagedCommit> commits = Commits();
  const std::string file = Export(commits);
  std::vector<std::string> records;
  ASSERT_TRUE(Read(file, &records).ok());
  ASSERT_EQ(records.size(), commits.size());
  for (size_t i = 0; i < records.size(); ++i) EXPECT_EQ(records[i], commits[i].record);
  EXPECT_EQ(file, Export(commits)) << "the same commits give the same bytes";
  EXPECT_TRUE(Read(Joined(Parts({[] {
    log::v1::ExportHeader header = Header();
    header.clear_ranges();
    return header;
  }()}, {}))).ok()) << "an empty log is one, too";
}

TEST(LogExportTest, NoBitCanBeFlipped) {
  const std::string file = Export(Commits());
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string changed = file;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    const absl::Status status = Read(changed);
    ASSERT_FALSE(status.ok()) << "bit " << bit;
    if (absl::IsInvalidArgument(status)) continue;  // its first line: no export at all
    ASSERT_TRUE(absl::IsDataLoss(status)) << status;
    ASSERT_THAT(std::string(status.message()), StartsWith("byte ")) << "bit " << bit;
  }
}

TEST(LogExportTest, NothingCanBeCutOffOrAdded) {
  const std::string file = Export(Commits());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(Read(file.substr(0, size)).ok()) << size;
  }
  EXPECT_THAT(std::string(Read(file.substr(0, file.size() - 3)).message()),
              HasSubstr(absl::StrCat("byte ", file.size() - 3, ": the file ends here")));
  EXPECT_THAT(std::string(Read(file + "x").message()),
              HasSubstr(absl::StrCat("byte ", file.size(), ": something follows")));
}

TEST(LogExportTest, FramesHaveTheirPlaces) {
  const std::vector<std::string> parts = Parts(Header(), Commits());
  const size_t second = parts[0].size() + parts[1].size();
  for (size_t i = 1; i < parts.size(); ++i) {
    for (size_t k = 1; k < i; ++k) {
      std::vector<std::string> swapped = parts;
      std::swap(swapped[i], swapped[k]);
      EXPECT_TRUE(absl::IsDataLoss(Read(Joined(swapped)))) << i << " " << k;
    }
    std::vector<std::string> twice = parts;
    twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(i), parts[i]);
    EXPECT_TRUE(absl::IsDataLoss(Read(Joined(twice)))) << i;
    std::vector<std::string> without = parts;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_TRUE(absl::IsDataLoss(Read(Joined(without)))) << i;
  }
  std::vector<std::string> without = parts;
  without.erase(without.begin() + 2);
  EXPECT_THAT(std::string(Read(Joined(without)).message()),
              HasSubstr(absl::StrCat("byte ", second, ": expected the commit at position 2")));
}

// A forger makes the checksums anew: what the header announces must still be there.
TEST(LogExportTest, TheHeaderIsKeptToItsWord) {
  std::vector<StagedCommit> commits = Commits();
  for (size_t i = 0; i < commits.size(); ++i) {
    std::vector<StagedCommit> fewer = commits;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_TRUE(absl::IsDataLoss(Read(Export(fewer)))) << i;
  }
  std::vector<StagedCommit> more = commits;
  more.push_back(MakeCommit(PartitionId(2), Position(3), 1, "{}"));
  EXPECT_TRUE(absl::IsDataLoss(Read(Export(more))));
  log::v1::ExportHeader header = Header();
  header.set_filtered(true);
  commits.erase(commits.begin() + 1);
  EXPECT_TRUE(Read(Joined(Parts(header, commits))).ok()) << "a filter leaves commits out";
  header.mutable_ranges(0)->set_partition(7);
  EXPECT_TRUE(absl::IsDataLoss(Read(Joined(Parts(header, {})))));
}

// docs/formats.md shows these bytes.
TEST(LogExportTest, TheFormatIsFrozen) {
  log::v1::ExportHeader header;
  header.set_store_id("0123456789abcdef");
  header.set_partition_count(1);
  const std::vector<std::string> parts = Parts(header, {});
  EXPECT_EQ(absl::BytesToHexString(Joined(parts)),
            "736b616c64206c6f67206578706f727420310a"
            "4816000000" "0801" "1210" "30313233343536373839616263646566" "1801" "1e08bd12"
            "4505000000" "1d4a02a099" "5397b14d");
}

}  // namespace
}  // namespace skald::storage
