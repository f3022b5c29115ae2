// Views in memory: for tests, the simulator and `skald run`. Keeps the contract of storage/views.h.
//
// A snapshot shares the rows; whoever writes while one is held copies them first. So snapshots are
// cheap, and writing under a long-lived one is not.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/container/btree_map.h"
#include "base/mutex.h"
#include "storage/views.h"

namespace skald::storage {

class MemoryViews : public Views {
 public:
  MemoryViews();
  ~MemoryViews() override;

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

 private:
  class SharedSnapshot;

  struct Version {
    absl::btree_map<std::string, std::string> rows;
    // Snapshots that read this version.
    int readers = 0;
  };

  void Change(absl::Span<const RowChange> changes) SKALD_REQUIRES(mu_);

  mutable Mutex mu_;
  std::shared_ptr<Version> current_ SKALD_GUARDED_BY(mu_);
};

}  // namespace skald::storage
