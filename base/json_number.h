// Numbers as decimal text: what decides whether a literal must keep its text, how literals compare,
// and how doubles are written. Private to json*.cc.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace skald {

// The exact value of a number's text: 0.<digits> times ten to `exponent`.
struct Decimal {
  bool negative = false;
  std::string digits;  // Neither leading nor trailing zeros; empty for zero.
  int64_t exponent = 0;

  // Precondition: `literal` is a JSON number.
  static Decimal Of(absl::string_view literal);
  // By value: <0, 0, >0. A negative zero equals zero.
  static int Compare(const Decimal& a, const Decimal& b);
};

// Whether `text` is exactly one JSON number (RFC 8259, section 6).
bool IsNumberLiteral(absl::string_view text);

// The nearest double of a JSON number, infinite past the range of doubles.
double LiteralToDouble(absl::string_view literal);

inline constexpr size_t kDoubleTextMax = 40;

// Writes the shortest text that reads back as the finite `value`, laid out as jq does, to `out`
// (room for kDoubleTextMax bytes), and returns its end.
char* WriteDouble(double value, char* out);

}  // namespace skald
