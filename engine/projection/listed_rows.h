// Rows of a computed model: a list that was made when it was opened, in key order.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/projection/reader.h"

namespace skald::projection {

class ListedRows final : public ModelRows {
 public:
  ListedRows(std::shared_ptr<const ModelSchema> schema, Cut cut, const std::vector<Json>& rows);

  const ModelSchema& schema() const override { return *schema_; }
  uint64_t generation() const override { return 0; }
  const Cut& cut() const override { return cut_; }
  absl::StatusOr<uint64_t> Count() const override { return rows_.size(); }
  absl::StatusOr<std::optional<Json>> Get(absl::string_view key) const override;
  absl::Status Scan(const ScanRange& range, absl::FunctionRef<bool(const Row&)> row) const override;

 private:
  const std::shared_ptr<const ModelSchema> schema_;
  const Cut cut_;
  std::map<std::string, Json, std::less<>> rows_;
};

}  // namespace skald::projection
