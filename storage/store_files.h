// A data directory as its files are, opened for reading alone, whatever state it is in: for
// examining a store that is not running (`skald fsck`). Nothing is changed, not even what a start
// would mend: a torn end is left out of what is read, not cut off.
//
//   SKALD_ASSIGN_OR_RETURN(ExaminedStore store, ExamineStore({.path = "/var/lib/skald"}));
//   for (const StoreFinding& finding : store.findings) ...
//   if (store.log != nullptr) ...
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "storage/event_log.h"
#include "storage/views.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace skald::storage {

// Something that is to be known about a store.
struct StoreFinding {
  enum class Severity {
    kNotice,  // the store is whole; the next start deals with it
    kDamage,  // something is wrong
  };
  Severity severity = Severity::kDamage;
  std::string where;  // file and byte, or partition and position
  std::string what;
  std::string mend;  // what to do; empty: nothing
};

struct ExaminedStore {
  std::unique_ptr<rocksdb::Env> env;         // outlives what follows
  std::vector<std::shared_ptr<void>> locks;  // that no server can start meanwhile
  // Null when it cannot be opened; the findings say why. Append and Apply fail.
  std::unique_ptr<EventLog> log;
  std::unique_ptr<Views> views;
  Timestamp created;
  uint64_t files = 0;  // tables whose blocks were all read
  uint64_t bytes = 0;  // of them
  std::vector<StoreFinding> findings;

  // `env` is complete only where stores are opened.
  ExaminedStore();
  ExaminedStore(ExaminedStore&&) noexcept;
  ExaminedStore& operator=(ExaminedStore&&) noexcept;
  ~ExaminedStore();
};

struct ExamineOptions {
  std::string path;
  // Called with the name of each file before it is read. May be empty.
  std::function<void(absl::string_view file)> progress;
};

// Reads every block of every file. NOT_FOUND when there is no store, UNAVAILABLE when it is in use.
absl::StatusOr<ExaminedStore> ExamineStore(const ExamineOptions& options);

}  // namespace skald::storage
