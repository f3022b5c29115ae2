#include "base/json_number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace skald {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Exponents saturate here: far beyond any number whose digits fit into memory, and far enough
// from the end of int64 that neither ten times it nor adding a count of digits overflows.
constexpr int64_t kExponentMax = int64_t{1} << 56;

int64_t ReadExponent(absl::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && !IsDigit(text.front())) text.remove_prefix(1);
  int64_t exponent = 0;
  for (const char digit : text) {
    exponent = std::min(exponent * 10 + (digit - '0'), kExponentMax);
  }
  return negative ? -exponent : exponent;
}

// Writes a double that is a decimal of few digits, such as a price, or returns nullptr. A decimal
// of up to 15 digits that rounds to the double is its shortest text, for no other of up to 15
// digits rounds to it.
char* WriteShortDecimal(double value, char* out) {
  constexpr int kDecimalsMax = 4;
  const double magnitude = std::abs(value);
  // Below, the layout may be with an exponent; above, the digits may be more than 15.
  if (!(magnitude >= 1e-3 && magnitude < 1e10)) return nullptr;
  int64_t power = 10;
  for (int decimals = 1; decimals <= kDecimalsMax; ++decimals, power *= 10) {
    // Both are exact doubles, so the division rounds to the nearest double of their quotient.
    const auto digits = static_cast<int64_t>(magnitude * static_cast<double>(power) + 0.5);
    if (static_cast<double>(digits) / static_cast<double>(power) != magnitude) continue;
    if (value < 0) *out++ = '-';
    out = std::to_chars(out, out + 20, digits / power).ptr;
    *out++ = '.';
    for (int64_t rest = digits % power, place = power / 10; place > 0; place /= 10) {
      *out++ = static_cast<char>('0' + rest / place % 10);
    }
    return out;
  }
  return nullptr;
}

}  // namespace

Decimal Decimal::Of(absl::string_view literal) {
  Decimal decimal;
  if (literal.front() == '-') {
    decimal.negative = true;
    literal.remove_prefix(1);
  }
  const size_t mark = literal.find_first_of("eE");
  if (mark != absl::string_view::npos) {
    decimal.exponent = ReadExponent(literal.substr(mark + 1));
    literal = literal.substr(0, mark);
  }
  const size_t point = std::min(literal.find('.'), literal.size());
  decimal.digits.assign(literal.data(), point);
  if (point < literal.size()) {
    decimal.digits.append(literal.data() + point + 1, literal.size() - point - 1);
  }
  decimal.exponent += static_cast<int64_t>(point);
  const size_t first = std::min(decimal.digits.find_first_not_of('0'), decimal.digits.size());
  decimal.digits.erase(0, first);
  decimal.exponent -= static_cast<int64_t>(first);
  while (!decimal.digits.empty() && decimal.digits.back() == '0') decimal.digits.pop_back();
  if (decimal.digits.empty()) decimal.exponent = 0;
  return decimal;
}

int Decimal::Compare(const Decimal& a, const Decimal& b) {
  const auto sign = [](const Decimal& x) { return x.digits.empty() ? 0 : x.negative ? -1 : 1; };
  const int sign_a = sign(a);
  const int sign_b = sign(b);
  if (sign_a != sign_b) return sign_a < sign_b ? -1 : 1;
  if (sign_a == 0) return 0;
  if (a.exponent != b.exponent) return (a.exponent < b.exponent) == (sign_a > 0) ? -1 : 1;
  const int digits = a.digits.compare(b.digits);
  return digits == 0 ? 0 : (digits < 0) == (sign_a > 0) ? -1 : 1;
}

bool IsNumberLiteral(absl::string_view text) {
  const char* place = text.data();
  const char* const end = place + text.size();
  const auto digits = [&] {
    const char* const begin = place;
    while (place != end && IsDigit(*place)) ++place;
    return place - begin;
  };
  if (place != end && *place == '-') ++place;
  const bool zero = place != end && *place == '0';
  const auto whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (place != end && *place == '.') {
    ++place;
    if (digits() == 0) return false;
  }
  if (place != end && (*place == 'e' || *place == 'E')) {
    ++place;
    if (place != end && (*place == '+' || *place == '-')) ++place;
    if (digits() == 0) return false;
  }
  return place == end;
}

double LiteralToDouble(absl::string_view literal) {
  double value = 0;
  const char* const end = literal.data() + literal.size();
  const auto result = std::from_chars(literal.data(), end, value);
  if (result.ec == std::errc()) {
    SKALD_CHECK(result.ptr == end);
    return value;
  }
  SKALD_CHECK(result.ec == std::errc::result_out_of_range);
  const Decimal decimal = Decimal::Of(literal);
  value = decimal.exponent > 0 ? std::numeric_limits<double>::infinity() : 0.0;
  return decimal.negative ? -value : value;
}

char* WriteDouble(double value, char* out) {
  if (char* const end = WriteShortDecimal(value, out)) return end;
  // Sign, digit, point, up to 16 digits, 'e', sign, up to 3 digits: at most 24 bytes.
  char scientific[32];
  const auto result = std::to_chars(scientific, scientific + sizeof(scientific), value,
                                    std::chars_format::scientific);
  SKALD_CHECK(result.ec == std::errc());
  const char* place = scientific;
  if (*place == '-') *out++ = *place++;
  const char* const mark = std::find(place, static_cast<const char*>(result.ptr), 'e');
  char digits[20];
  int count = 0;
  for (const char* p = place; p != mark; ++p) {
    if (*p != '.') digits[count++] = *p;
  }
  int exponent = 0;
  std::from_chars(mark + (mark[1] == '+' ? 2 : 1), result.ptr, exponent);
  const int point = exponent + 1;  // The value is 0.<digits> times ten to this.

  // The layout of David Gay's g_fmt.c with jq's bounds.
  if (point <= -4 || point > count + 15) {
    *out++ = digits[0];
    if (count > 1) {
      *out++ = '.';
      out = std::copy(digits + 1, digits + count, out);
    }
    *out++ = 'e';
    *out++ = exponent < 0 ? '-' : '+';
    const int magnitude = std::abs(exponent);
    if (magnitude < 10) *out++ = '0';
    return std::to_chars(out, out + 3, magnitude).ptr;
  }
  if (point <= 0) {
    *out++ = '0';
    *out++ = '.';
    out = std::fill_n(out, -point, '0');
    return std::copy(digits, digits + count, out);
  }
  const int whole = std::min(point, count);
  out = std::copy(digits, digits + whole, out);
  if (count <= point) return std::fill_n(out, point - count, '0');
  *out++ = '.';
  return std::copy(digits + whole, digits + count, out);
}

}  // namespace skald
