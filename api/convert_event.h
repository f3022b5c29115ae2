// An event of the log -> its message (engine/saga/event_text.h tells how its data is written).
#pragma once

#include "engine/runtime/engine.h"
#include "skald/v1/event.pb.h"

namespace skald::api {

void SetEvent(const runtime::RecordedEvent& event, v1::RecordedEvent& proto);

}  // namespace skald::api
