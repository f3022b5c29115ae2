// The event log on RocksDB: log/ of a data directory (docs/formats.md).
//
// One column family per partition, key = first position, value = commit record; `default` holds the
// store's identity. Every append is one synced write.
//
// Damage: before RocksDB opens, its write-ahead files are scanned. A torn last batch, which was
// never acknowledged, is cut off and reported; any other damage is DATA_LOSS, and the store stays
// closed. An error of Append is final: all later ones give the same error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/event_log.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace skald::storage {

struct RocksDbEventLogOptions {
  // The folder of the database.
  std::string path;
  // Create the store when the folder does not exist or is empty.
  bool create_if_missing = false;
  // Must be what the store was created with; 0 takes that, and 16 for a new store.
  uint32_t partition_count = 0;
  // Of a new store: 16 bytes. Empty: made up. For a store that takes the place of another.
  std::string store_id;
  // Memory for one partition's newest commits, and for all of them together.
  size_t write_buffer_bytes = 64 << 20;
  size_t total_write_buffer_bytes = 96 << 20;
  // Past this the oldest write-ahead files are retired: it bounds what a start replays.
  size_t wal_bytes_max = 256 << 20;
  // Reads what is there and changes nothing: for examining a store (store_files.h), which looks at
  // write-ahead files itself. Append fails. Takes no lock.
  bool read_only = false;
  // The operating system seen through RocksDB; tests put faults there. Null: the real one. Must
  // outlive the log.
  rocksdb::Env* env = nullptr;
};

// A last record that a crash tore while it was written, cut off at open.
struct TornTail {
  std::string file;        // the write-ahead file, or RocksDB's MANIFEST
  uint64_t offset = 0;     // where it was cut
  uint64_t bytes_cut = 0;  // how much was cut off, but for zeros at its end
  std::string copy;        // the file that keeps the bytes cut off
};

// What opening found and did.
struct LogOpenReport {
  bool created = false;
  std::vector<TornTail> torn_tails;
};

class RocksDbEventLog : public EventLog {
 public:
  // NOT_FOUND: there is no store and create_if_missing is false.
  // FAILED_PRECONDITION: another partition count or format version.
  // UNAVAILABLE: in use by another process, or the device refuses.
  // PERMISSION_DENIED: this process may not write there.
  // DATA_LOSS: damaged; the text tells file, place and how to mend.
  static absl::StatusOr<std::unique_ptr<RocksDbEventLog>> Open(
      const RocksDbEventLogOptions& options);
  ~RocksDbEventLog() override;

  absl::Status Append(absl::Span<const StagedCommit> commits) override;
  Position LastPosition(PartitionId partition) const override;
  std::vector<Position> LastPositions() const override;
  std::unique_ptr<LogCursor> Read(PartitionId partition, Position from) const override;
  uint32_t partition_count() const override;
  absl::string_view store_id() const override;
  absl::StatusOr<uint64_t> FreeBytes() const override;
  uint64_t UnwrittenBytes() const override;

  // When the store was created.
  Timestamp created_at() const;
  const LogOpenReport& open_report() const;

  // What the database has done since it was opened.
  struct Stats {
    uint64_t flushes = 0;
    // Always 0: the log is laid out so that nothing is ever rewritten.
    uint64_t compaction_bytes_written = 0;
  };
  Stats stats() const;

  // Writes the newest commits from memory into tables. They are durable without it: it shortens
  // the next start.
  absl::Status Flush();

 private:
  struct State;

  explicit RocksDbEventLog(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace skald::storage
