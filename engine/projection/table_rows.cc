// Reading the rows of a generation at one moment.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/json_order.h"
#include "base/status_macros.h"
#include "engine/projection/model_table.h"
#include "engine/projection/table_keys.h"

namespace skald::projection {
namespace {

using storage::PrefixEnd;
using storage::Table;

absl::Status DamagedRow() {
  return absl::DataLossError(
      "a row of a read model is damaged; `skald rebuild` makes it anew from the log");
}

// Where a range of keys under a prefix begins and ends.
std::pair<std::string, std::string> Bounds(const std::string& prefix, const ScanRange& range) {
  return {absl::StrCat(prefix, range.begin),
          range.end.empty() ? PrefixEnd(prefix) : absl::StrCat(prefix, range.end)};
}

using Visit = absl::FunctionRef<bool(absl::string_view key, absl::string_view value)>;

absl::Status ScanEitherWay(const storage::ViewSnapshot& snapshot, const std::string& prefix,
                           const ScanRange& range, Visit visit) {
  const auto [begin, end] = Bounds(prefix, range);
  return range.descending ? snapshot.ScanBack(begin, end, visit) : snapshot.Scan(begin, end, visit);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TableRows>> TableRows::Open(
    std::unique_ptr<storage::ViewSnapshot> snapshot, std::shared_ptr<const ModelSchema> schema,
    uint64_t generation, std::optional<Stamp> as_of) {
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> checkpoint,
                         snapshot->Get(CheckpointKey(generation)));
  if (!checkpoint) return ModelNotFoundError(schema->name);
  auto rows = std::unique_ptr<TableRows>(
      new TableRows(std::move(snapshot), std::move(schema), generation, as_of));
  SKALD_ASSIGN_OR_RETURN(rows->checkpoint_, Checkpoint::Decode(*checkpoint));
  return rows;
}

absl::StatusOr<uint64_t> TableRows::Count() const {
  if (!as_of_) return checkpoint_.rows;
  uint64_t count = 0;
  SKALD_RETURN_IF_ERROR(Scan({.values = false}, [&](const Row&) {
    ++count;
    return true;
  }));
  return count;
}

absl::StatusOr<std::optional<Json>> TableRows::Get(absl::string_view key) const {
  std::optional<std::string> text;
  if (as_of_) {
    const std::string prefix =
        absl::StrCat(GenerationPrefix(Table::kModelVersion, generation_), key);
    SKALD_RETURN_IF_ERROR(snapshot_->Scan(
        absl::StrCat(prefix, EncodeStampDescending(*as_of_)), PrefixEnd(prefix),
        [&](absl::string_view version, absl::string_view value) {
          // Row keys end by themselves, so every key of that prefix is a version of this row.
          (void)version;
          if (!value.empty()) text = std::string(value);
          return false;
        }));
  } else {
    SKALD_ASSIGN_OR_RETURN(text, snapshot_->Get(RowKey(generation_, key)));
  }
  if (!text) return std::nullopt;
  absl::StatusOr<Json> row = Json::Parse(*text, kStoredJson);
  if (!row.ok()) return DamagedRow();
  return *std::move(row);
}

absl::Status TableRows::Scan(const ScanRange& range,
                             absl::FunctionRef<bool(const Row&)> row) const {
  if (range.index.empty()) return as_of_ ? ScanVersions(range, row) : ScanKeys(range, row);
  if (as_of_) {
    return BadRequestError("order", "as of the past a model can be read in key order only");
  }
  for (size_t i = 0; i < schema_->indexes.size(); ++i) {
    if (schema_->indexes[i].name == range.index) return ScanIndex(range, i, row);
  }
  return BadRequestError("order", absl::StrCat("the model has no index '", range.index, "'"));
}

absl::Status TableRows::ScanKeys(const ScanRange& range,
                                 absl::FunctionRef<bool(const Row&)> row) const {
  const std::string prefix = GenerationPrefix(Table::kModelRow, generation_);
  absl::Status damaged;
  const auto visit = [&](absl::string_view key, absl::string_view text) {
    const absl::string_view row_key = key.substr(prefix.size());
    Json value;
    if (range.values) {
      absl::StatusOr<Json> parsed = Json::Parse(text, kStoredJson);
      if (!parsed.ok()) {
        damaged = DamagedRow();
        return false;
      }
      value = *std::move(parsed);
    }
    return row({row_key, row_key, value});
  };
  SKALD_RETURN_IF_ERROR(ScanEitherWay(*snapshot_, prefix, range, visit));
  return damaged;
}

absl::Status TableRows::ScanIndex(const ScanRange& range, size_t index,
                                  absl::FunctionRef<bool(const Row&)> row) const {
  const std::string prefix = IndexPrefix(generation_, index);
  absl::Status broken;
  const auto visit = [&](absl::string_view key, absl::string_view) {
    const absl::string_view place = key.substr(prefix.size());
    absl::string_view row_key = place;
    for (size_t i = 0; i < schema_->indexes[index].columns.size(); ++i) {
      if (!SkipOrdered(row_key)) {
        broken = DamagedRow();
        return false;
      }
    }
    Json value;
    if (range.values) {
      absl::StatusOr<std::optional<Json>> found = Get(row_key);
      if (!found.ok() || !*found) {
        broken = found.ok() ? DamagedRow() : found.status();
        return false;
      }
      value = **std::move(found);
    }
    return row({row_key, place, value});
  };
  SKALD_RETURN_IF_ERROR(ScanEitherWay(*snapshot_, prefix, range, visit));
  return broken;
}

// Of each row the latest version that is not after the wanted moment. Versions of a row stand latest
// first; going back, the one wanted is the last that fits before the row changes.
absl::Status TableRows::ScanVersions(const ScanRange& range,
                                     absl::FunctionRef<bool(const Row&)> row) const {
  const std::string prefix = GenerationPrefix(Table::kModelVersion, generation_);
  const std::string earliest = EncodeStampDescending(*as_of_);
  absl::Status damaged;
  std::string present;   // the row whose versions are passing
  std::string chosen;    // its version's text; empty: it did not exist
  bool is_chosen = false;
  const auto give = [&] {
    if (!is_chosen || chosen.empty()) return true;
    absl::StatusOr<Json> value = Json::Parse(chosen, kStoredJson);
    if (!value.ok()) {
      damaged = DamagedRow();
      return false;
    }
    return row({present, present, range.values ? *value : Json()});
  };
  bool goes_on = true;
  const auto visit = [&](absl::string_view key, absl::string_view text) {
    const absl::string_view row_key =
        key.substr(prefix.size(), key.size() - prefix.size() - kStampBytes);
    if (row_key != present) {
      goes_on = give();
      if (!goes_on) return false;
      present = std::string(row_key);
      is_chosen = false;
    }
    const bool fits = key.substr(key.size() - kStampBytes) >= absl::string_view(earliest);
    if (fits && (range.descending || !is_chosen)) {
      chosen = std::string(text);
      is_chosen = true;
    }
    return true;
  };
  SKALD_RETURN_IF_ERROR(ScanEitherWay(*snapshot_, prefix, range, visit));
  if (goes_on) give();
  return damaged;
}

absl::StatusOr<std::vector<Poison>> TableRows::Parked(size_t count) const {
  std::vector<Poison> parked;
  const std::string prefix = GenerationPrefix(Table::kModelPoison, generation_);
  absl::Status damaged;
  SKALD_RETURN_IF_ERROR(snapshot_->Scan(prefix, PrefixEnd(prefix),
                                        [&](absl::string_view, absl::string_view text) {
                                          if (parked.size() >= count) return false;
                                          absl::StatusOr<Poison> poison = DecodePoison(text);
                                          damaged = poison.status();
                                          if (!damaged.ok()) return false;
                                          parked.push_back(*std::move(poison));
                                          return true;
                                        }));
  SKALD_RETURN_IF_ERROR(damaged);
  return parked;
}

}  // namespace skald::projection
