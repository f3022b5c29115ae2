// Values as their texts say them. JSON has no text for not-a-number and infinities, so they are
// written as null and as the largest finite doubles (Json::Double): what is kept must be what would
// be read back.
#pragma once

#include "base/json.h"

namespace skald {

// The value that its text reads back as. Costs a look at each number below it when nothing changes.
Json AsWritten(Json value);

}  // namespace skald
