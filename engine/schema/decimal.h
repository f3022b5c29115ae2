// Exact questions about JSON numbers, which doubles cannot answer: 0.0075 is a multiple of 0.0001.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"

namespace skald::schema {

// sign * digits * 10^exponent, where `digits` has no zeros at either end (zero has no digits).
struct Decimal {
  std::string digits;
  int64_t exponent = 0;

  // Reads a JSON number, without its sign.
  static Decimal Of(const Json& number);
};

// True when the number has no fraction, however large: 1.0, 1e300. Precondition: a number.
bool IsIntegral(const Json& number);

// Wide enough for the steps of a division by kDigitsMax digits.
__extension__ using Wide = unsigned __int128;

// A divisor of `multipleOf`, read once.
class Divisor {
 public:
  // INVALID_ARGUMENT: not above zero, or with more significant digits than kDigitsMax.
  static absl::StatusOr<Divisor> Of(const Json& number);

  // True when `number` / divisor is an integer, exactly. Precondition: a number.
  bool Divides(const Json& number) const;

  // As it was given.
  const Json& number() const { return number_; }

  // The arithmetic has 128 bits, of which a step of the division needs one digit.
  static constexpr size_t kDigitsMax = 37;

 private:
  Json number_;
  int64_t integer_ = 0;  // The divisor when it is an int64, else 0.
  Wide digits_ = 0;
  int64_t exponent_ = 0;
};

}  // namespace skald::schema
