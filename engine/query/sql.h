// SQL over read models: one SELECT, run by SQLite over virtual tables, a table a model.
//
//   SKALD_ASSIGN_OR_RETURN(auto statement, SqlStatement::Prepare(reader, {
//       .text = "select status, count(*) from sagas group by status", .now = ...}));
//   while (true) {
//     SKALD_ASSIGN_OR_RETURN(auto row, statement->Next());
//     if (!row) break;
//   }
//
// Dashes in a model's name may be written as underscores; both names can be quoted. Texts and times
// are TEXT (times as stored, so they compare as times do), integers and numbers NUMERIC, booleans 0
// and 1, JSON columns their JSON text. Each model is opened once a statement: all of its uses see
// one cut.
//
// Nothing can be changed or reached from a statement: SQLite runs in memory, an authorizer lets
// through reads of models and known functions only, and text, values, memory and time are bounded.
//
// Thread rule: one thread at a time, any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/projection/reader.h"
#include "engine/query/page.h"

namespace skald::query {

inline constexpr size_t kSqlTextBytesMax = 64 << 10;
inline constexpr size_t kSqlValueBytesMax = 1 << 20;  // of one value, and of one row
inline constexpr size_t kSqlMemoryBytesMax = 64 << 20;
inline constexpr size_t kSqlParametersMax = 100;

struct SqlOptions {
  std::string text;
  // Of `?` in the text, in order. Arrays and objects are bound as JSON texts.
  std::vector<Json> parameters;
  // Of each model. `wait_until` holds for the statement.
  projection::OpenOptions open;
  uint64_t rows_max = 100'000;
  size_t memory_bytes_max = kSqlMemoryBytesMax;
  StopCheck stop;
  // The time that `open.wait_until` is of.
  std::function<Timestamp()> now;
};

struct SqlColumn {
  std::string name;
  std::string type;  // of a model's column its type's name; "any" of an expression
};

// What a statement has read of a model.
struct SqlSource {
  std::string model;
  uint64_t generation = 0;
  projection::Cut cut;
};

class SqlStatement {
 public:
  // BAD_REQUEST (field "statement", with line and column), QUERY_TOO_LARGE, what opening a model
  // returns, or what `stop` does.
  static absl::StatusOr<std::unique_ptr<SqlStatement>> Prepare(projection::ModelReader& reader,
                                                               SqlOptions options);
  virtual ~SqlStatement() = default;

  virtual const std::vector<SqlColumn>& columns() const = 0;
  // The next row: a value a column. Nothing at the end. Errors as of Prepare.
  virtual absl::StatusOr<std::optional<std::vector<Json>>> Next() = 0;

  // After the end: there were more than `rows_max` rows.
  virtual bool truncated() const = 0;
  virtual uint64_t rows_looked_at() const = 0;
  virtual std::vector<SqlSource> sources() const = 0;
};

}  // namespace skald::query
