// An event of the log as people, clients and expressions see it: a stable name, and its facts as
// JSON with user data in place.
//
// The data is made from the stored body by these rules, so a new event kind needs no code here:
//   names are in lowerCamelCase; `x_slot` becomes `x` with the slot's JSON; `x_us` becomes `x` as
//   an RFC 3339 time; an enum's value becomes its name without prefix; bytes become hex; default
//   values and `task` are left out (TaskOf gives it)
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/json.h"
#include "engine/saga/evolve.h"
#include "engine/saga/state.h"
#include "skald/log/v1/event.pb.h"

namespace skald::saga {

// "TaskCompleted"; "Unknown" of a kind that is newer than this program.
absl::string_view EventTypeName(const log::v1::Event& event);
// The kind of that name, or KIND_NOT_SET.
log::v1::Event::KindCase FindEventType(absl::string_view name);
// All names, in the order of the log's definition.
std::vector<std::string> EventTypeNames();
// Whether events of the kind stand in sagas' streams, rather than in a partition's own.
bool IsOfSaga(log::v1::Event::KindCase kind);

// The JSON pointer of the task that the event is about; empty when it is about none.
std::string TaskOf(const log::v1::Event& event);

// Appends the event's data as JSON text; slots go in as they are, an erased one as null.
void AppendEventData(const log::v1::Event& event, absl::Span<const absl::string_view> slots,
                     std::string& out);
// The same as a value.
Json EventData(const log::v1::Event& event, absl::Span<const Json> slots);

// The event as expressions see it: {type, task, time, namespace, sagaId, partition, position,
// revision, correlationId, actor, definition: {name, version}, data}. The time has microseconds;
// `task` is null when the event is about none, and namespace, sagaId and definition outside sagas.
// `saga` is the saga's state with the event in it, or null.
Json EventToJson(const log::v1::Event& event, const EventContext& context, const SagaState* saga);

// "2026-01-31T12:00:00.000000Z": text order is time order.
std::string TimeText(Timestamp time);

}  // namespace skald::saga
