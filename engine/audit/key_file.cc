#include "engine/audit/key_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "base/errors.h"
#include "base/status_macros.h"

namespace skald::audit {
namespace {

constexpr char kFileName[] = "audit.key";
constexpr char kNextSuffix[] = ".next";
constexpr size_t kFileBytesMax = 4'096;
// The present key and the one before it.
constexpr size_t kKeysMax = 2;
constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

absl::Status FileError(absl::string_view what, const std::string& path) {
  return absl::UnavailableError(absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

class File {
 public:
  File(const std::string& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, kOwnerOnly)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  const int fd_;
};

absl::Status SyncFolderOf(const std::string& path) {
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  const File opened(folder, O_RDONLY | O_DIRECTORY);
  if (!opened.is_open() || ::fsync(opened.fd()) != 0) return FileError("sync", folder);
  return absl::OkStatus();
}

absl::Status WriteKeys(const std::string& path, absl::Span<const SigningKey> keys) {
  std::string text;
  for (const SigningKey& key : keys) absl::StrAppend(&text, key.ToText(), "\n");
  const std::string draft = path + ".new";
  // A draft of an attempt that broke off may have had other rights.
  ::unlink(draft.c_str());
  {
    const File file(draft, O_WRONLY | O_CREAT | O_EXCL);
    if (!file.is_open()) return FileError("create", draft);
    if (::write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(file.fd()) != 0) {
      return FileError("write", draft);
    }
  }
  if (::rename(draft.c_str(), path.c_str()) != 0) return FileError("replace", path);
  return SyncFolderOf(path);
}

absl::StatusOr<std::string> ReadPrivateFile(const std::string& path) {
  const File file(path, O_RDONLY);
  if (!file.is_open()) {
    if (errno == ENOENT) return absl::NotFoundError(absl::StrCat("there is no ", path));
    return FileError("open", path);
  }
  struct stat about {};
  if (::fstat(file.fd(), &about) != 0) return FileError("look at", path);
  if ((about.st_mode & kOthers) != 0) {
    return AuditKeyUnusableError(
        absl::StrCat("others than its owner may use ", path, ": chmod 600 it, and rotate the key"),
        path);
  }
  std::string text(kFileBytesMax, '\0');
  const ssize_t size = ::read(file.fd(), text.data(), text.size());
  if (size < 0) return FileError("read", path);
  text.resize(static_cast<size_t>(size));
  return text;
}

}  // namespace

std::string KeyFilePath(absl::string_view data_dir) {
  return absl::StrCat(data_dir, "/", kFileName);
}

absl::Status EnsureKeyFile(const std::string& path, const std::string& store_name) {
  const absl::StatusOr<std::vector<SigningKey>> keys = ReadKeyFile(path);
  if (!absl::IsNotFound(keys.status())) return keys.status();
  return WriteKeys(path, {SigningKey::Generate(store_name)});
}

absl::StatusOr<std::vector<SigningKey>> ReadKeyFile(const std::string& path) {
  SKALD_ASSIGN_OR_RETURN(const std::string text, ReadPrivateFile(path));
  std::vector<SigningKey> keys;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    absl::StatusOr<SigningKey> key = SigningKey::Parse(line);
    if (!key.ok()) {
      return AuditKeyUnusableError(
          absl::StrCat(path, " line ", keys.size() + 1, ": ", key.status().message()), path);
    }
    keys.push_back(*std::move(key));
  }
  if (keys.empty() || keys.size() > kKeysMax) {
    return AuditKeyUnusableError(
        absl::StrCat(path, " should hold one key or two, but has ", keys.size()), path);
  }
  return keys;
}

absl::StatusOr<std::vector<SigningKey>> ReadMadeKeyFile(const std::string& path) {
  absl::StatusOr<std::vector<SigningKey>> keys = ReadKeyFile(path);
  if (!absl::IsNotFound(keys.status())) return keys;
  return AuditKeyUnusableError(
      absl::StrCat(path, ", which holds the signing keys, is gone: put it back from a backup; the ",
                   "next start without it makes a new key"),
      path);
}

absl::StatusOr<std::vector<SigningKey>> RotateKeyFile(const std::string& path) {
  SKALD_ASSIGN_OR_RETURN(const std::vector<SigningKey> keys, ReadKeyFile(path));
  std::vector<SigningKey> rotated{SigningKey::Generate(keys.front().verifier().name()),
                                  keys.front()};
  SKALD_RETURN_IF_ERROR(WriteKeys(path, rotated));
  return rotated;
}

absl::StatusOr<SigningKey> PrepareKey(const std::string& path) {
  SKALD_ASSIGN_OR_RETURN(const std::vector<SigningKey> keys, ReadKeyFile(path));
  SigningKey next = SigningKey::Generate(keys.front().verifier().name());
  SKALD_RETURN_IF_ERROR(WriteKeys(path + kNextSuffix, {next}));
  return next;
}

absl::StatusOr<SigningKey> ReadPreparedKey(const std::string& path) {
  SKALD_ASSIGN_OR_RETURN(std::vector<SigningKey> keys, ReadKeyFile(path + kNextSuffix));
  return std::move(keys.front());
}

absl::Status UsePreparedKey(const std::string& path) {
  SKALD_ASSIGN_OR_RETURN(const SigningKey next, ReadPreparedKey(path));
  SKALD_ASSIGN_OR_RETURN(const std::vector<SigningKey> keys, ReadKeyFile(path));
  if (keys.front().verifier() != next.verifier()) {
    SKALD_RETURN_IF_ERROR(WriteKeys(path, {next, keys.front()}));
  }
  return DiscardPreparedKey(path);
}

absl::Status DiscardPreparedKey(const std::string& path) {
  const std::string next = path + kNextSuffix;
  if (::unlink(next.c_str()) != 0 && errno != ENOENT) return FileError("remove", next);
  return SyncFolderOf(path);
}

}  // namespace skald::audit
