// What makes one JSON value another.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "tools/skald/invocation.h"

namespace skald::tools {

struct StateChange {
  std::string pointer;                // RFC 6901
  std::optional<Json> before, after;  // nothing: it is not there
};

// The smallest parts that differ: members of objects and elements of arrays by their place. In the
// order in which they are written.
std::vector<StateChange> ChangesBetween(const Json& before, const Json& after);

// [{"pointer", "old", "new"}]; what is not there has no member.
Json ChangesToJson(const std::vector<StateChange>& changes);
// "/status: running → completed".
std::string ChangeToLine(const StateChange& change, const Style& style);

}  // namespace skald::tools
