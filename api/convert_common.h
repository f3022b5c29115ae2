// Small conversions that every service needs.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/runtime/engine.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "skald/v1/saga.pb.h"

namespace skald::api {

// Precondition: `time` is not kNever.
void SetTimestamp(Timestamp time, google::protobuf::Timestamp& proto);
// Nothing when it is no time that a log can have.
std::optional<Timestamp> ToTime(const google::protobuf::Timestamp& proto);
void SetDuration(Micros span, google::protobuf::Duration& proto);
// Saturates at `max`; a negative one is 0.
Micros ToMicros(const google::protobuf::Duration& proto, Micros max);

void SetPosition(const runtime::LogPosition& position, v1::LogPosition& proto);

// An error object of the engine, and the other way round; there what is empty is left out, and what
// is very long is cut.
void SetProblem(const Json& error, v1::Problem& proto);
Json ProblemToJson(const v1::Problem& problem);

}  // namespace skald::api
