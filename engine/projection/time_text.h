// Times as rows hold them: texts whose order is time order.
#pragma once

#include <string>

#include "base/ids.h"
#include "base/json.h"

namespace skald::projection {

// "2026-01-31T12:00:00.000000Z". Precondition: not kNever.
std::string TimeText(Timestamp time);
Json TimeJson(Timestamp time);

}  // namespace skald::projection
