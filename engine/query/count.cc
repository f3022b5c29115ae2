#include "base/status_macros.h"
#include "engine/query/page.h"

namespace skald::query {
namespace {

constexpr uint64_t kRowsBetweenChecks = 1'024;

}  // namespace

absl::StatusOr<uint64_t> CountRows(const projection::ModelRows& rows, const Filter& filter,
                                   const StopCheck& stop, const PlanOptions& options) {
  // Of the past the number is not known: rows are gone through here, where they can be stopped.
  if (filter.empty() && !options.key_order_only) return rows.Count();
  SKALD_ASSIGN_OR_RETURN(const Plan plan, MakePlan(rows.schema(), filter, Order{}, options));
  PlanScan scan(rows, plan, /*values=*/!plan.is_exact);
  uint64_t count = 0;
  uint64_t looked_at = 0;
  absl::Status stopped;
  const auto take = [&](const projection::Row& row) {
    if (plan.is_exact || filter.Matches(row.value)) ++count;
    if (stop && ++looked_at % kRowsBetweenChecks == 0) stopped = stop();
    return stopped.ok();
  };
  SKALD_RETURN_IF_ERROR(scan.Run(take).status());
  SKALD_RETURN_IF_ERROR(stopped);
  return count;
}

}  // namespace skald::query
