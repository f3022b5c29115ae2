// Room that is written ahead in write-ahead files: where bytes land, how long files are, and what
// happens when there is none.
#include "storage/rocksdb/wal_file_system.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using ::skald::testing::TempFolder;

constexpr size_t kAhead = WalFileSystem::kAheadBytes;

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Counts writes, and has no room past so many bytes.
class SmallDisk : public rocksdb::FileSystemWrapper {
 public:
  explicit SmallDisk(uint64_t bytes_max)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), bytes_max_(bytes_max) {}
  const char* Name() const override { return "SmallDisk"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    if (status.ok()) *file = std::make_unique<File>(*this, std::move(*file));
    return status;
  }

  int writes = 0;

 private:
  class File : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(SmallDisk& disk, std::unique_ptr<rocksdb::FSWritableFile> target)
        : FSWritableFileOwnerWrapper(std::move(target)), disk_(disk) {}
    IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset, const IOOptions& options,
                              IODebugContext* debug) override {
      ++disk_.writes;
      if (offset + data.size() > disk_.bytes_max_) return IOStatus::NoSpace("full");
      return FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, debug);
    }

   private:
    SmallDisk& disk_;
  };

  const uint64_t bytes_max_;
};

class WalFileSystemTest : public ::testing::Test {
 protected:
  void Open(uint64_t disk_bytes = ~uint64_t{0}, const std::string& name = "000007.log") {
    path_ = folder_.Sub(name);
    disk_ = std::make_shared<SmallDisk>(disk_bytes);
    WalFileSystem system(disk_);
    ASSERT_TRUE(system.NewWritableFile(path_, {}, &file_, nullptr).ok());
  }
  IOStatus Append(const std::string& bytes) {
    IOStatus status = file_->Append(bytes, {}, nullptr);
    if (status.ok()) appended_ += bytes;
    return status;
  }
  void ExpectContent(size_t room) {
    EXPECT_EQ(Content(path_), appended_ + std::string(room, '\0'));
    EXPECT_EQ(file_->GetFileSize({}, nullptr), appended_.size());
  }

  TempFolder folder_;
  std::string path_;
  std::shared_ptr<SmallDisk> disk_;
  std::unique_ptr<rocksdb::FSWritableFile> file_;
  std::string appended_;
};

TEST_F(WalFileSystemTest, AppendingWritesOverTheRoom) {
  Open();
  ExpectContent(0);
  ASSERT_TRUE(Append("one").ok());
  ExpectContent(kAhead);
  ASSERT_TRUE(Append("two").ok());
  ExpectContent(kAhead - 3);
  EXPECT_EQ(disk_->writes, 3) << "the second append needed no room";
}

TEST_F(WalFileSystemTest, RoomIsRenewedWhenItIsUsedUp) {
  Open();
  ASSERT_TRUE(Append("begin").ok());
  const std::string piece(50'000, 'p');
  size_t room = kAhead;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Append(piece).ok());
    room = room > piece.size() ? room - piece.size() : kAhead;
    ExpectContent(room);
  }
}

TEST_F(WalFileSystemTest, RoomThatIsUsedUpToTheLastByteIsRenewed) {
  Open();
  ASSERT_TRUE(Append("begin").ok());
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Append(std::string(kAhead / 8, 'p')).ok());
  ExpectContent(kAhead);
}

TEST_F(WalFileSystemTest, LargeAppendsGrowTheFile) {
  Open();
  const std::string large(WalFileSystem::kLargeAppendBytes, 'l');
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(Append(large).ok());
  ExpectContent(0);
  EXPECT_EQ(disk_->writes, 6);
  ASSERT_TRUE(Append("small").ok());
  ExpectContent(kAhead);
}

TEST_F(WalFileSystemTest, ClosingTakesTheRoomAway) {
  Open();
  ASSERT_TRUE(Append("whole").ok());
  ASSERT_TRUE(file_->Close({}, nullptr).ok());
  EXPECT_EQ(Content(path_), "whole");
}

TEST_F(WalFileSystemTest, TruncatingGoesOnFromThere) {
  Open();
  ASSERT_TRUE(Append("one, two").ok());
  ASSERT_TRUE(file_->Truncate(3, {}, nullptr).ok());
  appended_.resize(3);
  ExpectContent(0);
  ASSERT_TRUE(Append(" and").ok());
  ExpectContent(kAhead);
}

TEST_F(WalFileSystemTest, AFullDiskStillTakesWhatItHasRoomFor) {
  Open(10);
  ASSERT_TRUE(Append("eight of").ok());
  ExpectContent(0);
  ASSERT_TRUE(Append("10").ok());
  ExpectContent(0);
  EXPECT_TRUE(Append("!").IsNoSpace());
  ExpectContent(0);
}

TEST_F(WalFileSystemTest, OtherFilesAreTheTargetsOwn) {
  Open(~uint64_t{0}, "000008.sst");
  ASSERT_TRUE(Append("table").ok());
  ASSERT_TRUE(file_->Flush({}, nullptr).ok());
  EXPECT_EQ(Content(path_), "table");
  EXPECT_EQ(disk_->writes, 0);
}

}  // namespace
}  // namespace skald::storage
