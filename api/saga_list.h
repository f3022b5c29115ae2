// Pages of sagas and of incidents. Reads the derived tables on the calling thread.
#pragma once

#include "absl/status/status.h"
#include "api/context.h"
#include "skald/v1/saga_service.pb.h"

namespace skald::api {

absl::Status FillSagaPage(ApiContext& context, const v1::ListSagasRequest& request,
                          v1::ListSagasResponse& response);
absl::Status FillIncidentPage(ApiContext& context, const v1::ListIncidentsRequest& request,
                              v1::ListIncidentsResponse& response);

}  // namespace skald::api
