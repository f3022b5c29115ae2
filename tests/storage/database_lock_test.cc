// The lock of a folder: who holds it, and who may not even try.
//
// Method: root may write everywhere, so as root these tests take another user's rights for a while.
#include "storage/rocksdb/database_lock.h"

#include <cerrno>
#include <filesystem>
#include <string>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "storage/data_directory.h"
#include "storage/store_files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

namespace fs = std::filesystem;

using ::skald::testing::StatusIs;
using ::skald::testing::TempFolder;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

// Nobody's rights, as long as it lives.
class AsNobody {
 public:
  AsNobody() {
    if (::geteuid() == 0) {
      EXPECT_EQ(::seteuid(65'534), 0);
    }
  }
  ~AsNobody() {
    if (::getuid() == 0) {
      EXPECT_EQ(::seteuid(0), 0);
    }
  }
};

class DatabaseLockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::permissions(folder_.path(), fs::perms(0755));
    ASSERT_OK(DataDirectory::Open({.path = store_, .create_if_missing = true, .partition_count = 2})
                  .status());
    for (const auto& entry : fs::recursive_directory_iterator(store_)) {
      fs::permissions(entry.path(), entry.is_directory() ? fs::perms(0555) : fs::perms(0444));
    }
  }
  void TearDown() override {
    for (const char* const folder : {"/log", "/views"}) {
      fs::permissions(store_ + folder, fs::perms(0755));
    }
  }

  static auto Acquire(const std::string& path) {
    return DatabaseLock::Acquire(*rocksdb::Env::Default(), path);
  }

  TempFolder folder_;
  const std::string store_ = folder_.Sub("store");
  const std::string log_ = store_ + "/log";
};

TEST_F(DatabaseLockTest, SaysWhatToDoAboutEachRefusal) {
  EXPECT_THAT(LockRefusedError("/store/log", EROFS),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("/store/log/SKALD_LOCK"), HasSubstr("Read-only"),
                             HasSubstr("mounted for writing"))));
  EXPECT_THAT(LockRefusedError("/store/log", EACCES),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("Permission denied"), HasSubstr("as the user"))));
}

TEST_F(DatabaseLockTest, AFolderThatMayNotBeWrittenToIsNotInUse) {
  const AsNobody nobody;
  EXPECT_THAT(Acquire(log_).status(),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("Permission denied"), Not(HasSubstr("in use")))));
  EXPECT_THAT(DataDirectory::Open({.path = store_, .create_if_missing = false}).status(),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(DatabaseLockTest, AStoreThatMayOnlyBeReadIsExamined) {
  const AsNobody nobody;
  const auto examined = ExamineStore({.path = store_, .progress = {}});
  ASSERT_OK(examined.status());
  EXPECT_NE(examined->log, nullptr);
  EXPECT_NE(examined->views, nullptr);
  EXPECT_TRUE(examined->findings.empty()) << examined->findings.front().what;
}

TEST_F(DatabaseLockTest, AStoreThatCannotBeLockedIsExaminedWithANotice) {
  fs::permissions(log_ + "/SKALD_LOCK", fs::perms(0));
  const AsNobody nobody;
  const auto examined = ExamineStore({.path = store_, .progress = {}});
  ASSERT_OK(examined.status());
  EXPECT_NE(examined->log, nullptr);
  EXPECT_THAT(examined->findings,
              Contains(AllOf(Field(&StoreFinding::severity, StoreFinding::Severity::kNotice),
                             Field(&StoreFinding::what, HasSubstr("cannot be locked")))));
}

// Goal: also who may only read finds out that a server runs. Method: another process holds the
// lock.
TEST_F(DatabaseLockTest, AStoreInUseIsNotExamined) {
  int told[2];
  ASSERT_EQ(::pipe(told), 0);
  fs::permissions(log_ + "/SKALD_LOCK", fs::perms(0644));
  const pid_t other = ::fork();
  if (other == 0) {
    const auto lock = Acquire(log_);
    const char held = lock.ok() ? 'y' : 'n';
    if (::write(told[1], &held, 1) == 1) ::pause();
    ::_exit(0);
  }
  char held = '?';
  EXPECT_EQ(::read(told[0], &held, 1), 1);
  EXPECT_EQ(held, 'y');
  fs::permissions(log_ + "/SKALD_LOCK", fs::perms(0444));
  {
    const AsNobody nobody;
    EXPECT_THAT(ExamineStore({.path = store_, .progress = {}}).status(),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("in use")));
  }
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  ::close(told[0]);
  ::close(told[1]);
}

}  // namespace
}  // namespace skald::storage
