#include "storage/rocksdb/database_lock.h"

#include "absl/strings/str_cat.h"
#include "rocksdb/env.h"

namespace skald::storage {

absl::StatusOr<std::unique_ptr<DatabaseLock>> DatabaseLock::Acquire(rocksdb::Env& env,
                                                                    const std::string& path) {
  rocksdb::FileLock* lock = nullptr;
  const rocksdb::Status status = env.LockFile(path + "/SKALD_LOCK", &lock);
  if (!status.ok()) {
    return absl::UnavailableError(absl::StrCat(
        path, " is in use: another process holds its lock (", status.ToString(),
        "). A store serves one process at a time: stop the other one, or open another store"));
  }
  return std::unique_ptr<DatabaseLock>(new DatabaseLock(env, lock));
}

DatabaseLock::~DatabaseLock() {
  // The system drops the lock with the process at the latest, so a failure changes nothing.
  env_.UnlockFile(lock_).PermitUncheckedError();
}

}  // namespace skald::storage
