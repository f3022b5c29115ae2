#include "engine/definition/yaml_scalar.h"

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace skald::definition {
namespace {

constexpr absl::string_view kTagPrefix = "tag:yaml.org,2002:";

// A number longer than this is a mistake; exact arithmetic on it would only cost time.
constexpr size_t kDigitsMax = 1'000;

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// Takes the digits at the front of `rest`.
absl::string_view TakeDigits(absl::string_view& rest) {
  size_t count = 0;
  while (count < rest.size() && IsDigit(rest[count])) ++count;
  const absl::string_view digits = rest.substr(0, count);
  rest.remove_prefix(count);
  return digits;
}

absl::string_view WithoutLeadingZeros(absl::string_view digits) {
  while (digits.size() > 1 && digits[0] == '0') digits.remove_prefix(1);
  return digits;
}

// A decimal number of the core schema, [-+]?(\.d+|d+(\.d*)?)([eE][-+]?d+)?, as a JSON literal.
std::optional<std::string> AsJsonNumber(absl::string_view text) {
  std::string literal;
  absl::string_view rest = text;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    if (rest[0] == '-') literal = "-";
    rest.remove_prefix(1);
  }
  const absl::string_view whole = TakeDigits(rest);
  absl::string_view fraction;
  if (!rest.empty() && rest[0] == '.') {
    rest.remove_prefix(1);
    fraction = TakeDigits(rest);
    if (whole.empty() && fraction.empty()) return std::nullopt;
  } else if (whole.empty()) {
    return std::nullopt;
  }
  absl::StrAppend(&literal, whole.empty() ? "0" : WithoutLeadingZeros(whole));
  if (!fraction.empty()) absl::StrAppend(&literal, ".", fraction);
  if (!rest.empty() && (rest[0] == 'e' || rest[0] == 'E')) {
    rest.remove_prefix(1);
    literal += "e";
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
      literal += rest[0];
      rest.remove_prefix(1);
    }
    const absl::string_view exponent = TakeDigits(rest);
    if (exponent.empty()) return std::nullopt;
    literal.append(exponent.data(), exponent.size());
  }
  if (!rest.empty()) return std::nullopt;
  return literal;
}

// 0o17 or 0x1F. Nothing when it is neither, or does not fit an int64 (then it is no number we
// know).
std::optional<int64_t> AsPrefixedInteger(absl::string_view text) {
  const bool octal = absl::StartsWith(text, "0o");
  if (!octal && !absl::StartsWith(text, "0x")) return std::nullopt;
  text.remove_prefix(2);
  const int bits = octal ? 3 : 4;
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    const bool is_digit =
        octal ? (c >= '0' && c <= '7') : absl::ascii_isxdigit(static_cast<unsigned char>(c)) != 0;
    if (!is_digit || value >> (63 - bits) != 0) return std::nullopt;
    const int lower = absl::ascii_tolower(static_cast<unsigned char>(c));
    value = (value << bits) | static_cast<uint64_t>(IsDigit(c) ? c - '0' : lower - 'a' + 10);
  }
  return static_cast<int64_t>(value);
}

bool IsNull(absl::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

std::optional<bool> AsBool(absl::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

bool IsInfinityOrNan(absl::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text == ".inf" || text == ".Inf" || text == ".INF";
}

}  // namespace

absl::StatusOr<Json> ResolvePlainScalar(absl::string_view text) {
  if (IsNull(text)) return Json::Null();
  if (const std::optional<bool> boolean = AsBool(text)) return Json::Bool(*boolean);
  if (const std::optional<int64_t> integer = AsPrefixedInteger(text)) return Json::Int(*integer);
  if (IsInfinityOrNan(text)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is no JSON value; put it in quotes if text is meant"));
  }
  if (const std::optional<std::string> number = AsJsonNumber(text)) {
    if (number->size() > kDigitsMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("a number of more than ", kDigitsMax, " characters"));
    }
    return Json::Number(*number);
  }
  return Json::String(text);
}

absl::StatusOr<Json> ResolveTaggedScalar(absl::string_view tag, absl::string_view text) {
  if (tag == "!" || tag == absl::StrCat(kTagPrefix, "str")) return Json::String(text);
  SKALD_ASSIGN_OR_RETURN(Json value, ResolvePlainScalar(text));
  bool fits = false;
  if (tag == absl::StrCat(kTagPrefix, "null")) {
    fits = value.is_null();
  } else if (tag == absl::StrCat(kTagPrefix, "bool")) {
    fits = value.is_bool();
  } else if (tag == absl::StrCat(kTagPrefix, "int")) {
    fits = value.is_number() && text.find_first_of(".") == absl::string_view::npos;
  } else if (tag == absl::StrCat(kTagPrefix, "float")) {
    fits = value.is_number();
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("YAML tag '", tag.substr(0, 80), "' is not known"));
  }
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text.substr(0, 80), "' does not fit its YAML tag '", tag, "'"));
  }
  return value;
}

}  // namespace skald::definition
