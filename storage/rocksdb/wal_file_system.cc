#include "storage/rocksdb/wal_file_system.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"

namespace skald::storage {
namespace {

using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// One write-ahead file. As any FSWritableFile it is written by one thread at a time.
class WalFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  explicit WalFile(std::unique_ptr<FSWritableFile> target)
      : FSWritableFileOwnerWrapper(std::move(target)) {}

  void SetPreallocationBlockSize(size_t size) override {
    target()->SetPreallocationBlockSize(std::min(size, WalFileSystem::kAllocatedBytes));
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    IOStatus status = target()->PositionedAppend(data, end_, options, debug);
    if (!status.ok()) return status;
    end_ += data.size();
    written_ = std::max(written_, end_);
    if (written_ > end_ || data.size() >= WalFileSystem::kLargeAppendBytes) return status;
    return WriteAhead(options, debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&, IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = target()->Truncate(size, options, debug);
    if (status.ok()) end_ = written_ = size;
    return status;
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    // Zeros that stay do no harm.
    if (written_ > end_) target()->Truncate(end_, options, debug).PermitUncheckedError();
    return target()->Close(options, debug);
  }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return end_; }

 private:
  IOStatus WriteAhead(const IOOptions& options, IODebugContext* debug) {
    static const std::string zeros(WalFileSystem::kAheadBytes, '\0');
    IOStatus status = target()->PositionedAppend(zeros, end_, options, debug);
    // On a full disk what there is room for is still taken.
    if (status.IsNoSpace()) return IOStatus::OK();
    if (status.ok()) written_ = end_ + zeros.size();
    return status;
  }

  uint64_t end_ = 0;      // of what was appended
  uint64_t written_ = 0;  // the end of the zeros behind it
};

class WalEnv : public rocksdb::EnvWrapper {
 public:
  explicit WalEnv(rocksdb::Env& env)
      : EnvWrapper(rocksdb::NewCompositeEnv(std::make_shared<WalFileSystem>(env.GetFileSystem()))) {
    system_clock_ = env.GetSystemClock();
  }
  const char* Name() const override { return "SkaldWalEnv"; }
};

}  // namespace

IOStatus WalFileSystem::NewWritableFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<FSWritableFile>* file,
                                        IODebugContext* debug) {
  IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, debug);
  if (status.ok() && absl::EndsWith(name, ".log")) {
    *file = std::make_unique<WalFile>(std::move(*file));
  }
  return status;
}

std::unique_ptr<rocksdb::Env> NewWalEnv(rocksdb::Env& env) { return std::make_unique<WalEnv>(env); }

}  // namespace skald::storage
