// What jq's operators do with single values. Private to engine/expression.
//
// Functions that answer bool answer false after having raised an error, or run out of budget, with
// the machine.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/json.h"
#include "engine/expression/machine.h"

namespace skald::expression {

inline constexpr size_t kShortText = 14;   // What error messages show of a value, in bytes.
inline constexpr size_t kLongerText = 29;  // Where they show more of it.

// The beginning of a value's text, with an ellipsis when there is more than `bytes_max`.
std::string ShortText(const Json& value, size_t bytes_max = kShortText);
// `number (1)`: the kind and the short text of a value.
std::string Describe(const Json& value);
std::string ToStd(const Json& string);
// Each search also reads the part that it looks for: that many of its bytes in the time of a step.
constexpr size_t kSearchedPerStep = 64;
// Where `part` is in `text` from byte `from` on, or npos. Unlike string_view's find it takes no
// more than linear time, also for texts that are nearly a repetition of the part.
size_t FindText(absl::string_view text, absl::string_view part, size_t from = 0);

// left op right, for + - * / %. Consumes `left`, so that adding to what nobody else holds is cheap.
bool Arithmetic(Machine& machine, BinaryOp op, Json left, const Json& right, Json& out);
bool Negate(Machine& machine, const Json& value, Json& out);

// target[key]; key may be a slice {"start":, "end":}.
bool Index(Machine& machine, const Json& target, const Json& key, Json& out);
// The same, taking the value out of `target`, which gets it back by SetAt with the same key.
bool TakeAt(Machine& machine, Json& target, const Json& key, Json& out);
// `target` with target[key] = value.
bool SetAt(Machine& machine, Json target, const Json& key, Json value, Json& out);
Json SliceKey(const Json& from, const Json& upto);

bool GetPath(Machine& machine, const Json& value, const Json& path, Json& out);
bool SetPath(Machine& machine, Json root, const Json& path, Json value, Json& out);
bool DeletePaths(Machine& machine, Json root, std::vector<Json> paths, Json& out);

bool ToText(Machine& machine, const Json& value, std::string& out);
// What `tostring` makes of a value: strings stay, all else is written as JSON.
bool ToString(Machine& machine, const Json& value, Json& out);

}  // namespace skald::expression
