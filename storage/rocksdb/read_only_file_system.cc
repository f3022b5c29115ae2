#include "storage/rocksdb/read_only_file_system.h"

#include <algorithm>
#include <utility>

#include "storage/rocksdb/wal_scan.h"

namespace skald::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

IOStatus Refuse(const std::string& name) {
  return IOStatus::IOError(name, "is opened for reading alone");
}

}  // namespace

// A file that ends before its end.
class ReadOnlyFileSystem::ShortFile : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  ShortFile(std::unique_ptr<rocksdb::FSSequentialFile> file, uint64_t left)
      : FSSequentialFileOwnerWrapper(std::move(file)), left_(left) {}

  IOStatus Read(size_t count, const IOOptions& options, rocksdb::Slice* result, char* scratch,
                IODebugContext* debug) override {
    count = static_cast<size_t>(std::min<uint64_t>(count, left_));
    if (count == 0) {
      *result = rocksdb::Slice();
      return IOStatus::OK();
    }
    IOStatus status =
        FSSequentialFileOwnerWrapper::Read(count, options, result, scratch, debug);
    if (status.ok()) left_ -= result->size();
    return status;
  }
  IOStatus Skip(uint64_t count) override {
    left_ -= std::min(count, left_);
    return FSSequentialFileOwnerWrapper::Skip(count);
  }

 private:
  uint64_t left_;
};

ReadOnlyFileSystem::ReadOnlyFileSystem(std::shared_ptr<rocksdb::FileSystem> target)
    : FileSystemWrapper(std::move(target)) {}

void ReadOnlyFileSystem::Shorten(const std::string& file, uint64_t bytes) { ends_[file] = bytes; }

void ReadOnlyFileSystem::HideTornTail(const std::vector<std::string>& files,
                                      const WalDamage& damage) {
  bool behind = false;
  for (const std::string& file : files) {
    if (behind) Shorten(file, 0);
    if (file != damage.place.file) continue;
    Shorten(file, damage.record_offset);
    behind = true;
  }
}

IOStatus ReadOnlyFileSystem::NewSequentialFile(const std::string& name,
                                               const rocksdb::FileOptions& options,
                                               std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                               IODebugContext* debug) {
  IOStatus status = FileSystemWrapper::NewSequentialFile(name, options, file, debug);
  const auto end = ends_.find(name);
  if (status.ok() && end != ends_.end()) {
    *file = std::make_unique<ShortFile>(std::move(*file), end->second);
  }
  return status;
}

IOStatus ReadOnlyFileSystem::GetFileSize(const std::string& name, const IOOptions& options,
                                         uint64_t* bytes, IODebugContext* debug) {
  IOStatus status = FileSystemWrapper::GetFileSize(name, options, bytes, debug);
  const auto end = ends_.find(name);
  if (status.ok() && end != ends_.end()) *bytes = std::min(*bytes, end->second);
  return status;
}

IOStatus ReadOnlyFileSystem::NewWritableFile(const std::string& name, const rocksdb::FileOptions&,
                                             std::unique_ptr<rocksdb::FSWritableFile>*,
                                             IODebugContext*) {
  return Refuse(name);
}
IOStatus ReadOnlyFileSystem::ReopenWritableFile(const std::string& name,
                                                const rocksdb::FileOptions&,
                                                std::unique_ptr<rocksdb::FSWritableFile>*,
                                                IODebugContext*) {
  return Refuse(name);
}
IOStatus ReadOnlyFileSystem::ReuseWritableFile(const std::string& name, const std::string&,
                                               const rocksdb::FileOptions&,
                                               std::unique_ptr<rocksdb::FSWritableFile>*,
                                               IODebugContext*) {
  return Refuse(name);
}
IOStatus ReadOnlyFileSystem::DeleteFile(const std::string& name, const IOOptions&,
                                        IODebugContext*) {
  return Refuse(name);
}
IOStatus ReadOnlyFileSystem::RenameFile(const std::string& from, const std::string&,
                                        const IOOptions&, IODebugContext*) {
  return Refuse(from);
}
IOStatus ReadOnlyFileSystem::LinkFile(const std::string& from, const std::string&,
                                      const IOOptions&, IODebugContext*) {
  return Refuse(from);
}
IOStatus ReadOnlyFileSystem::CreateDir(const std::string& name, const IOOptions&,
                                       IODebugContext*) {
  return Refuse(name);
}
// RocksDB asks for folders that are there.
IOStatus ReadOnlyFileSystem::CreateDirIfMissing(const std::string& name, const IOOptions& options,
                                                IODebugContext* debug) {
  return FileExists(name, options, debug).ok() ? IOStatus::OK() : Refuse(name);
}
IOStatus ReadOnlyFileSystem::DeleteDir(const std::string& name, const IOOptions&,
                                       IODebugContext*) {
  return Refuse(name);
}
IOStatus ReadOnlyFileSystem::Truncate(const std::string& name, size_t, const IOOptions&,
                                      IODebugContext*) {
  return Refuse(name);
}

}  // namespace skald::storage
