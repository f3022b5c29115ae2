// A file system whose write-ahead files have room that is written before it is used.
//
// To sync a file that has grown, the system must also commit the file's new length and the blocks
// it took: a second write, of its journal, that waits for the first. So zeros are written ahead of
// what is appended, and appending writes over them: then only data is synced, in about half the
// time (docs/adr/0019-zeros-ahead.md). fallocate would not do: blocks that were never written are
// marked as such, and to write one is a change of that mark.
//
// A file that was not closed ends in zeros. RocksDB reads over them, and so does wal_scan.h.
#pragma once

#include <memory>
#include <string>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace skald::storage {

class WalFileSystem : public rocksdb::FileSystemWrapper {
 public:
  // As much is written ahead at a time.
  static constexpr size_t kAheadBytes = 256 << 10;
  // Blocks are taken from the disk for as much at a time. RocksDB would take a whole memtable's
  // size, and a tenth more, at each file's beginning: on a disk with little room that is room that
  // others need.
  static constexpr size_t kAllocatedBytes = 4 << 20;
  // What appends so much at once spends its time on the data itself, and gets no room.
  static constexpr size_t kLargeAppendBytes = 64 << 10;

  explicit WalFileSystem(std::shared_ptr<rocksdb::FileSystem> target)
      : FileSystemWrapper(std::move(target)) {}

  static const char* kClassName() { return "SkaldWalFileSystem"; }
  const char* Name() const override { return kClassName(); }

  // Files named *.log get the room; all others are the target's own.
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
};

// `env` with such a file system. `env` outlives it.
std::unique_ptr<rocksdb::Env> NewWalEnv(rocksdb::Env& env);

}  // namespace skald::storage
