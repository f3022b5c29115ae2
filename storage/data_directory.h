// A data directory: the event log in <path>/log and the views derived from it in <path>/views.
//
// Opening checks that the two belong together: the same store, and no view ahead of the log. Views
// that cannot be used are deleted and created anew, since the log brings them back. Nothing is
// deleted before the log is open and held, nor while it proves that the log lost its end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/event_log.h"
#include "storage/views.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace skald::storage {

struct DataDirectoryOptions {
  std::string path;
  // Create the store when the folder does not exist or is empty.
  bool create_if_missing = false;
  // Must be what the store was created with; 0 takes that, and 16 for a new store.
  uint32_t partition_count = 0;
  // Of a new store: 16 bytes. Empty: made up. For a store that takes the place of another.
  std::string store_id;
  // The operating system seen through RocksDB; tests put faults there. Null: the real one.
  rocksdb::Env* env = nullptr;
};

// The open store. Closes views before the log. Not closed in order after an error of Append: then
// the process ends at once.
struct DataDirectory {
  // As RocksDbEventLog::Open, for the log. DATA_LOSS also when a partition of views was folded
  // further than the log reaches: then the log lost its end.
  static absl::StatusOr<DataDirectory> Open(const DataDirectoryOptions& options);

  // Puts new views, which `fold` fills from the log, in the place of those that are there. The
  // store is held meanwhile, and the old views stay until the new ones are whole. Gives notices as
  // Open does. Errors as of Open for a store that exists, and of `fold`.
  static absl::StatusOr<std::vector<std::string>> ReplaceViews(
      const DataDirectoryOptions& options,
      absl::FunctionRef<absl::Status(const EventLog& log, Views& views)> fold);

  std::unique_ptr<EventLog> log;
  std::unique_ptr<Views> views;
  // The store did not exist before.
  bool created = false;
  Timestamp created_at;
  // What an operator should know about this opening, a sentence each: a torn tail that was cut,
  // views that were thrown away.
  std::vector<std::string> notices;
};

}  // namespace skald::storage
