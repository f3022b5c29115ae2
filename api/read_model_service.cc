#include "api/read_model_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/convert_model.h"
#include "api/model_read.h"
#include "api/page_size.h"
#include "api/pull_stream.h"
#include "api/query_source.h"
#include "api/stream_token.h"
#include "api/watch_source.h"
#include "base/errors.h"
#include "base/json_order.h"
#include "base/status_macros.h"
#include "engine/query/filter_text.h"
#include "engine/query/page.h"

namespace skald::api {
namespace {

using projection::ModelRows;
using projection::ModelSchema;
using query::StopCheck;

// How long after a statement's end its reader may take the frame under way.
constexpr Micros kLastFrameTime = 500 * kMillisecond;

absl::Status FillModelPage(const ApiContext& context, projection::ModelReader& reader,
                           const v1::ListReadModelsRequest& request,
                           v1::ListReadModelsResponse& response) {
  const TokenScope scope{context.store_id, HashFields({"ListReadModels"})};
  SKALD_ASSIGN_OR_RETURN(const std::string after, DecodePageToken(request.page_token(), scope));
  std::vector<ModelSchema> all = reader.Schemas();
  std::sort(all.begin(), all.end(),
            [](const ModelSchema& a, const ModelSchema& b) { return a.name < b.name; });
  size_t bytes = 0;
  for (const ModelSchema& schema : all) {
    if (schema.name <= after) continue;
    if (static_cast<uint32_t>(response.models_size()) == CoercePageSize(request.page_size()) ||
        bytes >= kPageBytes) {
      const std::string& last = response.models(response.models_size() - 1).name();
      response.set_next_page_token(EncodePageToken(scope, last));
      return absl::OkStatus();
    }
    SetReadModel(schema, *response.add_models());
    bytes += response.models(response.models_size() - 1).ByteSizeLong();
  }
  return absl::OkStatus();
}

query::PlanOptions PlanOptionsOf(const v1::ReadOptions& options) {
  return {.key_order_only = options.as_of_case() != v1::ReadOptions::AS_OF_NOT_SET};
}

absl::StatusOr<std::string> EncodeKey(const ModelSchema& schema, const v1::GetRowRequest& request) {
  std::vector<std::string> names;
  for (size_t i = 0; i < schema.key_columns; ++i) names.push_back(schema.columns[i].name);
  if (static_cast<size_t>(request.key_size()) != schema.key_columns) {
    return BadRequestError(
        "key", absl::StrCat("has ", request.key_size(), " values; the key of '", schema.name,
                            "' is (", absl::StrJoin(names, ", "), ")"));
  }
  std::string key;
  query::Violations violations;
  for (int i = 0; i < request.key_size(); ++i) {
    const absl::StatusOr<Json> value =
        query::ParseValue(schema.columns[static_cast<size_t>(i)], request.key(i));
    if (value.ok()) {
      AppendOrdered(*value, key);
    } else {
      violations.emplace_back(absl::StrCat("key[", i, "]"), std::string(value.status().message()));
    }
  }
  if (!violations.empty()) return BadRequestError(std::move(violations));
  return key;
}

absl::Status FillRow(const v1::GetRowRequest& request, const ModelRows& rows, const StopCheck&,
                     v1::GetRowResponse& response) {
  SKALD_ASSIGN_OR_RETURN(const std::string key, EncodeKey(rows.schema(), request));
  SKALD_ASSIGN_OR_RETURN(const std::optional<Json> row, rows.Get(key));
  if (!row) {
    return RowNotFoundError(request.model(),
                            absl::StrCat("(", absl::StrJoin(request.key(), ", "), ")"));
  }
  response.set_row(row->ToText());
  SetCut(rows.cut(), rows.generation(), *response.mutable_cut());
  return absl::OkStatus();
}

absl::Status FillRowPage(const std::string& store_id, const v1::ListRowsRequest& request,
                         const ModelRows& rows, const StopCheck& stop,
                         v1::ListRowsResponse& response) {
  const query::PlanOptions plan_options = PlanOptionsOf(request.options());
  const query::Order order = ToOrder(request.order());
  SKALD_ASSIGN_OR_RETURN(const query::Filter filter, ToFilter(rows.schema(), request.filter()));
  SKALD_ASSIGN_OR_RETURN(const query::Plan plan,
                         query::MakePlan(rows.schema(), filter, order, plan_options));
  v1::ReadOptions as_of = request.options();
  as_of.clear_min_positions();
  as_of.clear_allow_stale();
  as_of.clear_timeout();
  const std::string query_hash =
      absl::StrCat(query::CursorScope(rows.schema(), filter, order, plan_options));
  const TokenScope scope{store_id, HashFields({"ListRows", absl::string_view(query_hash),
                                               absl::string_view(as_of.SerializeAsString())})};
  SKALD_ASSIGN_OR_RETURN(const std::string cursor, DecodePageToken(request.page_token(), scope));
  const query::PageOptions page_options{
      .rows_max = CoercePageSize(request.page_size()), .bytes_max = kPageBytes, .stop = stop};
  SKALD_ASSIGN_OR_RETURN(query::Page page,
                         query::ReadPage(rows, filter, plan, cursor, page_options));
  for (std::string& row : page.rows) response.add_rows(std::move(row));
  if (!page.next.empty()) response.set_next_page_token(EncodePageToken(scope, page.next));
  SetCut(rows.cut(), rows.generation(), *response.mutable_cut());
  return absl::OkStatus();
}

absl::Status FillCount(const v1::CountRowsRequest& request, const ModelRows& rows,
                       const StopCheck& stop, v1::CountRowsResponse& response) {
  SKALD_ASSIGN_OR_RETURN(const query::Filter filter, ToFilter(rows.schema(), request.filter()));
  SKALD_ASSIGN_OR_RETURN(const uint64_t count,
                         query::CountRows(rows, filter, stop, PlanOptionsOf(request.options())));
  response.set_count(count);
  SetCut(rows.cut(), rows.generation(), *response.mutable_cut());
  return absl::OkStatus();
}

// What every read is refused for, before a model is looked at.
template <typename Request>
absl::Status CheckRequest(const ApiContext& context, const Request& request) {
  Violations violations;
  violations.CheckId("model", request.model(), Presence::kRequired);
  SKALD_RETURN_IF_ERROR(violations.ToStatus());
  return CheckReadOptions(request.options(), context.engine.partition_count());
}

}  // namespace

grpc::ServerUnaryReactor* ReadModelService::ListReadModels(Call* call,
                                                           const v1::ListReadModelsRequest* request,
                                                           v1::ListReadModelsResponse* response) {
  return Finished(*call, FillModelPage(context_, access_.reader(), *request, *response));
}

grpc::ServerUnaryReactor* ReadModelService::GetRow(Call* call, const v1::GetRowRequest* request,
                                                   v1::GetRowResponse* response) {
  absl::Status status = CheckRequest(context_, *request);
  if (!status.ok()) return Finished(*call, status);
  return ReadRows<v1::GetRowRequest, v1::GetRowResponse>({context_, access_}, *call, *request,
                                                         response, FillRow);
}

grpc::ServerUnaryReactor* ReadModelService::ListRows(Call* call, const v1::ListRowsRequest* request,
                                                     v1::ListRowsResponse* response) {
  absl::Status status = CheckRequest(context_, *request);
  if (!status.ok()) return Finished(*call, status);
  return ReadRows<v1::ListRowsRequest, v1::ListRowsResponse>(
      {context_, access_}, *call, *request, response,
      [this](const v1::ListRowsRequest& asked, const ModelRows& rows, const StopCheck& stop,
             v1::ListRowsResponse& page) {
        return FillRowPage(context_.store_id, asked, rows, stop, page);
      });
}

grpc::ServerUnaryReactor* ReadModelService::CountRows(Call* call,
                                                      const v1::CountRowsRequest* request,
                                                      v1::CountRowsResponse* response) {
  absl::Status status = CheckRequest(context_, *request);
  if (!status.ok()) return Finished(*call, status);
  return ReadRows<v1::CountRowsRequest, v1::CountRowsResponse>({context_, access_}, *call, *request,
                                                               response, FillCount);
}

grpc::ServerWriteReactor<v1::WatchRowsResponse>* ReadModelService::WatchRows(
    Call*, const v1::WatchRowsRequest* request) {
  return PullStream<v1::WatchRowsResponse>::Open(
      context_, std::make_unique<WatchSource>(context_, *request));
}

grpc::ServerWriteReactor<v1::QueryResponse>* ReadModelService::Query(
    Call* call, const v1::QueryRequest* request) {
  using Stream = PullStream<v1::QueryResponse>;
  absl::StatusOr<std::unique_ptr<QuerySource>> source =
      QuerySource::Make(context_, access_, *request, DeadlineOf(*call));
  if (!source.ok()) return Stream::Refuse(context_, source.status());
  const CutOff cut_off{*call, After((*source)->deadline(), kLastFrameTime)};
  return Stream::Open(context_, *std::move(source), &access_.queries().pool(), cut_off);
}

}  // namespace skald::api
