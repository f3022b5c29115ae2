#include "engine/schema/decimal.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace skald::schema {
namespace {

// Exponents past this are not told apart; no divisor or literal within our size limits needs more.
constexpr int64_t kExponentMax = int64_t{1} << 40;

// a * b mod m for m < 2^127: the product itself would not fit.
Wide MultiplyModulo(Wide a, Wide b, Wide m) {
  if (m <= UINT64_MAX) return (a % m) * (b % m) % m;
  Wide result = 0;
  for (a %= m; b != 0; b >>= 1) {
    if ((b & 1) != 0) result = (result + a) % m;
    a = (a + a) % m;
  }
  return result;
}

Wide PowerOfTenModulo(uint64_t exponent, Wide m) {
  Wide result = 1 % m;
  for (Wide base = 10 % m; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = MultiplyModulo(result, base, m);
    base = MultiplyModulo(base, base, m);
  }
  return result;
}

}  // namespace

Decimal Decimal::Of(const Json& number) {
  std::string text;
  number.AppendTo(text);
  Decimal result;
  bool fraction = false;
  size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (absl::ascii_isdigit(c)) {
      if (fraction) --result.exponent;
      if (c != '0' || !result.digits.empty()) result.digits.push_back(c);
    } else if (c == '.') {
      fraction = true;
    } else if (c == 'e' || c == 'E') {
      break;
    }
  }
  if (i < text.size()) {
    absl::string_view exponent_text = absl::string_view(text).substr(i + 1);
    const bool negative = exponent_text[0] == '-';
    if (negative || exponent_text[0] == '+') exponent_text.remove_prefix(1);
    int64_t exponent = kExponentMax;
    if (!absl::SimpleAtoi(exponent_text, &exponent)) exponent = kExponentMax;
    exponent = std::min(exponent, kExponentMax);
    result.exponent += negative ? -exponent : exponent;
  }
  while (!result.digits.empty() && result.digits.back() == '0') {
    result.digits.pop_back();
    ++result.exponent;
  }
  if (result.digits.empty()) result.exponent = 0;
  return result;
}

bool IsIntegral(const Json& number) {
  if (number.IsInt()) return true;
  const double value = number.AsDouble();
  if (std::isfinite(value) && value != std::floor(value)) return false;
  if (!number.IsLiteral()) return std::isfinite(value);
  // A literal with many digits can lie beside the integer that its double is.
  return Decimal::Of(number).exponent >= 0;
}

absl::StatusOr<Divisor> Divisor::Of(const Json& number) {
  if (!number.is_number() || Json::Compare(number, Json::Int(0)) <= 0) {
    return absl::InvalidArgumentError("expected a number above zero");
  }
  const Decimal decimal = Decimal::Of(number);
  if (decimal.digits.size() > kDigitsMax) {
    return absl::InvalidArgumentError("expected at most 37 significant digits");
  }
  Divisor divisor;
  divisor.number_ = number;
  if (number.IsInt()) divisor.integer_ = number.AsInt();
  for (const char c : decimal.digits) divisor.digits_ = divisor.digits_ * 10 + (c - '0');
  divisor.exponent_ = decimal.exponent;
  return divisor;
}

bool Divisor::Divides(const Json& number) const {
  if (integer_ != 0 && number.IsInt()) return number.AsInt() % integer_ == 0;
  const Decimal decimal = Decimal::Of(number);
  if (decimal.digits.empty()) return true;
  // digits * 10^shift must be a multiple of digits_. Neither number ends in a zero, so a negative
  // shift (the divisor has the larger power of ten) rules it out.
  const int64_t shift = decimal.exponent - exponent_;
  if (shift < 0) return false;
  Wide remainder = 0;
  for (const char c : decimal.digits) remainder = (remainder * 10 + (c - '0')) % digits_;
  return MultiplyModulo(remainder, PowerOfTenModulo(shift, digits_), digits_) == 0;
}

}  // namespace skald::schema
