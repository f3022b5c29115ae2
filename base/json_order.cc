#include "base/json_order.h"

#include <cstdint>
#include <vector>

#include "base/json_number.h"

namespace skald {
namespace {

constexpr int kDepthMax = 64;
constexpr char kEnd = '\0';
constexpr char kNan = 0, kNegative = 1, kZero = 2, kPositive = 3;
constexpr size_t kExponentBytes = 8;
constexpr char kNumberTag = 4, kStringTag = 5, kArrayTag = 6, kObjectTag = 7;

void AppendNumber(const Json& value, std::string& out) {
  const std::string text = value.ToText();
  if (!IsNumberLiteral(text)) return out.push_back(kNan);
  const Decimal number = Decimal::Of(text);
  if (number.digits.empty()) return out.push_back(kZero);
  out.push_back(number.negative ? kNegative : kPositive);
  const size_t begin = out.size();
  const uint64_t biased = static_cast<uint64_t>(number.exponent) ^ (uint64_t{1} << 63);
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((biased >> shift) & 0xFF));
  }
  out.append(number.digits);
  out.push_back(kEnd);
  if (!number.negative) return;
  for (size_t i = begin; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
}

void AppendString(absl::string_view text, std::string& out) {
  while (true) {
    const size_t zero = text.find('\0');
    if (zero == absl::string_view::npos) break;
    out.append(text.data(), zero);
    out.append("\0\xFF", 2);
    text.remove_prefix(zero + 1);
  }
  out.append(text.data(), text.size());
  out.append("\0\1", 2);
}

void Append(const Json& value, int depth, std::string& out) {
  out.push_back(static_cast<char>(static_cast<int>(value.kind()) + 1));
  switch (value.kind()) {
    case Json::Kind::kNull:
    case Json::Kind::kFalse:
    case Json::Kind::kTrue:
      return;
    case Json::Kind::kNumber:
      return AppendNumber(value, out);
    case Json::Kind::kString:
      return AppendString(value.AsString(), out);
    case Json::Kind::kArray:
      if (depth < kDepthMax) {
        for (const Json& element : value.AsArray()) Append(element, depth + 1, out);
      }
      return out.push_back(kEnd);
    case Json::Kind::kObject: {
      std::vector<const Json::Member*> members;
      if (depth < kDepthMax) members = value.SortedMembers();
      for (const Json::Member* member : members) {
        out.push_back(kStringTag);
        AppendString(member->key(), out);
      }
      out.push_back(kEnd);
      for (const Json::Member* member : members) Append(member->value, depth + 1, out);
      return;
    }
  }
}

bool SkipString(absl::string_view& bytes) {
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    if (bytes[i] != '\0') continue;
    if (bytes[i + 1] == '\1') {
      bytes.remove_prefix(i + 2);
      return true;
    }
    ++i;  // an escaped zero
  }
  return false;
}

bool SkipNumber(absl::string_view& bytes) {
  if (bytes.empty()) return false;
  const char sign = bytes[0];
  bytes.remove_prefix(1);
  if (sign == kNan || sign == kZero) return true;
  if (sign != kNegative && sign != kPositive) return false;
  const char end = sign == kNegative ? static_cast<char>(~kEnd) : kEnd;
  const size_t at = bytes.find(end, kExponentBytes);
  if (at == absl::string_view::npos) return false;
  bytes.remove_prefix(at + 1);
  return true;
}

bool Skip(absl::string_view& bytes, int depth);

// Elements up to and with the end mark; counts them.
bool SkipElements(absl::string_view& bytes, int depth, size_t* count) {
  while (!bytes.empty() && bytes[0] != kEnd) {
    if (!Skip(bytes, depth + 1)) return false;
    ++*count;
  }
  if (bytes.empty()) return false;
  bytes.remove_prefix(1);
  return true;
}

bool Skip(absl::string_view& bytes, int depth) {
  if (bytes.empty() || depth > kDepthMax) return false;
  const char tag = bytes[0];
  bytes.remove_prefix(1);
  size_t count = 0;
  switch (tag) {
    case 1:
    case 2:
    case 3:
      return true;
    case kNumberTag:
      return SkipNumber(bytes);
    case kStringTag:
      return SkipString(bytes);
    case kArrayTag:
      return SkipElements(bytes, depth, &count);
    case kObjectTag:
      if (!SkipElements(bytes, depth, &count)) return false;
      for (; count > 0; --count) {
        if (!Skip(bytes, depth + 1)) return false;
      }
      return true;
    default:
      return false;
  }
}

}  // namespace

void AppendOrdered(const Json& value, std::string& out) { Append(value, 0, out); }

bool SkipOrdered(absl::string_view& bytes) { return Skip(bytes, 0); }

bool TakeOrderedString(absl::string_view& bytes, std::string* text) {
  const absl::string_view before = bytes;
  if (bytes.empty() || bytes[0] != kStringTag || !SkipOrdered(bytes)) return false;
  const absl::string_view escaped = before.substr(1, before.size() - bytes.size() - 3);
  text->clear();
  for (size_t i = 0; i < escaped.size(); ++i) {
    text->push_back(escaped[i]);
    if (escaped[i] == '\0') ++i;  // its escape
  }
  return true;
}

}  // namespace skald
