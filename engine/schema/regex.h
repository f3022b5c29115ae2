// A regular expression of `pattern`: ECMA-262 with the `u` flag, compiled once, searched many
// times.
//
// What the language does not have (\A, possessive quantifiers, recursion) is refused; of what it
// has, only look-behinds of unbounded length are missing. A search is bounded: one that would take
// too long answers kLimit.
//
// Thread rule: immutable; any number of threads may search.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skald::schema {

class Regex {
 public:
  enum class Result : uint8_t { kMatch, kNoMatch, kLimit };

  // INVALID_ARGUMENT with what is wrong and where.
  static absl::StatusOr<Regex> Compile(absl::string_view pattern);

  // OK when Compile would be, for less: nothing is prepared for searching.
  static absl::Status Check(absl::string_view pattern);

  // Whether the expression matches anywhere in `text` (UTF-8).
  Result Search(absl::string_view text) const;

  // Texts longer than this are not searched by expressions that may start to match at every place,
  // as that can cost the square of the length.
  static constexpr size_t kUnanchoredBytesMax = 64 << 10;

 private:
  // Patterns without operators, but for ^ and $, need no engine.
  enum class Shape : uint8_t { kGeneral, kContains, kPrefix, kSuffix, kExact };

  static absl::StatusOr<std::shared_ptr<void>> CompileCode(absl::string_view pattern);

  Shape shape_ = Shape::kGeneral;
  bool anchored_ = false;
  std::string literal_;  // Of the shapes other than kGeneral.
  // Shared since a Regex is copied with its schema's tables; a pcre2_code, which is immutable.
  std::shared_ptr<void> code_;
};

// The same expression in PCRE2's language (UTF mode), INVALID_ARGUMENT when it is not ECMA-262.
absl::StatusOr<std::string> TranslatePattern(absl::string_view pattern);

}  // namespace skald::schema
