#include "engine/projection/index_sums.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "storage/keys.h"

namespace skald::projection {

using storage::PrefixEnd;
using storage::Table;

void IndexSums::Sum::Add(absl::string_view key) {
  ++count;
  hash.Add(key, {});
}

IndexSums::IndexSums(uint64_t generation, std::shared_ptr<const ModelSchema> schema)
    : schema_(std::move(schema)),
      keys_(IndexKeysOf(generation, *schema_)),
      indexes_(schema_->indexes.size()) {}

void IndexSums::AddRow(absl::string_view row_key, const Json& row) {
  for (size_t i = 0; i < indexes_.size(); ++i) {
    const std::optional<std::string> key = keys_[i].KeyOf(row, row_key);
    if (key) indexes_[i].made.Add(*key);
  }
}

void IndexSums::AddEntry(absl::string_view key) {
  storage::KeyParser parser(key);
  parser.Number();  // the generation
  const uint64_t index = parser.Number();
  if (!parser.ok() || index >= indexes_.size()) {
    ++unknown_;
    return;
  }
  indexes_[index].there.Add(key);
}

std::string IndexSums::Difference() const {
  for (size_t i = 0; i < indexes_.size(); ++i) {
    const auto& [made, there] = indexes_[i];
    if (made == there) continue;
    const std::string name = absl::StrCat("its index '", schema_->indexes[i].name, "' has ");
    if (made.count == there.count) return absl::StrCat(name, "entries that its rows do not make");
    return absl::StrCat(name, there.count, " entries; its rows make ", made.count);
  }
  if (unknown_ > 0) return absl::StrCat("it has ", unknown_, " entries of no index");
  return {};
}

absl::StatusOr<std::string> IndexDifference(const storage::ViewSnapshot& snapshot,
                                            uint64_t generation,
                                            std::shared_ptr<const ModelSchema> schema,
                                            absl::FunctionRef<bool()> stopped) {
  IndexSums sums(generation, std::move(schema));
  const std::string rows = GenerationPrefix(Table::kModelRow, generation);
  absl::Status ended;
  const auto goes_on = [&] {
    if (stopped()) ended = absl::CancelledError("the rows were not all looked at");
    return ended.ok();
  };
  SKALD_RETURN_IF_ERROR(
      snapshot.Scan(rows, PrefixEnd(rows), [&](absl::string_view key, absl::string_view text) {
        const absl::StatusOr<Json> row = Json::Parse(text, kStoredJson);
        if (!row.ok()) {
          ended = absl::DataLossError("a row of a read model cannot be read: rebuild it");
          return false;
        }
        sums.AddRow(key.substr(rows.size()), *row);
        return goes_on();
      }));
  SKALD_RETURN_IF_ERROR(ended);
  const std::string entries = GenerationPrefix(Table::kModelIndex, generation);
  SKALD_RETURN_IF_ERROR(snapshot.Scan(entries, PrefixEnd(entries),
                                      [&](absl::string_view key, absl::string_view) {
                                        sums.AddEntry(key);
                                        return goes_on();
                                      }));
  SKALD_RETURN_IF_ERROR(ended);
  return sums.Difference();
}

}  // namespace skald::projection
