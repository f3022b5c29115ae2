#include "storage/delta.h"

#include <algorithm>

#include "base/check.h"
#include "base/status_macros.h"

namespace skald::storage {
namespace {

// A row's key and the node around it, roughly: what counts besides the value.
size_t RowBytes(absl::string_view key, absl::string_view value) {
  constexpr size_t kNodeBytes = 64;
  return key.size() + value.size() + kNodeBytes;
}

struct ChangeBefore {
  bool operator()(const RowChange& change, absl::string_view key) const {
    return absl::string_view(change.key) < key;
  }
};

}  // namespace

// Walks the active and the sealed rows of a range as one sequence in key order; where both have a
// key, the active one counts.
class Delta::MemoryCursor {
 public:
  MemoryCursor(const Delta& delta, absl::string_view begin, absl::string_view end)
      : active_(delta.active_.lower_bound(begin)), active_end_(delta.active_.end()) {
    if (!end.empty()) active_end_ = delta.active_.lower_bound(end);
    if (delta.sealed_ == nullptr) return;
    const std::vector<RowChange>& sealed = *delta.sealed_;
    sealed_ = std::lower_bound(sealed.begin(), sealed.end(), begin, ChangeBefore());
    sealed_end_ = end.empty() ? sealed.end()
                              : std::lower_bound(sealed.begin(), sealed.end(), end, ChangeBefore());
  }

  bool Valid() const { return active_ != active_end_ || sealed_ != sealed_end_; }
  absl::string_view key() const { return OnActive() ? active_->first : sealed_->key; }
  const std::optional<std::string>& value() const {
    return OnActive() ? active_->second.value : sealed_->value;
  }
  void Next() {
    if (!OnActive()) {
      ++sealed_;
      return;
    }
    if (sealed_ != sealed_end_ && sealed_->key == active_->first) ++sealed_;
    ++active_;
  }

 private:
  bool OnActive() const {
    if (active_ == active_end_) return false;
    return sealed_ == sealed_end_ || active_->first <= sealed_->key;
  }

  Rows::const_iterator active_;
  Rows::const_iterator active_end_;
  std::vector<RowChange>::const_iterator sealed_{};
  std::vector<RowChange>::const_iterator sealed_end_{};
};

Delta::Delta(const Views& views, PartitionId partition) : views_(views), partition_(partition) {}

void Delta::Put(std::string key, std::string value) {
  active_bytes_ += RowBytes(key, value);
  const auto [row, born] = active_.try_emplace(std::move(key));
  if (!born) active_bytes_ -= RowBytes(row->first, row->second.value.value_or(""));
  row->second.value = std::move(value);
}

void Delta::PutNew(std::string key, std::string value) {
  const size_t bytes = RowBytes(key, value);
  const auto [row, born] = active_.try_emplace(std::move(key));
  if (born) {
    row->second.below = false;
  } else {
    active_bytes_ -= RowBytes(row->first, row->second.value.value_or(""));
  }
  active_bytes_ += bytes;
  row->second.value = std::move(value);
}

void Delta::Delete(absl::string_view key) {
  const auto row = active_.find(key);
  if (row == active_.end()) {
    active_bytes_ += RowBytes(key, "");
    active_.try_emplace(std::string(key));
    return;
  }
  active_bytes_ -= RowBytes(key, row->second.value.value_or(""));
  if (!row->second.below) {
    active_.erase(row);
    return;
  }
  active_bytes_ += RowBytes(key, "");
  row->second.value.reset();
}

const std::optional<std::string>* Delta::Find(absl::string_view key) const {
  const auto active = active_.find(key);
  if (active != active_.end()) return &active->second.value;
  if (sealed_ == nullptr) return nullptr;
  const auto sealed = std::lower_bound(sealed_->begin(), sealed_->end(), key, ChangeBefore());
  if (sealed == sealed_->end() || sealed->key != key) return nullptr;
  return &sealed->value;
}

absl::StatusOr<std::optional<std::string>> Delta::Get(absl::string_view key) const {
  const std::optional<std::string>* const change = Find(key);
  if (change != nullptr) return *change;
  return views_.Get(key);
}

absl::Status Delta::Scan(
    absl::string_view begin, absl::string_view end,
    absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> row) const {
  if (!end.empty() && begin >= end) return absl::OkStatus();
  MemoryCursor memory(*this, begin, end);
  bool wanted = true;
  // Hands out the rows in memory that come before `limit`, or all of them without one.
  const auto emit_memory = [&](std::optional<absl::string_view> limit) {
    while (wanted && memory.Valid() && (!limit.has_value() || memory.key() < *limit)) {
      if (memory.value().has_value()) wanted = row(memory.key(), *memory.value());
      memory.Next();
    }
  };
  SKALD_RETURN_IF_ERROR(
      views_.Scan(begin, end, [&](absl::string_view key, absl::string_view value) {
        emit_memory(key);
        // A row that memory changed is handed out, or left out, with the memory's next turn.
        if (wanted && (!memory.Valid() || memory.key() != key)) wanted = row(key, value);
        return wanted;
      }));
  emit_memory(std::nullopt);
  return absl::OkStatus();
}

void Delta::Seal(Position position) {
  SKALD_CHECK(!has_sealed());
  auto changes = std::make_unique<std::vector<RowChange>>();
  changes->reserve(active_.size());
  for (auto& [key, row] : active_) {
    changes->push_back(RowChange{.key = key, .value = std::move(row.value)});
  }
  active_.clear();
  active_bytes_ = 0;
  sealed_ = std::move(changes);
  sealed_position_ = position;
}

absl::Status Delta::WriteSealed(Views& views) {
  SKALD_CHECK(has_sealed());
  SKALD_RETURN_IF_ERROR(views.Apply(partition_, *sealed_, sealed_position_));
  DropSealed();
  return absl::OkStatus();
}

void Delta::DropSealed() {
  SKALD_CHECK(has_sealed());
  sealed_.reset();
}

}  // namespace skald::storage
