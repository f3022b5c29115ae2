// What a read model is: rows of JSON under a key, with columns, indexes, and the place in the log up
// to which they were folded.
//
// All commits of a store stand in one order, the merged order: by time, then partition, then
// position. Times never decrease within a partition, so the order follows from the log alone, and a
// model may fold events of many partitions and still come out the same each time it is built.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"

namespace skald::projection {

// A place in the merged order that splits it in two: all commits up to `time`, and all after.
struct Cut {
  Timestamp time;
  // By partition: the position of the last event up to `time`; 0 before its first.
  std::vector<Position> positions;

  friend bool operator==(const Cut&, const Cut&) = default;
};

// A place in the merged order: right after the commit that holds this position. Compares in that
// order.
struct Stamp {
  Timestamp time;
  PartitionId partition;
  Position position;

  friend auto operator<=>(const Stamp&, const Stamp&) = default;
};

enum class ColumnType : uint8_t {
  kText,
  kInteger,
  kNumber,
  kBoolean,
  kTime,  // an RFC 3339 text in UTC with microseconds, "2026-01-31T12:00:00.000000Z": text order is time order
  kJson,  // anything
};
absl::string_view ColumnTypeName(ColumnType type);  // "text"

// A member of a row that has a name for filters, orders and SQL. Absent members read as null.
struct Column {
  std::string name;
  ColumnType type = ColumnType::kText;
  std::string description;
  // Where it stands in the row: names of nested members. Empty: {name}.
  std::vector<std::string> path;
};

// An order of rows by some columns; rows of equal values stand in order of their keys. Rows whose
// first column is null are not in it.
struct Index {
  std::string name;
  std::vector<std::string> columns;  // of the model, one at least
};

// How a model comes by its rows.
enum class ModelKind : uint8_t {
  kFolded,  // folded from the log and kept
  kLive,    // computed from what the process knows now (task queues)
  kOfSaga,  // computed from one saga's history, when that saga is named (timeline)
};

struct ModelSchema {
  std::string name;
  std::string description;
  ModelKind kind = ModelKind::kFolded;
  bool built_in = true;
  // The first `key_columns` are the key: unique, never null.
  std::vector<Column> columns;
  size_t key_columns = 1;
  std::vector<Index> indexes;
  // Every version of a row is kept, for reads as of a place in the past.
  bool history = false;

  const Column* FindColumn(absl::string_view name) const;
  // The value of a column in a row; null when the row does not have it.
  static const Json& ValueOf(const Column& column, const Json& row);
};

// ---- Keys ----

// The encoded key of a row: its key columns (base/json_order.h), one after the other.
std::string EncodeRowKey(const ModelSchema& schema, const Json& row);

}  // namespace skald::projection
