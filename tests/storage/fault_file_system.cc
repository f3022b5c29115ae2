#include "tests/storage/fault_file_system.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"

namespace skald::storage {

#define SKALD_RETURN_IF_IO_ERROR(expression)    \
  do {                                          \
    rocksdb::IOStatus io_status = (expression); \
    if (!io_status.ok()) return io_status;      \
  } while (false)

class FaultFileSystem::File : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(FaultFileSystem& system, std::string name, std::unique_ptr<rocksdb::FSWritableFile> target)
      : FSWritableFileOwnerWrapper(std::move(target)), system_(system), name_(std::move(name)) {}

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    SKALD_RETURN_IF_IO_ERROR(system_.Change());
    SKALD_RETURN_IF_IO_ERROR(FSWritableFileOwnerWrapper::Append(data, options, debug));
    MutexLock lock(system_.mu_);
    system_.files_[name_].bytes += data.size();
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&,
                           rocksdb::IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  rocksdb::IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset,
                                     const rocksdb::IOOptions& options,
                                     rocksdb::IODebugContext* debug) override {
    SKALD_RETURN_IF_IO_ERROR(system_.Change());
    std::string replaced(data.size(), '\0');
    std::ifstream before(name_, std::ios::binary);
    before.seekg(static_cast<std::streamoff>(offset));
    before.read(replaced.data(), static_cast<std::streamsize>(replaced.size()));
    replaced.resize(static_cast<size_t>(before.gcount()));
    SKALD_RETURN_IF_IO_ERROR(
        FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, debug));
    MutexLock lock(system_.mu_);
    FileState& file = system_.files_[name_];
    file.bytes = std::max(file.bytes, offset + data.size());
    if (!replaced.empty()) file.replaced.push_back({offset, std::move(replaced)});
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Truncate(uint64_t size, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
    SKALD_RETURN_IF_IO_ERROR(system_.Change());
    SKALD_RETURN_IF_IO_ERROR(FSWritableFileOwnerWrapper::Truncate(size, options, debug));
    MutexLock lock(system_.mu_);
    // A crash may undo an unsynced cut; that the file is short is the harder case to get right, and
    // the uncut one is where the test began.
    FileState& file = system_.files_[name_];
    file.bytes = size;
    file.synced_bytes = std::min(file.synced_bytes, size);
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override {
    SKALD_RETURN_IF_IO_ERROR(system_.Change());
    SKALD_RETURN_IF_IO_ERROR(FSWritableFileOwnerWrapper::Sync(options, debug));
    MarkSynced();
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    SKALD_RETURN_IF_IO_ERROR(system_.Change());
    SKALD_RETURN_IF_IO_ERROR(FSWritableFileOwnerWrapper::Fsync(options, debug));
    MarkSynced();
    return rocksdb::IOStatus::OK();
  }

 private:
  void MarkSynced() {
    if (system_.LiesAbout(name_)) return;
    MutexLock lock(system_.mu_);
    FileState& file = system_.files_[name_];
    file.synced_bytes = file.bytes;
    file.replaced.clear();
  }

  FaultFileSystem& system_;
  const std::string name_;
};

class FaultFileSystem::Directory : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(FaultFileSystem& system, std::string name, std::unique_ptr<rocksdb::FSDirectory> target)
      : FSDirectoryWrapper(std::move(target)), system_(system), name_(std::move(name)) {}

  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    SKALD_RETURN_IF_IO_ERROR(system_.Change());
    SKALD_RETURN_IF_IO_ERROR(FSDirectoryWrapper::Fsync(options, debug));
    MutexLock lock(system_.mu_);
    system_.MarkNamesSynced(name_);
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions& options,
                                        rocksdb::IODebugContext* debug,
                                        const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, debug);
  }

 private:
  FaultFileSystem& system_;
  const std::string name_;
};

FaultFileSystem::FaultFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

void FaultFileSystem::StopAt(uint64_t operation) {
  MutexLock lock(mu_);
  fault_at_ = operation;
  for_good_ = true;
}

void FaultFileSystem::FailOnceAt(uint64_t operation) {
  MutexLock lock(mu_);
  fault_at_ = operation;
  for_good_ = false;
}

void FaultFileSystem::ForgetNames() {
  MutexLock lock(mu_);
  forgets_names_ = true;
}

void FaultFileSystem::LieAboutSyncsOf(std::string suffix) {
  MutexLock lock(mu_);
  lies_about_ = std::move(suffix);
}

bool FaultFileSystem::LiesAbout(const std::string& name) const {
  MutexLock lock(mu_);
  return !lies_about_.empty() && absl::EndsWith(name, lies_about_);
}

bool FaultFileSystem::struck() const {
  MutexLock lock(mu_);
  return struck_;
}

rocksdb::IOStatus FaultFileSystem::Change() {
  MutexLock lock(mu_);
  ++operations_;
  const bool fails =
      fault_at_ != 0 && (for_good_ ? operations_ >= fault_at_ : operations_ == fault_at_);
  if (!fails) return rocksdb::IOStatus::OK();
  struck_ = true;
  return rocksdb::IOStatus::IOError("injected fault");
}

void FaultFileSystem::Remember(const std::string& from, const std::string& name) {
  if (!forgets_names_) return;
  NameChange change{.from = from, .to = name, .existed = std::filesystem::exists(name), .content = {}};
  if (change.existed) {
    std::ifstream file(name, std::ios::binary);
    change.content.assign(std::istreambuf_iterator<char>(file), {});
    const auto known = files_.find(name);
    if (known != files_.end() && known->second.synced_bytes < change.content.size()) {
      change.content.resize(known->second.synced_bytes);
    }
    // A name that no crash would have kept does not come back.
    if (known != files_.end() && !known->second.name_synced) change.existed = false;
  }
  name_changes_.push_back(std::move(change));
}

void FaultFileSystem::UndoNameChanges() {
  for (auto change = name_changes_.rbegin(); change != name_changes_.rend(); ++change) {
    if (!change->from.empty() && std::filesystem::exists(change->to)) {
      std::filesystem::rename(change->to, change->from);
      const auto file = files_.find(change->to);
      if (file != files_.end()) {
        files_[change->from] = file->second;
        files_.erase(file);
      }
    }
    if (change->existed) {
      std::ofstream(change->to, std::ios::binary | std::ios::trunc) << change->content;
    }
  }
  name_changes_.clear();
}

void FaultFileSystem::Crash(TailFate fate) {
  MutexLock lock(mu_);
  UndoNameChanges();
  for (const auto& [name, file] : files_) {
    if (!std::filesystem::exists(name)) continue;
    if (!file.name_synced) {
      std::filesystem::remove(name);
      continue;
    }
    LoseTail(name, file, fate);
  }
  files_.clear();
}

void FaultFileSystem::LoseTail(const std::string& name, const FileState& file, TailFate fate) {
  std::fstream content(name, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](uint64_t offset, const std::string& bytes, size_t begin, size_t end) {
    content.seekp(static_cast<std::streamoff>(offset + begin));
    content.write(bytes.data() + begin, static_cast<std::streamsize>(end - begin));
  };
  for (auto replaced = file.replaced.rbegin(); replaced != file.replaced.rend(); ++replaced) {
    const size_t size = replaced->bytes.size();
    const size_t half = fate == TailFate::kGone ? 0 : size / 2;
    if (fate == TailFate::kSecondHalf) {
      put(replaced->offset, replaced->bytes, 0, half);
    } else {
      put(replaced->offset, replaced->bytes, half, size);
    }
  }
  content.close();
  if (file.bytes == file.synced_bytes) return;
  const bool all_gone = fate == TailFate::kGone || fate == TailFate::kSecondHalf;
  const uint64_t kept = all_gone ? 0 : (file.bytes - file.synced_bytes) / 2;
  std::filesystem::resize_file(name, file.synced_bytes + kept);
  if (fate == TailFate::kHalfThenZeros) std::filesystem::resize_file(name, file.bytes);
}

rocksdb::IOStatus FaultFileSystem::NewWritableFile(const std::string& name,
                                                   const rocksdb::FileOptions& options,
                                                   std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                   rocksdb::IODebugContext* debug) {
  SKALD_RETURN_IF_IO_ERROR(Change());
  std::unique_ptr<rocksdb::FSWritableFile> target;
  SKALD_RETURN_IF_IO_ERROR(FileSystemWrapper::NewWritableFile(name, options, &target, debug));
  {
    MutexLock lock(mu_);
    files_[name] = FileState{};
  }
  *file = std::make_unique<File>(*this, name, std::move(target));
  return rocksdb::IOStatus::OK();
}

rocksdb::IOStatus FaultFileSystem::ReopenWritableFile(
    const std::string& name, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSWritableFile>* file, rocksdb::IODebugContext* debug) {
  SKALD_RETURN_IF_IO_ERROR(Change());
  std::unique_ptr<rocksdb::FSWritableFile> target;
  SKALD_RETURN_IF_IO_ERROR(FileSystemWrapper::ReopenWritableFile(name, options, &target, debug));
  {
    MutexLock lock(mu_);
    const uint64_t bytes = std::filesystem::file_size(name);
    // What was there before this system is on disk.
    files_.try_emplace(name, FileState{.bytes = bytes, .synced_bytes = bytes, .name_synced = true});
  }
  *file = std::make_unique<File>(*this, name, std::move(target));
  return rocksdb::IOStatus::OK();
}

rocksdb::IOStatus FaultFileSystem::NewDirectory(const std::string& name,
                                                const rocksdb::IOOptions& options,
                                                std::unique_ptr<rocksdb::FSDirectory>* directory,
                                                rocksdb::IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> target;
  SKALD_RETURN_IF_IO_ERROR(FileSystemWrapper::NewDirectory(name, options, &target, debug));
  *directory = std::make_unique<Directory>(*this, name, std::move(target));
  return rocksdb::IOStatus::OK();
}

rocksdb::IOStatus FaultFileSystem::DeleteFile(const std::string& name,
                                              const rocksdb::IOOptions& options,
                                              rocksdb::IODebugContext* debug) {
  SKALD_RETURN_IF_IO_ERROR(Change());
  {
    MutexLock lock(mu_);
    Remember("", name);
  }
  SKALD_RETURN_IF_IO_ERROR(FileSystemWrapper::DeleteFile(name, options, debug));
  MutexLock lock(mu_);
  files_.erase(name);
  return rocksdb::IOStatus::OK();
}

rocksdb::IOStatus FaultFileSystem::RenameFile(const std::string& from, const std::string& to,
                                              const rocksdb::IOOptions& options,
                                              rocksdb::IODebugContext* debug) {
  SKALD_RETURN_IF_IO_ERROR(Change());
  {
    MutexLock lock(mu_);
    Remember(from, to);
  }
  SKALD_RETURN_IF_IO_ERROR(FileSystemWrapper::RenameFile(from, to, options, debug));
  MutexLock lock(mu_);
  const auto file = files_.find(from);
  if (file == files_.end()) return rocksdb::IOStatus::OK();
  if (file != files_.end()) {
    files_[to] = file->second;
    files_.erase(file);
  }
  if (forgets_names_) return rocksdb::IOStatus::OK();
  // File systems keep the order of changes to a folder: if the rename survives a crash, as it does
  // here, so does every name before it.
  MarkNamesSynced(std::filesystem::path(to).parent_path().string());
  return rocksdb::IOStatus::OK();
}

void FaultFileSystem::MarkNamesSynced(const std::string& folder) {
  const auto normal = std::filesystem::path(folder).lexically_normal();
  for (auto& [file, state] : files_) {
    if (std::filesystem::path(file).lexically_normal().parent_path() == normal) {
      state.name_synced = true;
    }
  }
  std::erase_if(name_changes_, [&](const NameChange& change) {
    return std::filesystem::path(change.to).lexically_normal().parent_path() == normal;
  });
}

rocksdb::IOStatus FaultFileSystem::CreateDirIfMissing(const std::string& name,
                                                      const rocksdb::IOOptions& options,
                                                      rocksdb::IODebugContext* debug) {
  SKALD_RETURN_IF_IO_ERROR(Change());
  return FileSystemWrapper::CreateDirIfMissing(name, options, debug);
}

}  // namespace skald::storage
