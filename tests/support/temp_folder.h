// A folder for one test, deleted with everything in it when the object goes.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "base/check.h"

namespace skald::testing {

class TempFolder {
 public:
  // In memory where the system has such a place: for tests that simulate their own disk.
  static std::string MemoryParent() {
    return std::filesystem::is_directory("/dev/shm")
               ? "/dev/shm"
               : std::filesystem::temp_directory_path().string();
  }

  TempFolder() : TempFolder(std::filesystem::temp_directory_path().string()) {}
  explicit TempFolder(const std::string& parent) {
    std::string name = parent + "/skald-XXXXXX";
    SKALD_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;  // what is left over harms no other test
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string Sub(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace skald::testing
