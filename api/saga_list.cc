#include "api/saga_list.h"

#include <algorithm>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "api/convert_common.h"
#include "api/convert_saga.h"
#include "api/page_size.h"
#include "api/stream_token.h"
#include "base/status_macros.h"

namespace skald::api {
namespace {

constexpr int kStatusesMax = 16;

// Sagas are fetched a few at a time, because a page is bounded in bytes and the engine counts
// sagas.
constexpr size_t kChunk = 20;

// Calls `add` (which returns the bytes it added) for the sagas after `cursor`, and returns the
// cursor after the last of them: empty at the end.
absl::StatusOr<std::string> FillPage(ApiContext& context, const runtime::SagaFilter& filter,
                                     std::string cursor, size_t page_size,
                                     absl::FunctionRef<size_t(const saga::SagaView&)> add) {
  size_t count = 0;
  size_t bytes = 0;
  while (count < page_size && bytes < kPageBytes) {
    const size_t asked = std::min(kChunk, page_size - count);
    SKALD_ASSIGN_OR_RETURN(runtime::SagaPage page,
                           context.engine.ListSagas(filter, cursor, asked));
    for (const saga::SagaView& view : page.sagas) bytes += add(view);
    count += page.sagas.size();
    cursor = std::move(page.next);
    // Fewer than asked: the filter fits little, and the engine has looked at enough for one call.
    if (cursor.empty() || page.sagas.size() < asked) break;
  }
  return cursor;
}

std::string NextToken(const TokenScope& scope, const std::string& cursor) {
  return cursor.empty() ? std::string() : EncodePageToken(scope, cursor);
}

}  // namespace

absl::Status FillSagaPage(ApiContext& context, const v1::ListSagasRequest& request,
                          v1::ListSagasResponse& response) {
  const v1::ListSagasRequest::Filter& asked = request.filter();
  Violations violations;
  violations.CheckId("filter.namespace", asked.namespace_(), Presence::kOptional);
  violations.CheckId("filter.definition_name", asked.definition_name(), Presence::kOptional);
  if (asked.statuses_size() > kStatusesMax) violations.Add("filter.statuses", "has too many");
  runtime::SagaFilter filter{.namespace_name = asked.namespace_(),
                             .definition_name = asked.definition_name(),
                             .statuses = {},
                             .with_incidents = asked.with_incidents()};
  for (int status : asked.statuses()) {
    if (status == v1::SAGA_STATUS_UNSPECIFIED || !v1::SagaStatus_IsValid(status)) {
      violations.Add("filter.statuses", absl::StrCat(status, " is no status"));
    } else {
      filter.statuses.push_back(FromProto(static_cast<v1::SagaStatus>(status)));
    }
  }
  SKALD_RETURN_IF_ERROR(violations.ToStatus());

  const TokenScope scope{context.store_id,
                         HashFields({"ListSagas", absl::string_view(asked.SerializeAsString())})};
  SKALD_ASSIGN_OR_RETURN(std::string cursor, DecodePageToken(request.page_token(), scope));
  SKALD_ASSIGN_OR_RETURN(
      cursor, FillPage(context, filter, std::move(cursor), CoercePageSize(request.page_size()),
                       [&response](const saga::SagaView& view) {
                         v1::Saga& saga = *response.add_sagas();
                         SetSaga(view, SagaDetail::kListed, saga);
                         return saga.ByteSizeLong();
                       }));
  response.set_next_page_token(NextToken(scope, cursor));
  return absl::OkStatus();
}

absl::Status FillIncidentPage(ApiContext& context, const v1::ListIncidentsRequest& request,
                              v1::ListIncidentsResponse& response) {
  Violations violations;
  violations.CheckId("namespace", request.namespace_(), Presence::kOptional);
  violations.CheckId("definition_name", request.definition_name(), Presence::kOptional);
  SKALD_RETURN_IF_ERROR(violations.ToStatus());
  const runtime::SagaFilter filter{.namespace_name = request.namespace_(),
                                   .definition_name = request.definition_name(),
                                   .statuses = {},
                                   .with_incidents = true};

  const TokenScope scope{context.store_id, HashFields({"ListIncidents", request.namespace_(),
                                                       request.definition_name()})};
  SKALD_ASSIGN_OR_RETURN(std::string cursor, DecodePageToken(request.page_token(), scope));
  const auto add = [&response](const saga::SagaView& view) {
    size_t bytes = 0;
    for (const saga::Incident& incident : view.incidents) {
      v1::SagaIncident& out = *response.add_incidents();
      out.set_namespace_(view.key.namespace_name);
      out.set_saga_id(view.key.saga_id);
      out.set_definition_name(view.definition_name);
      out.set_definition_version(view.definition_version);
      out.set_status(ToProto(view.status));
      SetIncident(incident, *out.mutable_incident());
      SetTimestamp(view.started, *out.mutable_saga_create_time());
      bytes += out.ByteSizeLong();
    }
    return bytes;
  };
  SKALD_ASSIGN_OR_RETURN(cursor, FillPage(context, filter, std::move(cursor),
                                          CoercePageSize(request.page_size()), add));
  response.set_next_page_token(NextToken(scope, cursor));
  return absl::OkStatus();
}

}  // namespace skald::api
