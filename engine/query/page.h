// One page of a query's rows, and where the next one begins.
//
// Rows that are there and do not change their place while a reader goes from page to page appear
// exactly once, also when the model is rebuilt meanwhile: a cursor is a place, not a count.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/projection/reader.h"
#include "engine/query/filter.h"
#include "engine/query/plan.h"

namespace skald::query {

// Asked now and then during a long read, which ends with what it returns when that is not OK.
using StopCheck = std::function<absl::Status()>;

struct PageOptions {
  size_t rows_max = 100;
  // A page ends after the row with which it reaches this.
  size_t bytes_max = 1 << 20;
  // Rows looked at for one page; a filter that fits few gives short, even empty, pages.
  size_t looked_at_max = 20'000;
  StopCheck stop;
};

struct Page {
  std::vector<std::string> rows;  // JSON texts
  std::string next;               // the cursor of the next page; empty: there is none
  size_t looked_at = 0;
};

// `cursor` is empty or what the page before left in `next`, by the same plan. RESUME_TOKEN_INVALID
// when it is not.
absl::StatusOr<Page> ReadPage(const projection::ModelRows& rows, const Filter& filter,
                              const Plan& plan, absl::string_view cursor,
                              const PageOptions& options);

// What a cursor is bound to: the query, and the shape of the model (not its generation).
uint64_t CursorScope(const projection::ModelSchema& schema, const Filter& filter,
                     const Order& order, const PlanOptions& options);

// How many rows match. Reads keys only where the plan is exact.
absl::StatusOr<uint64_t> CountRows(const projection::ModelRows& rows, const Filter& filter,
                                   const StopCheck& stop, const PlanOptions& options = {});

// Calls `row` for the rows of a plan in order, from after `cursor` on, until it returns false;
// rows that do not match included, but for those that a part leaves out. Precondition: `row` is not
// kept. Used by ReadPage, CountRows and SQL.
class PlanScan {
 public:
  // Where a row stands: a cursor to go on after it.
  struct Place {
    size_t part = 0;
    std::string place;
    bool begun = false;  // false: before the first row
  };

  PlanScan(const projection::ModelRows& rows, const Plan& plan, bool values)
      : rows_(rows), plan_(plan), values_(values) {}

  // False, RESUME_TOKEN_INVALID: no cursor of this plan.
  absl::Status Seek(absl::string_view cursor);
  std::string Cursor() const;
  // Goes on after the last row that `row` was called for. True at the end.
  absl::StatusOr<bool> Run(absl::FunctionRef<bool(const projection::Row&)> row);

 private:
  absl::StatusOr<bool> RunPart(const PlanPart& part,
                               absl::FunctionRef<bool(const projection::Row&)> row);

  const projection::ModelRows& rows_;
  const Plan& plan_;
  const bool values_;
  Place at_;
};

}  // namespace skald::query
