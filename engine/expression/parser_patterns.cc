// The patterns of `as`, `reduce` and `foreach`.
#include <utility>

#include "base/status_macros.h"
#include "engine/expression/parser.h"
#include "engine/expression/parser_nesting.h"

namespace skald::expression {

absl::StatusOr<std::vector<Pattern>> Parser::ParsePatterns() {
  std::vector<Pattern> patterns;
  for (bool more = true; more;) {
    SKALD_ASSIGN_OR_RETURN(Pattern pattern, ParsePattern());
    patterns.push_back(std::move(pattern));
    SKALD_ASSIGN_OR_RETURN(more, TakeIf("?//"));
  }
  return patterns;
}

absl::StatusOr<Pattern> Parser::ParsePattern() {
  Nesting nesting(*this);
  SKALD_RETURN_IF_ERROR(nesting.Check());
  Pattern pattern;
  pattern.offset = current_.offset;
  if (At("$")) {
    SKALD_ASSIGN_OR_RETURN(pattern.name, TakeVariableName());
  } else if (At("[")) {
    SKALD_RETURN_IF_ERROR(ParseArrayPattern(pattern));
  } else if (At("{")) {
    SKALD_RETURN_IF_ERROR(ParseObjectPattern(pattern));
  } else {
    return Unexpected("'$', '[' or '{'");
  }
  return pattern;
}

absl::Status Parser::ParseArrayPattern(Pattern& pattern) {
  pattern.kind = Pattern::Kind::kArray;
  do {
    SKALD_RETURN_IF_ERROR(Advance());
    SKALD_ASSIGN_OR_RETURN(Pattern element, ParsePattern());
    pattern.elements.push_back(std::move(element));
  } while (At(","));
  return Expect("]");
}

absl::Status Parser::ParseObjectPattern(Pattern& pattern) {
  pattern.kind = Pattern::Kind::kObject;
  do {
    SKALD_RETURN_IF_ERROR(Advance());
    SKALD_ASSIGN_OR_RETURN(Pattern::Entry entry, ParsePatternEntry());
    pattern.entries.push_back(std::move(entry));
  } while (At(","));
  return Expect("}");
}

absl::StatusOr<Pattern::Entry> Parser::ParsePatternEntry() {
  Pattern::Entry entry;
  const uint32_t offset = current_.offset;
  bool needs_value = true;
  if (At("$")) {
    SKALD_ASSIGN_OR_RETURN(entry.name, TakeVariableName());
    entry.key = MakeString(offset, entry.name);
    needs_value = false;
  } else if (current_.kind == TokenKind::kName) {
    entry.key = MakeString(offset, current_.text);
    SKALD_RETURN_IF_ERROR(Advance());
  } else if (current_.kind == TokenKind::kQuote) {
    SKALD_ASSIGN_OR_RETURN(entry.key, ParseString(""));
  } else if (At("(")) {
    SKALD_RETURN_IF_ERROR(Advance());
    SKALD_ASSIGN_OR_RETURN(entry.key, ParsePipe());
    SKALD_RETURN_IF_ERROR(Expect(")"));
  } else {
    return Unexpected("a key to take apart");
  }
  if (!needs_value && !At(":")) return entry;
  SKALD_RETURN_IF_ERROR(Expect(":"));
  SKALD_ASSIGN_OR_RETURN(Pattern value, ParsePattern());
  entry.value.push_back(std::move(value));
  return entry;
}

}  // namespace skald::expression
