// Views on RocksDB: views/ of a data directory (docs/formats.md).
//
// One column family, no write-ahead log: rows and applied positions reach disk together by flushes,
// so after a crash they are older, never torn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/views.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace skald::storage {

struct RocksDbViewsOptions {
  // The folder of the database.
  std::string path;
  // Create it when the folder does not exist or is empty.
  bool create_if_missing = false;
  // The 16 bytes of the log's store id. Views of another store are refused.
  std::string store_id;
  size_t write_buffer_bytes = 48 << 20;
  size_t block_cache_bytes = 128 << 20;
  // As in RocksDbEventLogOptions; Apply and ApplyRows fail.
  bool read_only = false;
  // As in RocksDbEventLogOptions.
  rocksdb::Env* env = nullptr;
};

class RocksDbViews : public Views {
 public:
  // NOT_FOUND: there are none and create_if_missing is false.
  // FAILED_PRECONDITION: they belong to another store, or the folder holds something else.
  // UNAVAILABLE: in use by another process, or the device refuses.
  // DATA_LOSS: damaged, or in another format. Destroy them and fold the log again, unless
  // SalvageApplied shows that the log lost its end.
  static absl::StatusOr<std::unique_ptr<RocksDbViews>> Open(const RocksDbViewsOptions& options);
  // Writes what is in memory to disk.
  ~RocksDbViews() override;

  // FAILED_PRECONDITION: the folder `path` holds something that is no file of views, so it is not
  // ours. OK when it does not exist.
  static absl::Status CheckFolder(const std::string& path);
  // Deletes the views in `path`. UNAVAILABLE when they are open. OK when there are none. As
  // CheckFolder: then nothing is touched.
  static absl::Status Destroy(const std::string& path, rocksdb::Env* env = nullptr);
  // What views that Open finds damaged, or of another format, still tell of how far each partition
  // was folded: the position by partition, 0 where it cannot be read or they are of another store.
  static std::vector<Position> SalvageApplied(const RocksDbViewsOptions& options,
                                              uint32_t partition_count);

  absl::Status Apply(PartitionId partition, absl::Span<const RowChange> changes,
                     Position applied) override;
  absl::Status ApplyRows(absl::Span<const RowChange> changes) override;
  // Must not outlive the views.
  std::unique_ptr<ViewSnapshot> Snapshot() const override;
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const override;
  absl::Status Scan(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const override;
  absl::StatusOr<Position> AppliedPosition(PartitionId partition) const override;
  absl::Status Flush() override;
  uint64_t UnwrittenBytes() const override;

 private:
  struct State;

  explicit RocksDbViews(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace skald::storage
