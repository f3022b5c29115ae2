#include "storage/memory/memory_views.h"

#include "base/check.h"
#include "storage/keys.h"

namespace skald::storage {

class MemoryViews::SharedSnapshot : public ViewSnapshot {
 public:
  explicit SharedSnapshot(const MemoryViews& views) : views_(views) {
    MutexLock lock(views_.mu_);
    version_ = views_.current_;
    ++version_->readers;
  }
  ~SharedSnapshot() override {
    // Under the lock: a writer that finds no reader may change the rows in place.
    MutexLock lock(views_.mu_);
    --version_->readers;
  }

  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const override {
    const auto row = version_->rows.find(key);
    if (row == version_->rows.end()) return std::nullopt;
    return row->second;
  }

  absl::Status Scan(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const override {
    for (auto next = version_->rows.lower_bound(begin); next != version_->rows.end(); ++next) {
      if (!end.empty() && next->first >= end) break;
      if (!row(next->first, next->second)) break;
    }
    return absl::OkStatus();
  }

  absl::Status ScanBack(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const override {
    auto next = end.empty() ? version_->rows.end() : version_->rows.lower_bound(end);
    while (next != version_->rows.begin()) {
      --next;
      if (next->first < begin || !row(next->first, next->second)) break;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Position> AppliedPosition(PartitionId partition) const override {
    const auto row = version_->rows.find(AppliedKey(partition));
    if (row == version_->rows.end()) return Position(0);
    return ParsePosition(row->second);
  }

 private:
  const MemoryViews& views_;
  std::shared_ptr<Version> version_;
};

MemoryViews::MemoryViews() : current_(std::make_shared<Version>()) {}
MemoryViews::~MemoryViews() = default;

void MemoryViews::Change(absl::Span<const RowChange> changes) {
  if (current_->readers > 0) {
    auto copy = std::make_shared<Version>();
    copy->rows = current_->rows;
    current_ = std::move(copy);
  }
  for (const RowChange& change : changes) {
    if (change.value.has_value()) {
      current_->rows.insert_or_assign(change.key, *change.value);
    } else {
      current_->rows.erase(change.key);
    }
  }
}

absl::Status MemoryViews::Apply(PartitionId partition, absl::Span<const RowChange> changes,
                                Position applied) {
  MutexLock lock(mu_);
  Change(changes);
  current_->rows.insert_or_assign(AppliedKey(partition), EncodePosition(applied));
  return absl::OkStatus();
}

absl::Status MemoryViews::ApplyRows(absl::Span<const RowChange> changes) {
  MutexLock lock(mu_);
  Change(changes);
  return absl::OkStatus();
}

std::unique_ptr<ViewSnapshot> MemoryViews::Snapshot() const {
  return std::make_unique<SharedSnapshot>(*this);
}

absl::StatusOr<std::optional<std::string>> MemoryViews::Get(absl::string_view key) const {
  return SharedSnapshot(*this).Get(key);
}

absl::Status MemoryViews::Scan(
    absl::string_view begin, absl::string_view end,
    absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const {
  return SharedSnapshot(*this).Scan(begin, end, row);
}

absl::StatusOr<Position> MemoryViews::AppliedPosition(PartitionId partition) const {
  return SharedSnapshot(*this).AppliedPosition(partition);
}

absl::Status MemoryViews::Flush() { return absl::OkStatus(); }

}  // namespace skald::storage
