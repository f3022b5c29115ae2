// An event of the log -> its message: a stable name, and the facts as JSON with user data in place.
//
// The data is made from the stored body by these rules, so a new event kind needs no code here:
//   names are in lowerCamelCase; `x_slot` becomes `x` with the slot's JSON; `x_us` becomes `x` as
//   an RFC 3339 time; an enum's value becomes its name without prefix; bytes become hex; default
//   values and `task` are left out
//   (`task` is a field of the message).
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/runtime/engine.h"
#include "skald/v1/event.pb.h"

namespace skald::api {

void SetEvent(const runtime::RecordedEvent& event, v1::RecordedEvent& proto);

// "TaskCompleted".
absl::string_view EventTypeName(const log::v1::Event& event);
// The kind of that name, or KIND_NOT_SET.
log::v1::Event::KindCase FindEventType(absl::string_view name);
// All names, in the order of the log's definition.
std::vector<std::string> EventTypeNames();

}  // namespace skald::api
