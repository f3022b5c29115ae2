// Whether a store that is not running is whole: every file, every commit of the log, every row of
// the views against the log, the audit trees and their key. Changes nothing.
//
//   SKALD_ASSIGN_OR_RETURN(StoreReport report, CheckStore({.path = "/var/lib/skald"}));
//   if (!report.is_whole()) for (const storage::StoreFinding& each : report.findings) ...
//
// Thread rule: a function, from any thread. Reads the whole log twice; memory: the rows of one
// partition, as the log makes them anew.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "storage/store_files.h"

namespace skald::runtime {

struct StoreReport {
  std::string store_id;  // 16 bytes; empty when the log cannot be opened
  Timestamp created;
  uint32_t partitions = 0;
  uint64_t files = 0, bytes = 0;  // tables read
  uint64_t commits = 0, events = 0, sagas = 0, rows = 0;
  std::vector<storage::StoreFinding> findings;

  // Nothing is damaged.
  bool is_whole() const;
};

struct StoreCheckOptions {
  std::string path;
  // Told now and then what is being read. May be empty.
  std::function<void(absl::string_view what)> progress;
};

// NOT_FOUND when there is no store, UNAVAILABLE when it is in use.
absl::StatusOr<StoreReport> CheckStore(const StoreCheckOptions& options);

}  // namespace skald::runtime
