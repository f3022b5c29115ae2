#include "engine/projection/listed_rows.h"

#include "absl/strings/str_cat.h"
#include "base/errors.h"

namespace skald::projection {

ListedRows::ListedRows(std::shared_ptr<const ModelSchema> schema, Cut cut,
                       const std::vector<Json>& rows)
    : schema_(std::move(schema)), cut_(std::move(cut)) {
  for (const Json& row : rows) rows_.insert_or_assign(EncodeRowKey(*schema_, row), row);
}

absl::StatusOr<std::optional<Json>> ListedRows::Get(absl::string_view key) const {
  const auto found = rows_.find(std::string(key));
  if (found == rows_.end()) return std::nullopt;
  return found->second;
}

absl::Status ListedRows::Scan(const ScanRange& range,
                              absl::FunctionRef<bool(const Row&)> row) const {
  if (!range.index.empty()) {
    return BadRequestError("order", absl::StrCat("the model has no index '", range.index, "'"));
  }
  const auto begin = rows_.lower_bound(range.begin);
  const auto end = range.end.empty() ? rows_.end() : rows_.lower_bound(range.end);
  static const Json kNull;
  const auto give = [&](const auto& each) {
    return row({each.first, each.first, range.values ? each.second : kNull});
  };
  if (!range.descending) {
    for (auto next = begin; next != end; ++next) {
      if (!give(*next)) break;
    }
    return absl::OkStatus();
  }
  for (auto next = end; next != begin;) {
    --next;
    if (!give(*next)) break;
  }
  return absl::OkStatus();
}

}  // namespace skald::projection
