// The files of a folder, taken out and put elsewhere: what a kill at that moment leaves.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

namespace skald::storage {

// Content by name.
using FolderImage = std::map<std::string, std::string>;

inline FolderImage ReadFolder(const std::string& folder) {
  FolderImage files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename()].assign(std::istreambuf_iterator<char>(file), {});
  }
  return files;
}

// Of one moment, though a thread may be writing there.
inline FolderImage ReadLiveFolder(const std::string& folder) {
  FolderImage before, now = ReadFolder(folder);
  while (now != before) {
    before = std::move(now);
    now = ReadFolder(folder);
  }
  return now;
}

// In place of what stands there.
inline void WriteFolder(const std::string& folder, const FolderImage& files) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  for (const auto& [name, content] : files) {
    std::ofstream(folder + "/" + name, std::ios::binary) << content;
  }
}

// Without the file that is locked by who has the folder open.
inline FolderImage WithoutLock(FolderImage files) {
  files.erase("SKALD_LOCK");
  return files;
}

}  // namespace skald::storage
