#include "examples/orders/journal.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/json.h"
#include "base/status_macros.h"

namespace skald::examples {

namespace {

absl::Status FileError(const std::string& path) {
  return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(errno)));
}

absl::Status WriteNew(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  return file ? absl::OkStatus() : FileError(path);
}

absl::StatusOr<Json> ReadJson(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return FileError(path);
  return Json::Parse(text.str());
}

}  // namespace

std::string ShortName(absl::string_view key) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char letter : key) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3u;
  }
  return absl::StrFormat("%016x", hash);
}

absl::StatusOr<Journal> Journal::Open(std::string folder) {
  for (const char* part : {"", "/effects", "/tries", "/new"}) {
    const std::string path = folder + part;
    if (mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return FileError(path);
  }
  return Journal(std::move(folder));
}

absl::StatusOr<std::string> Journal::Apply(absl::string_view key, absl::string_view function,
                                           absl::string_view order_id,
                                           absl::string_view result) const {
  static std::atomic<uint64_t> counter = 0;
  const std::string path = absl::StrCat(folder_, "/effects/", ShortName(key), ".json");
  if (access(path.c_str(), F_OK) != 0) {
    Json::ObjectBuilder entry;
    SKALD_ASSIGN_OR_RETURN(Json value, Json::Parse(result));
    entry.Add("key", Json::String(key))
        .Add("function", Json::String(function))
        .Add("orderId", Json::String(order_id))
        .Add("worker", Json::String("c++"))
        .Add("result", std::move(value));
    // Written aside and then linked: whoever finds the file finds it whole, and only one can link.
    const std::string fresh = absl::StrCat(folder_, "/new/", getpid(), "-", ++counter);
    SKALD_RETURN_IF_ERROR(WriteNew(fresh, std::move(entry).Build().ToText()));
    const bool first = link(fresh.c_str(), path.c_str()) == 0;
    const int error = errno;
    unlink(fresh.c_str());
    if (first) return std::string(result);
    errno = error;
    if (errno != EEXIST) return FileError(path);
  }
  SKALD_ASSIGN_OR_RETURN(const Json entry, ReadJson(path));
  if (entry.Get("key").AsString() != key) {
    return absl::InternalError("two keys have the same short name");
  }
  return entry.Get("result").ToText();
}

absl::StatusOr<int> Journal::CountTry(absl::string_view key) const {
  const std::string path = absl::StrCat(folder_, "/tries/", ShortName(key));
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return FileError(path);
  // After an appending write the offset is the end of what this call wrote.
  const bool written = write(fd, "x", 1) == 1;
  const off_t tries = lseek(fd, 0, SEEK_CUR);
  close(fd);
  return written ? absl::StatusOr<int>(static_cast<int>(tries)) : FileError(path);
}

}  // namespace skald::examples
