#include "tools/skald/destination.h"

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace skald::tools {

namespace {

bool SyncPath(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  return synced;
}

}  // namespace

Destination::Destination(const std::string& path) : path_(path) {
  if (path_.empty()) return;
  std::error_code error;
  // The file that a link leads to is replaced, not the link.
  const std::filesystem::path target = std::filesystem::canonical(path_, error);
  if (!error) path_ = target.string();
  // A device or a pipe is written to; a draft of its name would take its place.
  const std::filesystem::file_status facts = std::filesystem::status(path_, error);
  if (!std::filesystem::exists(facts) || std::filesystem::is_regular_file(facts)) {
    draft_ = path_ + ".part";
  }
  file_.open(draft_.empty() ? path_ : draft_, std::ios::binary | std::ios::trunc);
}

Destination::~Destination() {
  if (!draft_.empty() && !is_kept_) std::remove(draft_.c_str());
}

bool Destination::Keep() {
  if (path_.empty()) return static_cast<bool>(std::cout << std::flush);
  file_.close();
  if (!file_.good()) return false;
  if (draft_.empty()) return true;
  if (!SyncPath(draft_, O_WRONLY) || std::rename(draft_.c_str(), path_.c_str()) != 0) return false;
  is_kept_ = true;
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  return SyncPath(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
}

int Destination::Fail(const Invocation& call) const {
  // Of standard output `skald` says so itself as it finishes.
  return path_.empty() ? kExitError : call.FailWith(absl::StrCat("cannot write ", path_));
}

std::ostream& Destination::out() {
  if (path_.empty()) return std::cout;
  return file_;
}

}  // namespace skald::tools
