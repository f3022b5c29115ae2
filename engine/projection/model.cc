#include "engine/projection/model.h"

#include "base/check.h"
#include "base/json_order.h"

namespace skald::projection {

absl::string_view ColumnTypeName(ColumnType type) {
  switch (type) {
    case ColumnType::kText:
      return "text";
    case ColumnType::kInteger:
      return "integer";
    case ColumnType::kNumber:
      return "number";
    case ColumnType::kBoolean:
      return "boolean";
    case ColumnType::kTime:
      return "time";
    case ColumnType::kJson:
      return "json";
  }
  return "json";
}

const Column* ModelSchema::FindColumn(absl::string_view wanted) const {
  for (const Column& column : columns) {
    if (column.name == wanted) return &column;
  }
  return nullptr;
}

const Json& ModelSchema::ValueOf(const Column& column, const Json& row) {
  if (column.path.empty()) return row.Get(column.name);
  const Json* value = &row;
  for (const std::string& name : column.path) value = &value->Get(name);
  return *value;
}

std::string EncodeRowKey(const ModelSchema& schema, const Json& row) {
  SKALD_CHECK(schema.key_columns <= schema.columns.size());
  std::string key;
  for (size_t i = 0; i < schema.key_columns; ++i) {
    AppendOrdered(ModelSchema::ValueOf(schema.columns[i], row), key);
  }
  return key;
}

}  // namespace skald::projection
