// Functions of numbers.
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/expression/builtins.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

bool NeedsNumber(Machine& machine, const Json& value) {
  if (value.is_number()) return true;
  return machine.Raise(absl::StrCat(Describe(value), " number required"));
}

template <double (*kFunction)(double)>
bool Unary(Machine& machine, const Json& in, Json*, Json& out) {
  if (!NeedsNumber(machine, in)) return false;
  out = Json::Double(kFunction(in.AsDouble()));
  return true;
}

// The same for functions that leave integers alone.
template <double (*kFunction)(double)>
bool Rounding(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (in.IsInt()) {
    out = in;
    return true;
  }
  return Unary<kFunction>(machine, in, arguments, out);
}

template <double (*kFunction)(double, double)>
bool Binary(Machine& machine, const Json&, Json* arguments, Json& out) {
  if (!NeedsNumber(machine, arguments[0]) || !NeedsNumber(machine, arguments[1])) return false;
  out = Json::Double(kFunction(arguments[0].AsDouble(), arguments[1].AsDouble()));
  return true;
}

double Significand(double x) {
  return x == 0 || std::isinf(x) ? x : std::scalbn(x, -std::ilogb(x));
}
double Exp10(double x) { return std::pow(10.0, x); }
int ToExponent(double x) {
  constexpr double kEnd = 1e9;
  return std::isnan(x) ? 0 : static_cast<int>(std::fmin(std::fmax(x, -kEnd), kEnd));
}
double Ldexp(double x, double exponent) { return std::ldexp(x, ToExponent(exponent)); }
double BesselN(double order, double x) { return ::jn(ToExponent(order), x); }
double Bessel2N(double order, double x) { return ::yn(ToExponent(order), x); }
// Not std::lgamma: that one writes to a global.
double LogGamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

bool FusedMultiplyAdd(Machine& machine, const Json&, Json* arguments, Json& out) {
  for (int i = 0; i < 3; ++i) {
    if (!NeedsNumber(machine, arguments[i])) return false;
  }
  out = Json::Double(
      std::fma(arguments[0].AsDouble(), arguments[1].AsDouble(), arguments[2].AsDouble()));
  return true;
}

bool LogGammaSign(Machine& machine, const Json& in, Json*, Json& out) {
  if (!NeedsNumber(machine, in)) return false;
  int sign = 0;
  const double value = ::lgamma_r(in.AsDouble(), &sign);
  out = Json::Array({Json::Double(value), Json::Int(sign)});
  return true;
}

bool Frexp(Machine& machine, const Json& in, Json*, Json& out) {
  if (!NeedsNumber(machine, in)) return false;
  int exponent = 0;
  const double fraction = std::frexp(in.AsDouble(), &exponent);
  out = Json::Array({Json::Double(fraction), Json::Int(exponent)});
  return true;
}

bool Modf(Machine& machine, const Json& in, Json*, Json& out) {
  if (!NeedsNumber(machine, in)) return false;
  double whole = 0;
  const double fraction = std::modf(in.AsDouble(), &whole);
  out = Json::Array({Json::Double(fraction), Json::Double(whole)});
  return true;
}

bool Infinite(Machine&, const Json&, Json*, Json& out) {
  out = Json::Double(std::numeric_limits<double>::infinity());
  return true;
}

bool NotANumber(Machine&, const Json&, Json*, Json& out) {
  out = Json::Double(std::numeric_limits<double>::quiet_NaN());
  return true;
}

bool IsInfinite(Machine& machine, const Json& in, Json*, Json& out) {
  if (!NeedsNumber(machine, in)) return false;
  out = Json::Bool(std::isinf(in.AsDouble()));
  return true;
}

bool IsNan(Machine& machine, const Json& in, Json*, Json& out) {
  if (!NeedsNumber(machine, in)) return false;
  out = Json::Bool(std::isnan(in.AsDouble()));
  return true;
}

bool IsNormal(Machine& machine, const Json& in, Json*, Json& out) {
  if (!NeedsNumber(machine, in)) return false;
  out = Json::Bool(std::isnormal(in.AsDouble()));
  return true;
}

bool Absolute(Machine& machine, const Json& in, Json*, Json& out) {
  if (in.is_number() && in.AsDouble() < 0) return Negate(machine, in, out);
  if (!in.is_number() && !in.is_string() && !in.is_array() && !in.is_object() && !in.is_null()) {
    return machine.Raise(absl::StrCat(Describe(in), " has no absolute value"));
  }
  out = in;
  return true;
}

bool AbsoluteDouble(Machine& machine, const Json& in, Json*, Json& out) {
  if (!NeedsNumber(machine, in)) return false;
  if (in.AsDouble() < 0) return Negate(machine, in, out);
  out = in;
  return true;
}

// Exact while the result fits an integer; that is what a power of integers is expected to be.
bool Power(Machine& machine, const Json& in, Json* arguments, Json& out) {
  const Json& base = arguments[0];
  const Json& exponent = arguments[1];
  if (base.IsInt() && exponent.IsInt() && exponent.AsInt() >= 0 && exponent.AsInt() < 64) {
    int64_t result = 1;
    bool overflow = false;
    for (int64_t i = 0; i < exponent.AsInt() && !overflow; ++i) {
      overflow = __builtin_mul_overflow(result, base.AsInt(), &result);
    }
    if (!overflow) {
      out = Json::Int(result);
      return true;
    }
  }
  return Binary<std::pow>(machine, in, arguments, out);
}

constexpr NativeEntry kNatives[] = {
    {"floor", 0, Rounding<std::floor>},
    {"ceil", 0, Rounding<std::ceil>},
    {"round", 0, Rounding<std::round>},
    {"trunc", 0, Rounding<std::trunc>},
    {"rint", 0, Rounding<std::rint>},
    {"nearbyint", 0, Rounding<std::nearbyint>},
    {"sqrt", 0, Unary<std::sqrt>},
    {"cbrt", 0, Unary<std::cbrt>},
    {"exp", 0, Unary<std::exp>},
    {"exp2", 0, Unary<std::exp2>},
    {"exp10", 0, Unary<Exp10>},
    {"pow10", 0, Unary<Exp10>},
    {"expm1", 0, Unary<std::expm1>},
    {"log", 0, Unary<std::log>},
    {"log2", 0, Unary<std::log2>},
    {"log10", 0, Unary<std::log10>},
    {"log1p", 0, Unary<std::log1p>},
    {"logb", 0, Unary<std::logb>},
    {"sin", 0, Unary<std::sin>},
    {"cos", 0, Unary<std::cos>},
    {"tan", 0, Unary<std::tan>},
    {"asin", 0, Unary<std::asin>},
    {"acos", 0, Unary<std::acos>},
    {"atan", 0, Unary<std::atan>},
    {"sinh", 0, Unary<std::sinh>},
    {"cosh", 0, Unary<std::cosh>},
    {"tanh", 0, Unary<std::tanh>},
    {"asinh", 0, Unary<std::asinh>},
    {"acosh", 0, Unary<std::acosh>},
    {"atanh", 0, Unary<std::atanh>},
    {"erf", 0, Unary<std::erf>},
    {"erfc", 0, Unary<std::erfc>},
    {"gamma", 0, Unary<LogGamma>},
    {"lgamma", 0, Unary<LogGamma>},
    {"tgamma", 0, Unary<std::tgamma>},
    {"lgamma_r", 0, LogGammaSign},
    {"j0", 0, Unary<::j0>},
    {"j1", 0, Unary<::j1>},
    {"y0", 0, Unary<::y0>},
    {"y1", 0, Unary<::y1>},
    {"significand", 0, Unary<Significand>},
    {"frexp", 0, Frexp},
    {"modf", 0, Modf},
    {"abs", 0, Absolute},
    {"fabs", 0, AbsoluteDouble},
    {"infinite", 0, Infinite},
    {"nan", 0, NotANumber},
    {"isinfinite", 0, IsInfinite},
    {"isnan", 0, IsNan},
    {"isnormal", 0, IsNormal},
    {"pow", 2, Power},
    {"atan2", 2, Binary<std::atan2>},
    {"fmod", 2, Binary<std::fmod>},
    {"fmin", 2, Binary<std::fmin>},
    {"fmax", 2, Binary<std::fmax>},
    {"fdim", 2, Binary<std::fdim>},
    {"hypot", 2, Binary<std::hypot>},
    {"copysign", 2, Binary<std::copysign>},
    {"nextafter", 2, Binary<std::nextafter>},
    {"nexttoward", 2, Binary<std::nextafter>},
    {"drem", 2, Binary<std::remainder>},
    {"remainder", 2, Binary<std::remainder>},
    {"ldexp", 2, Binary<Ldexp>},
    {"scalb", 2, Binary<Ldexp>},
    {"scalbln", 2, Binary<Ldexp>},
    {"jn", 2, Binary<BesselN>},
    {"yn", 2, Binary<Bessel2N>},
    {"fma", 3, FusedMultiplyAdd},
};

}  // namespace

absl::Span<const NativeEntry> MathNatives() { return kNatives; }

}  // namespace skald::expression
