// Goal: the key file is private, replaced in one step, and never silently made anew.
#include "engine/audit/key_file.h"

#include <fstream>

#include <sys/stat.h>

#include "base/errors.h"
#include "engine/audit/checkpoint.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skald::audit {
namespace {

class KeyFileTest : public ::testing::Test {
 protected:
  mode_t Mode() const {
    struct stat about {};
    EXPECT_EQ(::stat(path_.c_str(), &about), 0);
    return about.st_mode & 0777;
  }
  void Write(const std::string& text) const {
    std::ofstream(path_) << text;
    ::chmod(path_.c_str(), 0600);
  }

  testing::TempFolder folder_;
  const std::string path_ = KeyFilePath(folder_.path());
};

TEST_F(KeyFileTest, IsMadeOnceAndPrivate) {
  EXPECT_EQ(ReadKeyFile(path_).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(EnsureKeyFile(path_, "skald/aa").ok());
  EXPECT_EQ(Mode(), 0600u);
  const auto first = ReadKeyFile(path_);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->size(), 1u);
  EXPECT_EQ((*first)[0].verifier().name(), "skald/aa");
  ASSERT_TRUE(EnsureKeyFile(path_, "skald/aa").ok());
  EXPECT_EQ((*ReadKeyFile(path_))[0].ToText(), (*first)[0].ToText());
}

TEST_F(KeyFileTest, RotationKeepsTheKeyBefore) {
  ASSERT_TRUE(EnsureKeyFile(path_, "skald/aa").ok());
  const SigningKey first = (*ReadKeyFile(path_))[0];
  const auto second = RotateKeyFile(path_);
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->size(), 2u);
  EXPECT_EQ((*second)[1].ToText(), first.ToText());
  EXPECT_NE((*second)[0].ToText(), first.ToText());
  EXPECT_EQ(Mode(), 0600u);
  const auto third = RotateKeyFile(path_);
  ASSERT_TRUE(third.ok());
  ASSERT_EQ(third->size(), 2u);
  EXPECT_EQ((*third)[1].ToText(), (*second)[0].ToText());
  // During the overlap a holder of either key opens what is signed.
  const Checkpoint checkpoint{.origin = OriginOf("skald/aa", PartitionId(0)), .tree = {}};
  const std::string note = SignNote(checkpoint.ToText(), *second);
  EXPECT_TRUE(OpenCheckpoint(note, {first.verifier()}).ok());
  EXPECT_TRUE(OpenCheckpoint(note, {(*second)[0].verifier()}).ok());
  EXPECT_FALSE(OpenCheckpoint(note, {(*third)[0].verifier()}).ok());
}

TEST_F(KeyFileTest, APreparedKeyCountsOnlyWhenItIsPutToUse) {
  EXPECT_EQ(PrepareKey(path_).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(EnsureKeyFile(path_, "skald/aa").ok());
  const SigningKey first = (*ReadKeyFile(path_))[0];
  EXPECT_EQ(ReadPreparedKey(path_).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(PrepareKey(path_).ok());
  const auto next = PrepareKey(path_);  // in place of the one before
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->verifier().name(), "skald/aa");
  EXPECT_EQ(ReadPreparedKey(path_)->ToText(), next->ToText());
  EXPECT_EQ(ReadKeyFile(path_)->size(), 1u);
  ASSERT_TRUE(UsePreparedKey(path_).ok());
  const auto keys = ReadKeyFile(path_);
  ASSERT_EQ(keys->size(), 2u);
  EXPECT_EQ((*keys)[0].ToText(), next->ToText());
  EXPECT_EQ((*keys)[1].ToText(), first.ToText());
  EXPECT_EQ(ReadPreparedKey(path_).status().code(), absl::StatusCode::kNotFound);
  // A crash between the two files: the key is in use, and still waits.
  std::ofstream(path_ + ".next") << next->ToText() << "\n";
  ::chmod((path_ + ".next").c_str(), 0600);
  ASSERT_TRUE(UsePreparedKey(path_).ok());
  EXPECT_EQ((*ReadKeyFile(path_))[1].ToText(), first.ToText());
  ASSERT_TRUE(PrepareKey(path_).ok());
  ASSERT_TRUE(DiscardPreparedKey(path_).ok());
  EXPECT_TRUE(DiscardPreparedKey(path_).ok()) << "nothing there to discard";
  EXPECT_EQ((*ReadKeyFile(path_))[0].ToText(), next->ToText());
}

TEST_F(KeyFileTest, AFileThatOthersMayReadIsRefused) {
  ASSERT_TRUE(EnsureKeyFile(path_, "skald/aa").ok());
  ::chmod(path_.c_str(), 0640);
  EXPECT_TRUE(HasReason(ReadKeyFile(path_).status(), ErrorReason::kAuditKeyUnusable));
  EXPECT_TRUE(HasReason(EnsureKeyFile(path_, "skald/aa"), ErrorReason::kAuditKeyUnusable));
  EXPECT_FALSE(RotateKeyFile(path_).ok());
}

TEST_F(KeyFileTest, ADamagedFileIsRefusedAndKept) {
  for (const char* text : {"", "nonsense\n", "PRIVATE+KEY+a+00000000+AAAA\n"}) {
    Write(text);
    EXPECT_TRUE(HasReason(ReadKeyFile(path_).status(), ErrorReason::kAuditKeyUnusable)) << text;
    EXPECT_FALSE(EnsureKeyFile(path_, "skald/aa").ok()) << text;
  }
}

}  // namespace
}  // namespace skald::audit
