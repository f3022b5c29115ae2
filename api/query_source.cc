#include "api/query_source.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/convert_common.h"
#include "api/convert_model.h"
#include "base/errors.h"
#include "base/status_macros.h"

namespace skald::api {
namespace {

constexpr uint32_t kRowsDefault = 10'000;
constexpr uint32_t kRowsMax = 1'000'000;
// A frame is sent when it has this much, or is this old.
constexpr size_t kFrameBytes = 256 << 10;
constexpr int kFrameRows = 1'000;
constexpr Micros kFrameTime = 200 * kMillisecond;
constexpr Micros kRetryAfter = kSecond;

absl::StatusOr<std::vector<Json>> ReadParameters(const v1::QueryRequest& request) {
  Violations violations;
  if (request.statement().empty()) violations.Add("statement", "must not be empty");
  if (static_cast<size_t>(request.parameters_size()) > query::kSqlParametersMax) {
    return BadRequestError("parameters", absl::StrCat("has more than ", query::kSqlParametersMax));
  }
  std::vector<Json> parameters;
  for (int i = 0; i < request.parameters_size(); ++i) {
    absl::StatusOr<Json> value =
        Json::Parse(request.parameters(i), {.bytes_max = query::kSqlValueBytesMax});
    if (value.ok()) {
      parameters.push_back(*std::move(value));
    } else {
      violations.Add(absl::StrCat("parameters[", i, "]"),
                     absl::StrCat("is not JSON: ", value.status().message()));
    }
  }
  SKALD_RETURN_IF_ERROR(violations.ToStatus());
  return parameters;
}

}  // namespace

absl::StatusOr<std::unique_ptr<QuerySource>> QuerySource::Make(ApiContext& context,
                                                               ModelAccess& access,
                                                               const v1::QueryRequest& request,
                                                               Timestamp deadline) {
  SKALD_RETURN_IF_ERROR(CheckReadOptions(request.options(), context.engine.partition_count()));
  SKALD_ASSIGN_OR_RETURN(std::vector<Json> parameters, ReadParameters(request));
  if (!access.queries().Begin()) {
    return ServerOverloadedError("Too many statements are under way", kRetryAfter);
  }
  std::unique_ptr<QuerySource> source(new QuerySource(context, access, deadline));
  query::SqlOptions& options = source->options_;
  options.text = request.statement();
  options.parameters = std::move(parameters);
  options.open = ToOpenOptions(request.options());
  options.open.wait_until =
      std::min(source->deadline_, After(source->begun_, options.open.wait_until.value()));
  options.rows_max =
      request.rows_max() == 0 ? kRowsDefault : std::min(request.rows_max(), kRowsMax);
  options.stop = [raw = source.get()] { return raw->Check(); };
  options.now = [&context] { return context.engine.Now(); };
  return source;
}

QuerySource::QuerySource(ApiContext& context, ModelAccess& access, Timestamp deadline)
    : context_(context),
      access_(access),
      begun_(context.engine.Now()),
      deadline_(std::min(deadline, After(begun_, context.options.model_read_time_max))) {}

void QuerySource::Release() {
  statement_.reset();
  if (std::exchange(is_counted_, false)) access_.queries().End();
}

Pulled QuerySource::Pull(v1::QueryResponse& frame) {
  if (is_over_) return Pulled::End(absl::OkStatus());
  absl::Status status = Check();
  if (status.ok() && statement_ == nullptr) status = Begin(frame);
  if (status.ok()) status = FillRows(frame);
  if (!status.ok()) return Pulled::End(status);
  return Pulled::Frame();
}

absl::Status QuerySource::Begin(v1::QueryResponse& frame) {
  SKALD_ASSIGN_OR_RETURN(statement_,
                         query::SqlStatement::Prepare(access_.reader(), std::move(options_)));
  for (const query::SqlColumn& column : statement_->columns()) {
    v1::QueryColumn& out = *frame.add_columns();
    out.set_name(column.name);
    out.set_type(column.type);
  }
  return absl::OkStatus();
}

absl::Status QuerySource::FillRows(v1::QueryResponse& frame) {
  const Timestamp full = After(context_.engine.Now(), kFrameTime);
  size_t bytes = 0;
  while (bytes < kFrameBytes && frame.rows_size() < kFrameRows) {
    SKALD_ASSIGN_OR_RETURN(std::optional<std::vector<Json>> row, statement_->Next());
    if (!row) {
      FillStats(*frame.mutable_stats());
      is_over_ = true;
      statement_.reset();
      return absl::OkStatus();
    }
    ++rows_;
    std::string& text = *frame.add_rows();
    text = Json::Array(*std::move(row)).ToText();
    bytes += text.size();
    if (context_.engine.Now() > full) break;
  }
  return absl::OkStatus();
}

void QuerySource::FillStats(v1::QueryStats& stats) const {
  stats.set_rows(rows_);
  stats.set_truncated(statement_->truncated());
  stats.set_rows_looked_at(statement_->rows_looked_at());
  SetDuration(context_.engine.Now().value() - begun_.value(), *stats.mutable_elapsed());
  for (const query::SqlSource& source : statement_->sources()) {
    v1::QuerySource& out = *stats.add_sources();
    out.set_model(source.model);
    SetCut(source.cut, source.generation, *out.mutable_cut());
  }
}

absl::Status QuerySource::Check() const {
  if (is_stopped_.load(std::memory_order_relaxed)) return absl::CancelledError();
  if (context_.engine.Now() < deadline_) return absl::OkStatus();
  return DeadlinePassedError("the statement ended; narrow it");
}

}  // namespace skald::api
