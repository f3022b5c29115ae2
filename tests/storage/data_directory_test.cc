// A data directory as a whole: the log and its views must belong together.
#include "storage/data_directory.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "skald/log/v1/record.pb.h"
#include "storage/keys.h"
#include "tests/storage/test_commits.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

using ::skald::testing::IsOkAndHolds;
using ::skald::testing::StatusIs;
using ::skald::testing::TempFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr PartitionId kFirst{0};

class DataDirectoryTest : public ::testing::Test {
 protected:
  // A store with `commits` commits, folded up to the end.
  void Fill(const DataDirectoryOptions& options, int commits) {
    auto directory = DataDirectory::Open(options);
    ASSERT_OK(directory.status());
    CommitMaker maker(kFirst, directory->log->LastPosition(kFirst));
    for (int i = 0; i < commits; ++i) {
      ASSERT_OK(directory->log->Append({maker.Next(1)}));
    }
    ASSERT_OK(directory->views->Apply(kFirst, {}, maker.last()));
  }

  static absl::Status NoFold(const EventLog&, Views&) { return absl::OkStatus(); }

  TempFolder folder_;
  DataDirectoryOptions options_{
      .path = folder_.Sub("a/b/store"), .create_if_missing = true, .partition_count = 2};
};

TEST_F(DataDirectoryTest, IsCreatedOnceAndOpenedAgain) {
  {
    auto directory = DataDirectory::Open(options_);
    ASSERT_OK(directory.status());
    EXPECT_TRUE(directory->created);
    EXPECT_EQ(directory->log->partition_count(), 2u);
  }
  options_.create_if_missing = false;
  options_.partition_count = 0;
  auto directory = DataDirectory::Open(options_);
  ASSERT_OK(directory.status());
  EXPECT_FALSE(directory->created);
  EXPECT_THAT(directory->notices, IsEmpty());
  EXPECT_GT(directory->created_at.value(), 0);
}

TEST_F(DataDirectoryTest, MayTakeTheIdOfAnother) {
  options_.store_id = "0123456789abcdef";
  for (int i = 0; i < 2; ++i) {
    auto directory = DataDirectory::Open(options_);
    ASSERT_OK(directory.status());
    EXPECT_EQ(std::string(directory->log->store_id()), "0123456789abcdef");
    options_.store_id = "of an existing one it is not asked for";
  }
}

TEST_F(DataDirectoryTest, MissingStoreIsNotFoundAndNotCreated) {
  options_.create_if_missing = false;
  EXPECT_THAT(DataDirectory::Open(options_).status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(std::filesystem::exists(options_.path));
}

TEST_F(DataDirectoryTest, OtherPartitionCountIsRefused) {
  Fill(options_, 1);
  options_.partition_count = 4;
  EXPECT_THAT(DataDirectory::Open(options_).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(DataDirectoryTest, SecondOpenerIsRefused) {
  auto directory = DataDirectory::Open(options_);
  ASSERT_OK(directory.status());
  EXPECT_THAT(DataDirectory::Open(options_).status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is in use")));
}

TEST_F(DataDirectoryTest, DeletedViewsComeBackEmpty) {
  Fill(options_, 5);
  std::filesystem::remove_all(options_.path + "/views");
  auto directory = DataDirectory::Open(options_);
  ASSERT_OK(directory.status());
  EXPECT_EQ(directory->log->LastPosition(kFirst), Position(5));
  EXPECT_THAT(directory->views->AppliedPosition(kFirst), IsOkAndHolds(Position(0)));
}

TEST_F(DataDirectoryTest, DamagedViewsAreDeletedWithANotice) {
  Fill(options_, 5);
  // The empty name is the folder's own.
  for (const char* const current : {"rubbish", "", "\n", "MANIFEST-\n", "../log/CURRENT\n"}) {
    SCOPED_TRACE(current);
    std::ofstream(options_.path + "/views/CURRENT") << current;
    auto directory = DataDirectory::Open(options_);
    ASSERT_OK(directory.status());
    EXPECT_THAT(directory->notices, ElementsAre(HasSubstr("deleted the views")));
    EXPECT_THAT(directory->views->AppliedPosition(kFirst), IsOkAndHolds(Position(0)));
    ASSERT_OK(directory->views->Apply(kFirst, {}, Position(5)));
  }
}

TEST_F(DataDirectoryTest, APointerFileOfTheLogThatNamesNothingIsDataLoss) {
  Fill(options_, 5);
  for (const char* const current : {"rubbish", "", "MANIFEST-\n"}) {
    std::ofstream(options_.path + "/log/CURRENT") << current;
    EXPECT_THAT(DataDirectory::Open(options_).status(),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr("CURRENT is damaged"), HasSubstr("restore"))));
  }
}

TEST_F(DataDirectoryTest, TornTailIsCutWithANotice) {
  {
    auto directory = DataDirectory::Open(options_);
    ASSERT_OK(directory.status());
    CommitMaker maker(kFirst);
    ASSERT_OK(directory->log->Append({maker.Next(1)}));
    ASSERT_OK(directory->log->Append({maker.Next(1)}));
  }
  for (const auto& entry : std::filesystem::directory_iterator(options_.path + "/log")) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0) {
      std::filesystem::resize_file(entry.path(), entry.file_size() - 1);
    }
  }
  auto directory = DataDirectory::Open(options_);
  ASSERT_OK(directory.status());
  EXPECT_THAT(directory->notices, ElementsAre(HasSubstr("torn")));
  EXPECT_EQ(directory->log->LastPosition(kFirst), Position(1));
}

// Goal: a log that was set back under its views is noticed. Method: put an older copy of it there.
TEST_F(DataDirectoryTest, LogThatEndsBeforeItsViewsIsRefused) {
  Fill(options_, 3);
  std::filesystem::copy(options_.path + "/log", folder_.Sub("older"),
                        std::filesystem::copy_options::recursive);
  Fill(options_, 3);
  std::filesystem::remove_all(options_.path + "/log");
  std::filesystem::rename(folder_.Sub("older"), options_.path + "/log");
  EXPECT_THAT(DataDirectory::Open(options_).status(),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("lost its end"), HasSubstr("partition 0 ends at position 3"),
                             HasSubstr("up to 6"), HasSubstr("delete"))));
  // Nor do they go when they are of no use otherwise, or are to be made anew.
  const auto is_refused = StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lost its end"));
  EXPECT_THAT(DataDirectory::ReplaceViews(options_, NoFold).status(), is_refused);
  std::ofstream(options_.path + "/views/DAMAGED") << "a row cannot be read";
  EXPECT_THAT(DataDirectory::Open(options_).status(), is_refused);
  EXPECT_THAT(DataDirectory::ReplaceViews(options_, NoFold).status(), is_refused);
  // Knowingly going on without the lost events.
  std::filesystem::remove_all(options_.path + "/views");
  EXPECT_OK(DataDirectory::Open(options_).status());
}

TEST_F(DataDirectoryTest, ViewsOfAnotherFormatAreReplacedUnlessTheLogLostItsEnd) {
  const auto spoil = [&] {
    auto directory = DataDirectory::Open(options_);
    ASSERT_OK(directory.status());
    log::v1::StoreIdentity identity;
    identity.set_store_id(std::string(directory->log->store_id()));
    identity.set_format_version(99);
    ASSERT_OK(directory->views->ApplyRows(
        {{KeyBuilder(Table::kIdentity, PartitionId(0)).Build(), identity.SerializeAsString()}}));
  };
  Fill(options_, 3);
  spoil();
  std::filesystem::copy(options_.path + "/log", folder_.Sub("older"),
                        std::filesystem::copy_options::recursive);
  {
    auto directory = DataDirectory::Open(options_);
    ASSERT_OK(directory.status());
    EXPECT_THAT(directory->notices, ElementsAre(HasSubstr("have format version 99")));
  }
  Fill(options_, 3);
  spoil();
  std::filesystem::remove_all(options_.path + "/log");
  std::filesystem::rename(folder_.Sub("older"), options_.path + "/log");
  EXPECT_THAT(DataDirectory::Open(options_).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lost its end")));
}

// ---- Views made anew ----

TEST_F(DataDirectoryTest, ViewsAreReplacedByWhatIsFolded) {
  Fill(options_, 5);
  // Of one that was killed.
  std::filesystem::copy(options_.path + "/views", options_.path + "/views.anew");
  bool was_held = false;
  ASSERT_OK(DataDirectory::ReplaceViews(options_, [&](const EventLog& log, Views& views) {
              EXPECT_THAT(views.AppliedPosition(kFirst), IsOkAndHolds(Position(0)));
              was_held = absl::IsUnavailable(DataDirectory::Open(options_).status());
              return views.Apply(kFirst, {{"a row", "anew"}}, log.LastPosition(kFirst));
            }).status());
  EXPECT_TRUE(was_held);
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/views.anew"));
  auto directory = DataDirectory::Open(options_);
  ASSERT_OK(directory.status());
  EXPECT_THAT(directory->notices, IsEmpty());
  EXPECT_THAT(directory->views->AppliedPosition(kFirst), IsOkAndHolds(Position(5)));
  EXPECT_THAT(directory->views->Get("a row"), IsOkAndHolds("anew"));
}

TEST_F(DataDirectoryTest, ViewsStayWhenTheLogCannotBeFolded) {
  Fill(options_, 5);
  const auto replaced = DataDirectory::ReplaceViews(options_, [](const EventLog&, Views& views) {
    EXPECT_OK(views.Apply(kFirst, {}, Position(1)));
    return absl::DataLossError("position 2 is damaged");
  });
  EXPECT_THAT(replaced.status(), StatusIs(absl::StatusCode::kDataLoss, "position 2 is damaged"));
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/views.anew"));
  auto directory = DataDirectory::Open(options_);
  ASSERT_OK(directory.status());
  EXPECT_THAT(directory->views->AppliedPosition(kFirst), IsOkAndHolds(Position(5)));
}

TEST_F(DataDirectoryTest, MissingOrDamagedViewsAreMadeAnewToo) {
  Fill(options_, 5);
  std::ofstream(options_.path + "/views/CURRENT") << "rubbish";
  EXPECT_OK(DataDirectory::ReplaceViews(options_, NoFold).status());
  std::filesystem::remove_all(options_.path + "/views");
  EXPECT_OK(DataDirectory::ReplaceViews(options_, NoFold).status());
  EXPECT_OK(DataDirectory::Open(options_).status());
}

// Goal: what is not Skald's is never deleted, whatever the folder is called.
TEST_F(DataDirectoryTest, WhatIsNoFileOfViewsIsLeftAlone) {
  const std::string views = options_.path + "/views";
  std::filesystem::create_directories(views + "/layouts");
  std::ofstream(views + "/index.html") << "<html>";
  const auto is_untouched = [&] {
    return std::filesystem::exists(views + "/index.html") &&
           std::filesystem::exists(views + "/layouts") &&
           std::distance(std::filesystem::directory_iterator(views), {}) == 2;
  };
  EXPECT_THAT(DataDirectory::ReplaceViews(options_, NoFold).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("there is no event log")));
  EXPECT_TRUE(is_untouched());
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/log"));
  const auto is_refused =
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("which is no file of views"));
  EXPECT_THAT(DataDirectory::Open(options_).status(), is_refused);
  EXPECT_TRUE(is_untouched());
  // A log is there by now.
  EXPECT_THAT(DataDirectory::ReplaceViews(options_, NoFold).status(), is_refused);
  EXPECT_TRUE(is_untouched());
}

TEST_F(DataDirectoryTest, ViewsOfAnotherStoreAreRefused) {
  Fill(options_, 1);
  DataDirectoryOptions other = options_;
  other.path = folder_.Sub("other");
  Fill(other, 1);
  std::filesystem::remove_all(options_.path + "/views");
  std::filesystem::rename(other.path + "/views", options_.path + "/views");
  EXPECT_THAT(DataDirectory::Open(options_).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("belong to store")));
}

}  // namespace
}  // namespace skald::storage
