#include "storage/rocksdb/database_lock.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "rocksdb/env.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace skald::storage {
namespace {

std::string LockFile(const std::string& path) { return path + "/SKALD_LOCK"; }

// Why this process may not write to the lock of the folder `path`; 0 when it may. The file is not
// opened: closing it would drop a lock that another object of this process has.
int WriteRefusal(const std::string& path) {
  if (::faccessat(AT_FDCWD, LockFile(path).c_str(), W_OK, AT_EACCESS) == 0) return 0;
  if (errno != ENOENT) return errno;
  return ::faccessat(AT_FDCWD, path.c_str(), W_OK | X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

absl::Status InUseError(const std::string& path, absl::string_view detail) {
  return absl::UnavailableError(absl::StrCat(
      path, " is in use: another process holds its lock (", detail,
      "). A store serves one process at a time: stop the other one, or open another store"));
}

}  // namespace

absl::Status LockRefusedError(const std::string& path, int error) {
  return absl::PermissionDeniedError(absl::StrCat(
      LockFile(path), " cannot be locked: ", std::strerror(error),
      error == EROFS ? ". A store is written to: have its file system mounted for writing, or copy "
                       "the data directory to one that is"
                     : ". Run this as the user whose data directory it is, or let this one write "
                       "to all of it"));
}

absl::StatusOr<std::unique_ptr<DatabaseLock>> DatabaseLock::Acquire(rocksdb::Env& env,
                                                                    const std::string& path) {
  rocksdb::FileLock* lock = nullptr;
  const rocksdb::Status status = env.LockFile(LockFile(path), &lock);
  if (status.IsNoSpace()) return FromRocksDb(status, absl::StrCat("lock ", path));
  if (!status.ok()) {
    if (const int error = WriteRefusal(path); error != 0) return LockRefusedError(path, error);
    return InUseError(path, status.ToString());
  }
  return std::unique_ptr<DatabaseLock>(new DatabaseLock([&env, lock] {
    // The system drops the lock with the process at the latest, so a failure changes nothing.
    env.UnlockFile(lock).PermitUncheckedError();
  }));
}

absl::StatusOr<std::unique_ptr<DatabaseLock>> DatabaseLock::AcquireForReading(
    const std::string& path) {
  const int file = ::open(LockFile(path).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return LockRefusedError(path, errno);
  struct flock all {};
  all.l_type = F_RDLCK;
  all.l_whence = SEEK_SET;
  if (::fcntl(file, F_SETLK, &all) == 0) {
    return std::unique_ptr<DatabaseLock>(new DatabaseLock([file] { ::close(file); }));
  }
  const int error = errno;
  ::close(file);
  if (error == EAGAIN || error == EACCES) return InUseError(path, std::strerror(error));
  return LockRefusedError(path, error);
}

}  // namespace skald::storage
