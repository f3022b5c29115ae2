// Read models between the API's messages and the engine's types.
#pragma once

#include "absl/status/statusor.h"
#include "engine/projection/reader.h"
#include "engine/query/filter.h"
#include "engine/query/plan.h"
#include "skald/v1/read_model_service.pb.h"

namespace skald::api {

void SetReadModel(const projection::ModelSchema& schema, v1::ReadModel& proto);
void SetCut(const projection::Cut& cut, uint64_t generation, v1::ReadCut& proto);

// Options that cannot be meant: both of two that exclude each other.
absl::Status CheckReadOptions(const v1::ReadOptions& proto, uint32_t partition_count);
// `wait_until` holds how long to wait: who opens adds the present time.
projection::OpenOptions ToOpenOptions(const v1::ReadOptions& proto);

// `schema` must outlive the filter. BAD_REQUEST has every violation.
absl::StatusOr<query::Filter> ToFilter(const projection::ModelSchema& schema,
                                       const v1::RowFilter& proto);
query::Order ToOrder(const v1::RowOrder& proto);

}  // namespace skald::api
