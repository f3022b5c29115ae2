// A file system that fails at the n-th change and forgets what was not synced.
//
// It passes everything on to the real one and remembers, file by file, how much is synced and
// whether the file's name is. Crash() then makes the real files look as after a loss of power.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace skald::storage {

class FaultFileSystem : public rocksdb::FileSystemWrapper {
 public:
  FaultFileSystem();

  static const char* kClassName() { return "FaultFileSystem"; }
  const char* Name() const override { return kClassName(); }

  // The change number `operation`, from 1, fails, and with it all later ones: the machine stopped.
  void StopAt(uint64_t operation);
  // Only that one fails.
  void FailOnceAt(uint64_t operation);
  // Whether a fault has struck.
  bool struck() const;

  // Renames and deletions are undone by a crash unless their folder was synced after them. Otherwise,
  // as on most file systems, a rename that was seen survives, and with it every name before it.
  void ForgetNames();
  // Syncs of files whose name ends so do nothing, and say OK.
  void LieAboutSyncsOf(std::string suffix);

  // What becomes of bytes that were written but not synced. Where they stand over other bytes those are
  // back, and any part may be lost; behind the end, as on most file systems, only an end may, so
  // kSecondHalf is kGone there.
  enum class TailFate { kGone, kHalf, kHalfThenZeros, kSecondHalf };
  // Drops what was not synced. Nothing may be open any more.
  void Crash(TailFate fate);

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& name, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override;

 private:
  class File;
  class Directory;

  // Bytes that an unsynced write replaced.
  struct Replaced {
    uint64_t offset = 0;
    std::string bytes;
  };

  struct FileState {
    uint64_t bytes = 0;
    uint64_t synced_bytes = 0;
    bool name_synced = false;
    std::vector<Replaced> replaced;  // oldest first
  };

  // A change of a name that its folder does not know yet.
  struct NameChange {
    std::string from;     // empty: deleted
    std::string to;       // where a file stood, or stands now
    bool existed = false; // `to`, before
    std::string content;  // of it, as far as it was synced
  };

  // Remembers what stands at `name` before it is renamed over or deleted.
  void Remember(const std::string& from, const std::string& name) SKALD_REQUIRES(mu_);
  void UndoNameChanges() SKALD_REQUIRES(mu_);
  static void LoseTail(const std::string& name, const FileState& file, TailFate fate);
  bool LiesAbout(const std::string& name) const;

  // What was created in `folder` keeps its name over a crash.
  void MarkNamesSynced(const std::string& folder) SKALD_REQUIRES(mu_);
  // Counts a change; not OK when it is one that fails.
  rocksdb::IOStatus Change();

  mutable Mutex mu_;
  uint64_t operations_ SKALD_GUARDED_BY(mu_) = 0;
  uint64_t fault_at_ SKALD_GUARDED_BY(mu_) = 0;
  bool for_good_ SKALD_GUARDED_BY(mu_) = false;
  bool struck_ SKALD_GUARDED_BY(mu_) = false;
  std::map<std::string, FileState> files_ SKALD_GUARDED_BY(mu_);
  bool forgets_names_ SKALD_GUARDED_BY(mu_) = false;
  std::string lies_about_ SKALD_GUARDED_BY(mu_);
  std::vector<NameChange> name_changes_ SKALD_GUARDED_BY(mu_);
};

}  // namespace skald::storage
