#include "engine/query/sql_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/status_macros.h"

namespace skald::query {
namespace {

// Between two looks at whether anybody still waits.
constexpr Micros kTurn = 50 * kMillisecond;

bool HasSameColumns(const projection::ModelSchema& a, const projection::ModelSchema& b) {
  return a.key_columns == b.key_columns &&
         std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                    [](const projection::Column& x, const projection::Column& y) {
                      return x.name == y.name && x.type == y.type && x.path == y.path;
                    }) &&
         std::equal(a.indexes.begin(), a.indexes.end(), b.indexes.begin(), b.indexes.end(),
                    [](const projection::Index& x, const projection::Index& y) {
                      return x.name == y.name && x.columns == y.columns;
                    });
}

}  // namespace

absl::StatusOr<const projection::ModelRows*> SqlSession::RowsOf(
    const projection::ModelSchema& schema) {
  std::unique_ptr<projection::ModelRows>& rows = rows_[schema.name];
  if (rows == nullptr) {
    absl::StatusOr<std::unique_ptr<projection::ModelRows>> opened = Open(schema.name);
    if (opened.ok() && !HasSameColumns(schema, (*opened)->schema())) {
      opened = ModelBehindError(schema.name, 0);  // declared anew since the statement began
    }
    if (!opened.ok()) {
      Fail(opened.status());
      return opened.status();
    }
    rows = *std::move(opened);
  }
  return rows.get();
}

absl::StatusOr<std::unique_ptr<projection::ModelRows>> SqlSession::Open(const std::string& model) {
  projection::OpenOptions open = options_.open;
  while (true) {
    SKALD_RETURN_IF_ERROR(Check());
    if (options_.now) {
      open.wait_until = std::min(options_.open.wait_until, After(options_.now(), kTurn));
    }
    absl::StatusOr<std::unique_ptr<projection::ModelRows>> rows = reader_.Open(model, open);
    const bool again = HasReason(rows.status(), ErrorReason::kModelBehind) && options_.now &&
                       options_.now() < options_.open.wait_until;
    if (!again) return rows;
  }
}

absl::Status SqlSession::Check() {
  if (failure_.ok() && options_.stop) failure_ = options_.stop();
  return failure_;
}

void SqlSession::Fail(const absl::Status& status) {
  if (failure_.ok()) failure_ = status;
}

std::vector<SqlSource> SqlSession::Sources() const {
  std::vector<SqlSource> sources;
  for (const auto& [model, rows] : rows_) {
    if (rows != nullptr) {
      sources.push_back({.model = model, .generation = rows->generation(), .cut = rows->cut()});
    }
  }
  return sources;
}

}  // namespace skald::query
