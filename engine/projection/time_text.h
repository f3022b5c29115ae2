// Times as rows hold them: texts whose order is time order.
#pragma once

#include "base/ids.h"
#include "base/json.h"
#include "engine/saga/event_text.h"

namespace skald::projection {

// "2026-01-31T12:00:00.000000Z". Precondition: not kNever.
inline Json TimeJson(Timestamp time) { return Json::String(saga::TimeText(time)); }

}  // namespace skald::projection
