// Reading models: rows as of one cut.
//
//   SKALD_ASSIGN_OR_RETURN(auto rows, reader.Open("sagas", {.wait_until = deadline}));
//   SKALD_RETURN_IF_ERROR(rows->Scan({.index = "status", ...}, [&](const Row& row) { ... }));
//
// Thread rule: ModelReader from any thread; a ModelRows is owned by one thread at a time and holds
// resources, so keep it short.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/projection/model.h"

namespace skald::projection {

// Which rows to go through, in which order. Bounds are encoded: by EncodeRowKey's parts in key
// order, by AppendOrdered of the index's columns (any number of them) in an index.
struct ScanRange {
  std::string index;  // empty: in key order
  std::string begin;  // the first that counts
  std::string end;    // the first that does not; empty: to the last
  bool descending = false;
  bool values = true;  // false: rows are not read, `value` is null
};

struct Row {
  absl::string_view key;    // encoded
  absl::string_view place;  // what to give as ScanRange::begin (or, descending, end) to come back here
  const Json& value;        // an object with the key columns in it; null when not asked for
};

// The rows of one model at one cut.
class ModelRows {
 public:
  virtual ~ModelRows() = default;
  virtual const ModelSchema& schema() const = 0;
  // Grows with each rebuild that is swapped in.
  virtual uint64_t generation() const = 0;
  virtual const Cut& cut() const = 0;
  // How many there are. Known without counting, but for a place in the past.
  virtual absl::StatusOr<uint64_t> Count() const = 0;
  virtual absl::StatusOr<std::optional<Json>> Get(absl::string_view key) const = 0;
  // Calls `row` for each row of the range in order until it returns false.
  virtual absl::Status Scan(const ScanRange& range,
                            absl::FunctionRef<bool(const Row&)> row) const = 0;
};

struct OpenOptions {
  // The rows are as new as these or newer (read your writes).
  std::vector<std::pair<PartitionId, Position>> min_positions;
  // Without min_positions: the rows may be older than what was acknowledged before the call.
  bool allow_stale = false;
  // How long to wait for the rows to be new enough.
  Timestamp wait_until;
  // Exactly as of then. Only of models with history, and only in key order.
  std::optional<Timestamp> as_of_time;
  std::optional<std::pair<PartitionId, Position>> as_of_position;
};

class ModelReader {
 public:
  virtual ~ModelReader() = default;
  virtual std::vector<ModelSchema> Schemas() const = 0;
  // Blocks until the rows are as new as wanted. NOT_FOUND (MODEL_NOT_FOUND); UNAVAILABLE
  // (MODEL_BEHIND) when the time is up, with how far it came; FAILED_PRECONDITION
  // (MODEL_WITHOUT_HISTORY, MODEL_NOT_BUILT); DATA_LOSS (LOG_CORRUPT); INVALID_ARGUMENT (a time in
  // the future, a position past the end, no partition of this store).
  virtual absl::StatusOr<std::unique_ptr<ModelRows>> Open(absl::string_view model,
                                                          const OpenOptions& options) = 0;
};

}  // namespace skald::projection
