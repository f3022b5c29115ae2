#include "base/json_written.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "base/check.h"

namespace skald {
namespace {

// A literal keeps its text, however large it is.
bool HasText(const Json& number) {
  return number.IsInt() || number.IsLiteral() || std::isfinite(number.AsDouble());
}

// Walks an explicit stack: values may be of any depth.
bool AllHaveText(const Json& value) {
  absl::InlinedVector<const Json*, 32> pending = {&value};
  const auto take = [&](const Json& part) {
    if (part.is_array() || part.is_object()) pending.push_back(&part);
    return !part.is_number() || HasText(part);
  };
  while (!pending.empty()) {
    const Json& part = *pending.back();
    pending.pop_back();
    if (part.is_array()) {
      for (const Json& element : part.AsArray()) {
        if (!take(element)) return false;
      }
    } else if (part.is_object()) {
      for (const Json::Member& member : part.AsObject()) {
        if (!take(member.value)) return false;
      }
    } else if (!take(part)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Json AsWritten(Json value) {
  if (AllHaveText(value)) return value;
  constexpr JsonLimits kNone{.bytes_max = std::numeric_limits<size_t>::max(),
                             .depth_max = std::numeric_limits<int>::max()};
  absl::StatusOr<Json> written = Json::Parse(value.ToText(), kNone);
  SKALD_CHECK(written.ok());
  return *std::move(written);
}

}  // namespace skald
