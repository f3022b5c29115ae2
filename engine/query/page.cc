#include "engine/query/page.h"

#include <utility>

#include <xxhash.h>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/json_order.h"
#include "base/status_macros.h"

namespace skald::query {
namespace {

using projection::ModelSchema;
using projection::Row;
using projection::ScanRange;

// Rows between two looks at whether to stop.
constexpr size_t kRowsBetweenChecks = 256;
// Longer than any place: those are keys of rows.
constexpr size_t kCursorBytesMax = 1 << 20;

void AppendText(absl::string_view text, std::string& out) {
  AppendOrdered(Json::Int(static_cast<int64_t>(text.size())), out);
  out.append(text.data(), text.size());
}

}  // namespace

absl::Status PlanScan::Seek(absl::string_view cursor) {
  at_ = {};
  if (cursor.empty()) return absl::OkStatus();
  const auto part = static_cast<size_t>(static_cast<unsigned char>(cursor[0]));
  absl::string_view rest = cursor.substr(1);
  if (part >= plan_.parts.size() || rest.empty() || rest.size() > kCursorBytesMax) {
    return ResumeTokenInvalidError("it is damaged");
  }
  at_ = {.part = part, .place = std::string(rest), .begun = true};
  // A place is a row of values.
  while (!rest.empty()) {
    if (!SkipOrdered(rest)) return ResumeTokenInvalidError("it is damaged");
  }
  return absl::OkStatus();
}

std::string PlanScan::Cursor() const {
  if (!at_.begun) return {};
  std::string cursor(1, static_cast<char>(at_.part));
  return cursor + at_.place;
}

absl::StatusOr<bool> PlanScan::Run(absl::FunctionRef<bool(const Row&)> row) {
  for (size_t part = at_.part; part < plan_.parts.size(); ++part) {
    if (part != at_.part) at_ = {.part = part, .place = {}, .begun = false};
    SKALD_ASSIGN_OR_RETURN(const bool ended, RunPart(plan_.parts[part], row));
    if (!ended) return false;
  }
  return true;
}

absl::StatusOr<bool> PlanScan::RunPart(const PlanPart& part,
                                       absl::FunctionRef<bool(const Row&)> row) {
  const projection::Column* null_column =
      part.null_column ? &rows_.schema().columns[*part.null_column] : nullptr;
  const std::string from = at_.place;
  const bool begun = at_.begun;
  bool stopped = false;
  for (size_t i = 0; i < part.ranges.size() && !stopped; ++i) {
    const PlaceRange& range = part.ranges[plan_.descending ? part.ranges.size() - 1 - i : i];
    ScanRange scan{.index = part.index,
                   .begin = range.begin,
                   .end = range.end,
                   .descending = plan_.descending,
                   .values = values_ || null_column != nullptr};
    if (begun && !plan_.descending) {
      // No place is the beginning of another, but rows of the past stand under their place with a
      // time after it: what goes on right after the place alone would meet the same row again.
      std::string after = AfterPrefix(from);
      if (after.empty()) continue;
      if (after > scan.begin) scan.begin = std::move(after);
    } else if (begun) {
      if (scan.end.empty() || from < scan.end) scan.end = from;
    }
    if (!scan.end.empty() && scan.begin >= scan.end) continue;
    SKALD_RETURN_IF_ERROR(rows_.Scan(scan, [&](const Row& found) {
      at_.place.assign(found.place.data(), found.place.size());
      at_.begun = true;
      const bool left_out =
          null_column != nullptr && !ModelSchema::ValueOf(*null_column, found.value).is_null();
      static const Json kNothing;
      stopped = left_out ? !row({.key = found.key, .place = found.place, .value = kNothing})
                         : !row(found);
      return !stopped;
    }));
  }
  return !stopped;
}

absl::StatusOr<Page> ReadPage(const projection::ModelRows& rows, const Filter& filter,
                              const Plan& plan, absl::string_view cursor,
                              const PageOptions& options) {
  PlanScan scan(rows, plan, /*values=*/true);
  SKALD_RETURN_IF_ERROR(scan.Seek(cursor));
  Page page;
  size_t bytes = 0;
  absl::Status stop;
  std::string next;
  const auto take = [&](const Row& row) {
    // One more row than the page holds says that there is a next page.
    if (!next.empty()) return false;
    ++page.looked_at;
    if (row.value.is_object() && filter.Matches(row.value)) {
      page.rows.push_back(row.value.ToText());
      bytes += page.rows.back().size();
    }
    if (options.stop && page.looked_at % kRowsBetweenChecks == 0) {
      stop = options.stop();
      if (!stop.ok()) return false;
    }
    const bool full = page.rows.size() >= options.rows_max || bytes >= options.bytes_max ||
                      page.looked_at >= options.looked_at_max;
    if (full) next = scan.Cursor();
    return true;
  };
  SKALD_ASSIGN_OR_RETURN(const bool ended, scan.Run(take));
  SKALD_RETURN_IF_ERROR(stop);
  if (!ended) page.next = std::move(next);
  return page;
}

uint64_t CursorScope(const ModelSchema& schema, const Filter& filter, const Order& order,
                     const PlanOptions& options) {
  std::string bytes;
  AppendText(schema.name, bytes);
  AppendText(absl::StrCat(schema.key_columns), bytes);
  for (const projection::Column& column : schema.columns) {
    AppendText(column.name, bytes);
    AppendText(projection::ColumnTypeName(column.type), bytes);
    for (const std::string& member : column.path) AppendText(member, bytes);
  }
  for (const projection::Index& index : schema.indexes) {
    AppendText(index.name, bytes);
    for (const std::string& column : index.columns) AppendText(column, bytes);
  }
  AppendText(filter.Fingerprint(), bytes);
  for (const std::string& column : order.columns) AppendText(column, bytes);
  bytes.push_back(order.descending ? 'd' : 'a');
  bytes.push_back(options.key_order_only ? 'k' : 'i');
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace skald::query
