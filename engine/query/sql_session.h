// What a statement and its tables share: the models it reads, each opened once, and why it has to
// end. Private to sql*.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "engine/projection/reader.h"
#include "engine/query/sql.h"

namespace skald::query {

class SqlSession {
 public:
  SqlSession(projection::ModelReader& reader, const SqlOptions& options)
      : reader_(reader), options_(options) {}

  // The rows of a model, the same for the whole statement. Waits for them to be new enough.
  absl::StatusOr<const projection::ModelRows*> RowsOf(const projection::ModelSchema& schema);

  // Whether rows of the past are read: they are in key order only.
  PlanOptions plan_options() const {
    return {.key_order_only = options_.open.as_of_time || options_.open.as_of_position};
  }

  // OK, or why the statement has to end; that is kept as its failure.
  absl::Status Check();
  // Keeps the first failure, which says more than SQLite's code for it.
  void Fail(const absl::Status& status);
  const absl::Status& failure() const { return failure_; }

  void CountRow() { ++rows_looked_at_; }
  uint64_t rows_looked_at() const { return rows_looked_at_; }
  std::vector<SqlSource> Sources() const;

 private:
  absl::StatusOr<std::unique_ptr<projection::ModelRows>> Open(const std::string& model);

  projection::ModelReader& reader_;
  const SqlOptions& options_;
  std::map<std::string, std::unique_ptr<projection::ModelRows>> rows_;
  absl::Status failure_;
  uint64_t rows_looked_at_ = 0;
};

}  // namespace skald::query
