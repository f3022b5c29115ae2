// Regular expressions: PCRE2 in the syntax jq's users know, with bounded work. Private to
// engine/expression.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/expression/machine.h"

namespace skald::expression {

// A stretch of the subject, in bytes. `found` is false for a group that took no part in the match.
struct RegexSpan {
  size_t begin = 0;
  size_t end = 0;
  bool found = false;
};

struct RegexMatch {
  std::vector<RegexSpan> groups;  // The first is the whole match.
};

struct RegexMatches {
  std::vector<RegexMatch> matches;
  std::vector<std::string> names;  // By group; empty for those without.
};

// How many matches are asked for.
enum class RegexScope { kAsFlagsSay, kFirst, kAll };

// Finds `pattern` (a string) in `subject`. `flags`: null or a string of jq's letters (gimnpslx).
// False after having raised an error.
bool FindMatches(Machine& machine, const Json& subject, const Json& pattern, const Json& flags,
                 RegexScope scope, RegexMatches& out);

// What jq's `match` gives, as an array.
bool MatchObjects(Machine& machine, const Json& subject, const RegexMatches& found, Json& out);

// The named groups of a match as an object. False when the budget is used up.
bool CaptureObject(Machine& machine, const Json& subject, const RegexMatches& found,
                   const RegexMatch& match, Json& out);

}  // namespace skald::expression
