#include "engine/expression/values.h"

#include <cmath>
#include <limits>
#include <utility>

#include <string.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/expression/comparison.h"

namespace skald::expression {
namespace {

// Writes a value until there is more text than anyone will read, so that huge ones cost nothing.
class ShortWriter {
 public:
  explicit ShortWriter(size_t bytes_max) : bytes_max_(bytes_max) {}

  void Write(const Json& value) {
    if (Full()) return;
    if (value.is_array()) {
      text_ += '[';
      absl::string_view comma;
      for (const Json& element : value.AsArray()) {
        absl::StrAppend(&text_, comma);
        Write(element);
        if (Full()) return;
        comma = ",";
      }
      text_ += ']';
    } else if (value.is_object()) {
      text_ += '{';
      absl::string_view comma;
      for (const Json::Member& member : value.AsObject()) {
        absl::StrAppend(&text_, comma);
        Write(member.name);
        text_ += ':';
        Write(member.value);
        if (Full()) return;
        comma = ",";
      }
      text_ += '}';
    } else if (value.is_string() && value.AsString().size() > bytes_max_) {
      const absl::string_view begin = value.AsString().substr(0, bytes_max_ + 1);
      size_t end = begin.size();
      while (end > 0 && IsContinuation(begin[end - 1])) --end;
      if (end > 0 && static_cast<unsigned char>(begin[end - 1]) >= 0xC0) --end;
      Json::String(begin.substr(0, end)).AppendTo(text_);
      text_ += "...";  // Longer than the limit, whatever its escapes made of it.
      text_.append(bytes_max_, '.');
    } else {
      value.AppendTo(text_);
    }
  }

  std::string Finish() && {
    if (!Full()) return std::move(text_);
    size_t end = bytes_max_ - 3;
    while (end > 0 && IsContinuation(text_[end])) --end;
    text_.resize(end);
    return text_ + "...";
  }

 private:
  static bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
  bool Full() const { return text_.size() > bytes_max_; }

  const size_t bytes_max_;
  std::string text_;
};

std::string Pair(const Json& left, const Json& right) {
  return absl::StrCat(Describe(left), " and ", Describe(right));
}

// A double as the nearest integer towards zero; what is past the range becomes its end.
int64_t ToInt64(double number) {
  constexpr double kEdge = 9223372036854775808.0;
  if (number >= kEdge) return std::numeric_limits<int64_t>::max();
  if (number <= -kEdge) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(number);
}

int64_t ToInt64(const Json& number) {
  return number.IsInt() ? number.AsInt() : ToInt64(number.AsDouble());
}

bool Numbers(Machine& machine, BinaryOp op, const Json& left, const Json& right, Json& out) {
  if (left.IsInt() && right.IsInt()) {
    int64_t exact = 0;
    const int64_t a = left.AsInt();
    const int64_t b = right.AsInt();
    const bool overflow = op == BinaryOp::kAdd   ? __builtin_add_overflow(a, b, &exact)
                          : op == BinaryOp::kSub ? __builtin_sub_overflow(a, b, &exact)
                          : op == BinaryOp::kMul ? __builtin_mul_overflow(a, b, &exact)
                                                 : true;
    if (!overflow) {
      out = Json::Int(exact);
      return true;
    }
  }
  const double a = left.AsDouble();
  const double b = right.AsDouble();
  if (op == BinaryOp::kAdd) {
    out = Json::Double(a + b);
  } else if (op == BinaryOp::kSub) {
    out = Json::Double(a - b);
  } else if (op == BinaryOp::kMul) {
    out = Json::Double(a * b);
  } else if (op == BinaryOp::kDiv) {
    if (b == 0) {
      return machine.Raise(
          absl::StrCat(Pair(left, right), " cannot be divided because the divisor is zero"));
    }
    const bool exact =
        left.IsInt() && right.IsInt() && right.AsInt() != -1 && left.AsInt() % right.AsInt() == 0;
    out = exact ? Json::Int(left.AsInt() / right.AsInt()) : Json::Double(a / b);
  } else {
    if (std::isnan(a) || std::isnan(b)) {
      out = Json::Double(std::numeric_limits<double>::quiet_NaN());
      return true;
    }
    const int64_t divisor = ToInt64(right);
    if (divisor == 0) {
      return machine.Raise(absl::StrCat(
          Pair(left, right), " cannot be divided (remainder) because the divisor is zero"));
    }
    // The one quotient that does not fit would trap.
    out = Json::Int(divisor == -1 ? 0 : ToInt64(left) % divisor);
  }
  return true;
}

// Growing is free only in place; a copy shows by its new address.
bool Merge(Machine& machine, Json left, const Json& right, Json& out) {
  if (!machine.ChargeElements(right.Size())) return false;
  const Json::Member* before = left.AsObject().data();
  for (const Json::Member& member : right.AsObject()) {
    if (!machine.SpendWalk(member.name)) return false;
    left = std::move(left).With(member.key(), member.value);
  }
  out = std::move(left);
  return out.AsObject().data() == before || machine.ChargeElements(2 * out.Size());
}

bool Append(Machine& machine, Json left, const Json& right, Json& out) {
  if (left.Size() == 0) {
    out = right;
    return true;
  }
  if (!machine.ChargeElements(right.Size())) return false;
  const Json* before = left.AsArray().data();
  for (const Json& element : right.AsArray()) left = std::move(left).WithAppended(element);
  out = std::move(left);
  return out.AsArray().data() == before || machine.ChargeElements(out.Size());
}

bool Add(Machine& machine, Json left, const Json& right, Json& out) {
  if (left.is_null() || right.is_null()) {
    out = left.is_null() ? right : std::move(left);
    return true;
  }
  if (left.is_number() && right.is_number()) {
    return Numbers(machine, BinaryOp::kAdd, left, right, out);
  }
  if (left.is_string() && right.is_string()) {
    if (!machine.Charge(right.AsString().size())) return false;
    const char* before = left.AsString().data();
    out = std::move(left).WithSuffix(right.AsString());
    return out.AsString().data() == before || machine.Charge(out.AsString().size());
  }
  if (left.is_array() && right.is_array()) return Append(machine, std::move(left), right, out);
  if (left.is_object() && right.is_object()) return Merge(machine, std::move(left), right, out);
  return machine.Raise(absl::StrCat(Pair(left, right), " cannot be added"));
}

bool Subtract(Machine& machine, const Json& left, const Json& right, Json& out) {
  if (left.is_number() && right.is_number()) {
    return Numbers(machine, BinaryOp::kSub, left, right, out);
  }
  if (!left.is_array() || !right.is_array()) {
    return machine.Raise(absl::StrCat(Pair(left, right), " cannot be subtracted"));
  }
  if (!machine.Spend(left.Size() * right.Size() / 4)) return false;
  std::vector<Printed> elements;
  std::vector<Printed> removed;
  if (!TakePrints(machine, left.AsArray(), elements)) return false;
  if (!TakePrints(machine, right.AsArray(), removed)) return false;
  Json::ArrayBuilder kept;
  for (const Printed& element : elements) {
    bool found = false;
    for (size_t i = 0; !found && i < removed.size(); ++i) {
      if (!SamePrinted(machine, element, removed[i], found)) return false;
    }
    if (!found) kept.Add(*element.value);
  }
  if (!machine.ChargeElements(kept.size())) return false;
  out = std::move(kept).Build();
  return true;
}

bool Repeat(Machine& machine, const Json& text, const Json& count, Json& out) {
  const double times = count.AsDouble();
  if (std::isnan(times) || times < 0) {
    out = Json::Null();
    return true;
  }
  const double bytes = times * static_cast<double>(text.AsString().size());
  if (bytes > 1e9) return machine.Exhaust("bytes");
  if (!machine.Charge(static_cast<size_t>(bytes))) return false;
  std::string repeated;
  repeated.reserve(static_cast<size_t>(bytes));
  if (!text.AsString().empty()) {
    for (int64_t i = 0; i < static_cast<int64_t>(times); ++i) {
      repeated.append(text.AsString().data(), text.AsString().size());
    }
  }
  out = Json::String(repeated);
  return true;
}

// Objects merge recursively; everything else on the right replaces what is on the left.
bool DeepMerge(Machine& machine, Json left, const Json& right, int depth, Json& out) {
  if (!machine.ChargeElements(right.Size())) return false;
  if (depth > 1000) return machine.Exhaust("depth");
  for (const Json::Member& member : right.AsObject()) {
    Json merged = member.value;
    if (member.value.is_object() && left.Get(member.key()).is_object()) {
      Json below = left.Take(member.key());
      if (!DeepMerge(machine, std::move(below), member.value, depth + 1, merged)) return false;
    }
    left = std::move(left).With(member.key(), std::move(merged));
  }
  out = std::move(left);
  return true;
}

bool Multiply(Machine& machine, Json left, const Json& right, Json& out) {
  if (left.is_number() && right.is_number()) {
    return Numbers(machine, BinaryOp::kMul, left, right, out);
  }
  if (left.is_string() && right.is_number()) return Repeat(machine, left, right, out);
  if (left.is_number() && right.is_string()) return Repeat(machine, right, left, out);
  if (left.is_object() && right.is_object()) {
    return DeepMerge(machine, std::move(left), right, 0, out);
  }
  return machine.Raise(absl::StrCat(Pair(left, right), " cannot be multiplied"));
}

bool Split(Machine& machine, const Json& left, const Json& right, Json& out) {
  Json::ArrayBuilder pieces;
  absl::string_view rest = left.AsString();
  const absl::string_view separator = right.AsString();
  if (!machine.Charge(2 * rest.size())) return false;
  // A piece takes more room than its text, so pieces are paid for as they come.
  constexpr size_t kPaidAtOnce = 1024;
  while (!rest.empty()) {
    if (pieces.size() % kPaidAtOnce == kPaidAtOnce - 1 && !machine.ChargeElements(kPaidAtOnce)) {
      return false;
    }
    if (!machine.Spend(separator.size() / kSearchedPerStep)) return false;
    size_t end = separator.empty() ? 0 : FindText(rest, separator);
    if (separator.empty()) {
      end = 1;
      while (end < rest.size() && (static_cast<unsigned char>(rest[end]) & 0xC0) == 0x80) ++end;
    }
    pieces.Add(Json::String(rest.substr(0, end)));
    if (end == absl::string_view::npos) break;
    rest.remove_prefix(end + separator.size());
    if (rest.empty() && !separator.empty()) pieces.Add(Json::String(""));
  }
  if (!machine.ChargeElements(pieces.size() % kPaidAtOnce)) return false;
  out = std::move(pieces).Build();
  return true;
}

bool Divide(Machine& machine, const Json& left, const Json& right, Json& out) {
  if (left.is_number() && right.is_number()) {
    return Numbers(machine, BinaryOp::kDiv, left, right, out);
  }
  if (left.is_string() && right.is_string()) return Split(machine, left, right, out);
  return machine.Raise(absl::StrCat(Pair(left, right), " cannot be divided"));
}

}  // namespace

std::string ShortText(const Json& value, size_t bytes_max) {
  ShortWriter writer(bytes_max);
  writer.Write(value);
  return std::move(writer).Finish();
}

std::string Describe(const Json& value) {
  return absl::StrCat(value.KindName(), " (", ShortText(value), ")");
}

size_t FindText(absl::string_view text, absl::string_view part, size_t from) {
  if (from > text.size() || part.size() > text.size() - from) return absl::string_view::npos;
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  if (found == nullptr) return absl::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

std::string ToStd(const Json& string) { return std::string(string.AsString()); }

bool Arithmetic(Machine& machine, BinaryOp op, Json left, const Json& right, Json& out) {
  switch (op) {
    case BinaryOp::kAdd:
      return Add(machine, std::move(left), right, out);
    case BinaryOp::kSub:
      return Subtract(machine, left, right, out);
    case BinaryOp::kMul:
      return Multiply(machine, std::move(left), right, out);
    case BinaryOp::kDiv:
      return Divide(machine, left, right, out);
    case BinaryOp::kMod:
      if (left.is_number() && right.is_number()) return Numbers(machine, op, left, right, out);
      return machine.Raise(absl::StrCat(Pair(left, right), " cannot be divided (remainder)"));
    case BinaryOp::kEq:
    case BinaryOp::kNe:
    case BinaryOp::kLt:
    case BinaryOp::kLe:
    case BinaryOp::kGt:
    case BinaryOp::kGe:
      break;
  }
  return CompareBy(machine, op, left, right, out);
}

bool Negate(Machine& machine, const Json& value, Json& out) {
  if (!value.is_number()) {
    return machine.Raise(absl::StrCat(Describe(value), " cannot be negated"));
  }
  const bool exact = value.IsInt() && value.AsInt() != std::numeric_limits<int64_t>::min();
  if (!machine.SpendWalk(value)) return false;
  if (exact) {
    out = Json::Int(-value.AsInt());
  } else if (value.IsLiteral()) {
    std::string text = value.ToText();
    out = Json::Number(text[0] == '-' ? text.substr(1) : "-" + text);
  } else {
    out = Json::Double(-value.AsDouble());
  }
  return true;
}

bool ToText(Machine& machine, const Json& value, std::string& out) {
  if (!machine.SpendWalk(value)) return false;
  const size_t before = out.size();
  value.AppendTo(out);
  return machine.Charge(out.size() - before);
}

bool ToString(Machine& machine, const Json& value, Json& out) {
  if (value.is_string()) {
    out = value;
    return true;
  }
  std::string text;
  if (!ToText(machine, value, text)) return false;
  out = Json::String(text);
  return true;
}

}  // namespace skald::expression
