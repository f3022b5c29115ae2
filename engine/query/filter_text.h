// Filters and values as people write them:
//
//   status=running   started>=2026-01-01   attempts!=0   id^=ord-
//   status in running, waiting             ended is null   ended is not null
//
// A value is read as its column's type says: a text is taken as it is, and in a condition as a JSON
// string when it begins with a quotation mark; a time is RFC 3339 or a date; a column of JSON takes
// JSON, and what is none as a text.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "engine/projection/model.h"
#include "engine/query/filter.h"

namespace skald::query {

// The longest condition that is read.
inline constexpr size_t kConditionBytesMax = 16 << 10;

// Of an error the message goes on after the field's name, as in CheckValue.
absl::StatusOr<Condition> ParseCondition(const projection::ModelSchema& schema,
                                         absl::string_view text);

// One value of a column, without quotation marks.
absl::StatusOr<Json> ParseValue(const projection::Column& column, absl::string_view text);

}  // namespace skald::query
