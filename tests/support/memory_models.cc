#include "tests/support/memory_models.h"

#include "base/check.h"
#include "base/errors.h"
#include "base/json_order.h"

namespace skald::testing {

using projection::Cut;
using projection::Index;
using projection::ModelSchema;
using projection::OpenOptions;
using projection::Row;
using projection::ScanRange;

namespace {

// A time of this century, written so that later ones come first, begins with this byte.
constexpr char kStampOfVersion = '\xFF';

// Where a row stands in an index; nothing when its first column is null.
std::optional<std::string> PlaceIn(const ModelSchema& schema, const Index& index, const Json& row,
                                   const std::string& key) {
  std::string place;
  for (size_t i = 0; i < index.columns.size(); ++i) {
    const Json& value = ModelSchema::ValueOf(*schema.FindColumn(index.columns[i]), row);
    if (i == 0 && value.is_null()) return std::nullopt;
    AppendOrdered(value, place);
  }
  return place + key;
}

}  // namespace

class MemoryModels::Rows final : public projection::ModelRows {
 public:
  Rows(MemoryModels& owner, std::shared_ptr<const Table> table, Cut cut, bool is_past)
      : owner_(owner), table_(std::move(table)), cut_(std::move(cut)), is_past_(is_past) {}

  const ModelSchema& schema() const override { return table_->schema; }
  uint64_t generation() const override { return table_->generation; }
  const Cut& cut() const override { return cut_; }
  absl::StatusOr<uint64_t> Count() const override { return table_->rows.size(); }

  absl::StatusOr<std::optional<Json>> Get(absl::string_view key) const override {
    const auto found = table_->rows.find(std::string(key));
    if (found == table_->rows.end()) return std::nullopt;
    return found->second;
  }

  absl::Status Scan(const ScanRange& range,
                    absl::FunctionRef<bool(const Row&)> row) const override {
    if (is_past_) {
      if (!range.index.empty()) return BadRequestError("order", "is not known of the past");
      // As the real one does: bounds are of versions, whose keys go on after the row's.
      std::map<std::string, const std::pair<const std::string, Json>*> versions;
      for (const auto& entry : table_->rows) versions[entry.first + kStampOfVersion] = &entry;
      Walk(versions, range, [&](const auto& version) {
        const auto& [key, value] = *version.second;
        return Give(key, key, value, range.values, row);
      });
      return absl::OkStatus();
    }
    if (range.index.empty()) {
      Walk(table_->rows, range, [&](const auto& entry) {
        return Give(entry.first, entry.first, entry.second, range.values, row);
      });
      return absl::OkStatus();
    }
    const auto index = table_->indexes.find(range.index);
    SKALD_CHECK(index != table_->indexes.end());
    Walk(index->second, range, [&](const auto& entry) {
      return Give(entry.second, entry.first, table_->rows.at(entry.second), range.values, row);
    });
    return absl::OkStatus();
  }

 private:
  template <typename Map, typename Visitor>
  static void Walk(const Map& map, const ScanRange& range, Visitor visit) {
    const auto begin = map.lower_bound(range.begin);
    auto end = range.end.empty() ? map.end() : map.lower_bound(range.end);
    if (!range.end.empty() && range.end < range.begin) end = begin;
    if (!range.descending) {
      for (auto it = begin; it != end; ++it) {
        if (!visit(*it)) return;
      }
      return;
    }
    for (auto it = end; it != begin;) {
      --it;
      if (!visit(*it)) return;
    }
  }

  bool Give(const std::string& key, const std::string& place, const Json& value, bool with_value,
            absl::FunctionRef<bool(const Row&)> row) const {
    ++owner_.scanned_;
    if (with_value) ++owner_.values_read_;
    static const Json kNothing;
    return row({.key = key, .place = place, .value = with_value ? value : kNothing});
  }

  MemoryModels& owner_;
  const std::shared_ptr<const Table> table_;
  const Cut cut_;
  const bool is_past_;
};

std::map<std::string, std::shared_ptr<const MemoryModels::Table>>::iterator MemoryModels::Find(
    absl::string_view model) {
  const auto found = tables_.find(std::string(model));
  SKALD_CHECK(found != tables_.end());
  return found;
}

void MemoryModels::Add(ModelSchema schema) {
  MutexLock lock(mutex_);
  auto table = std::make_shared<Table>();
  table->schema = std::move(schema);
  for (const Index& index : table->schema.indexes) table->indexes[index.name];
  tables_[table->schema.name] = std::move(table);
}

void MemoryModels::PutAll(absl::string_view model, const std::vector<Json>& rows) {
  MutexLock lock(mutex_);
  auto table = std::make_shared<Table>(*Find(model)->second);
  for (const Json& row : rows) {
    const std::string key = projection::EncodeRowKey(table->schema, row);
    Erase(*table, key);
    table->rows[key] = row;
    for (const Index& index : table->schema.indexes) {
      if (const auto place = PlaceIn(table->schema, index, row, key)) {
        table->indexes[index.name][*place] = key;
      }
    }
  }
  Find(model)->second = std::move(table);
}

void MemoryModels::Delete(absl::string_view model, absl::string_view key) {
  MutexLock lock(mutex_);
  auto table = std::make_shared<Table>(*Find(model)->second);
  Erase(*table, std::string(key));
  Find(model)->second = std::move(table);
}

void MemoryModels::Erase(Table& table, const std::string& key) {
  const auto row = table.rows.find(key);
  if (row == table.rows.end()) return;
  for (const Index& index : table.schema.indexes) {
    if (const auto place = PlaceIn(table.schema, index, row->second, key)) {
      table.indexes[index.name].erase(*place);
    }
  }
  table.rows.erase(row);
}

void MemoryModels::Rebuild(absl::string_view model) {
  MutexLock lock(mutex_);
  auto table = std::make_shared<Table>(*Find(model)->second);
  ++table->generation;
  Find(model)->second = std::move(table);
}

void MemoryModels::SetCut(Cut cut) {
  MutexLock lock(mutex_);
  past_[cut.time] = tables_;
  cut_ = std::move(cut);
}

OpenOptions MemoryModels::last_options() const {
  MutexLock lock(mutex_);
  return last_options_;
}

std::vector<ModelSchema> MemoryModels::Schemas() const {
  MutexLock lock(mutex_);
  std::vector<ModelSchema> schemas;
  for (const auto& [name, table] : tables_) schemas.push_back(table->schema);
  return schemas;
}

absl::StatusOr<std::unique_ptr<projection::ModelRows>> MemoryModels::Open(
    absl::string_view model, const OpenOptions& options) {
  ++opened_;
  MutexLock lock(mutex_);
  last_options_ = options;
  const auto found = tables_.find(std::string(model));
  if (found == tables_.end()) return ModelNotFoundError(model);
  if (!options.allow_stale && behind_ > 0) {
    --behind_;
    return ModelBehindError(model, /*events_behind=*/7);
  }
  if (options.as_of_time || options.as_of_position) {
    if (!found->second->schema.history) return ModelWithoutHistoryError(model);
    if (!options.as_of_time) return BadRequestError("as_of", "is not known here");
    const auto after = past_.upper_bound(*options.as_of_time);
    if (after == past_.begin()) return BadRequestError("as_of", "is before all");
    return std::make_unique<Rows>(*this, std::prev(after)->second.at(std::string(model)),
                                  Cut{.time = *options.as_of_time, .positions = cut_.positions},
                                  /*is_past=*/true);
  }
  return std::make_unique<Rows>(*this, found->second, cut_, /*is_past=*/false);
}

}  // namespace skald::testing
