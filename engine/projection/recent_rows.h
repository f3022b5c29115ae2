// The rows of a model that were written last, as they were written: the next round mostly changes
// rows that this one did, and need not read and parse them again.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "base/json.h"

namespace skald::projection {

struct WrittenRow {
  Json row;
  std::string text;  // of the row
};

// Holds about so many bytes of texts; those that were put longest ago go first. Thread rule: one
// thread at a time.
class RecentRows {
 public:
  explicit RecentRows(size_t bytes_max) : bytes_max_(bytes_max) {}

  // The row, or nullptr. Valid until the next call.
  const WrittenRow* Find(absl::string_view key) const {
    for (const Rows* rows : {&newer_, &older_}) {
      const auto found = rows->find(key);
      if (found != rows->end()) return &found->second;
    }
    return nullptr;
  }

  void Put(absl::string_view key, WrittenRow row) {
    Erase(key);
    newer_bytes_ += key.size() + row.text.size();
    newer_.emplace(key, std::move(row));
    if (newer_bytes_ <= bytes_max_ / 2) return;
    older_ = std::exchange(newer_, {});
    newer_bytes_ = 0;
  }

  void Erase(absl::string_view key) {
    older_.erase(key);
    const auto found = newer_.find(key);
    if (found == newer_.end()) return;
    newer_bytes_ -= key.size() + found->second.text.size();
    newer_.erase(found);
  }

 private:
  using Rows = absl::flat_hash_map<std::string, WrittenRow>;

  const size_t bytes_max_;
  Rows newer_, older_;  // no key is in both
  size_t newer_bytes_ = 0;
};

}  // namespace skald::projection
