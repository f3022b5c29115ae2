#include "engine/definition/json_escapes.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace skald::definition {
namespace {

constexpr size_t kEscapeSize = 6;      // \ud83d
constexpr int kColumnsLost = 12 - 10;  // a pair has 12 characters, \U0001f600 has 10

// The code unit of the escape \uXXXX at the front of `text`.
std::optional<uint32_t> CodeUnit(absl::string_view text) {
  if (text.size() < kEscapeSize || !absl::StartsWith(text, "\\u")) return std::nullopt;
  uint32_t unit = 0;
  for (size_t i = 2; i < kEscapeSize; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (!absl::ascii_isxdigit(c)) return std::nullopt;
    const unsigned char lower = static_cast<unsigned char>(absl::ascii_tolower(c));
    unit = unit * 16 + (absl::ascii_isdigit(c) ? c - '0' : lower - 'a' + 10);
  }
  return unit;
}

// The character that two escapes at the front of `text` stand for together.
std::optional<uint32_t> SurrogatePair(absl::string_view text) {
  const std::optional<uint32_t> high = CodeUnit(text);
  if (!high || *high < 0xD800 || *high > 0xDBFF) return std::nullopt;
  const std::optional<uint32_t> low = CodeUnit(text.substr(kEscapeSize));
  if (!low || *low < 0xDC00 || *low > 0xDFFF) return std::nullopt;
  return 0x10000 + ((*high - 0xD800) << 10) + (*low - 0xDC00);
}

bool LooksLikeJson(absl::string_view text) {
  const absl::string_view stripped = absl::StripLeadingAsciiWhitespace(text);
  return !stripped.empty() && (stripped[0] == '{' || stripped[0] == '[');
}

}  // namespace

JoinedEscapes::JoinedEscapes(absl::string_view text) : text_(text) {
  const bool has_surrogate = absl::StrContains(text, "\\ud") || absl::StrContains(text, "\\uD");
  if (!has_surrogate || !LooksLikeJson(text)) {
    return;
  }
  bool quoted = false;
  int line = 0, column = 0;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    size_t taken = 1;
    if (quoted && c == '\\') {
      if (const std::optional<uint32_t> character = SurrogatePair(text.substr(i))) {
        joined_ += absl::StrFormat("\\U%08x", *character);
        i += 2 * kEscapeSize;
        column += static_cast<int>(2 * kEscapeSize) - kColumnsLost;
        shifts_.push_back({line, column});
        continue;
      }
      taken = std::min<size_t>(2, text.size() - i);
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == '\'' || c == '#')) {
      return;  // YAML after all: its quotes and comments would be misread
    }
    for (const char copied : text.substr(i, taken)) {
      joined_ += copied;
      const bool continues = (static_cast<unsigned char>(copied) & 0xC0) == 0x80;
      if (!continues) ++column;
      if (copied == '\n') {
        ++line;
        column = 0;
      }
    }
    i += taken;
  }
  text_ = joined_;
}

int JoinedEscapes::OriginalColumn(int line, int column) const {
  // Asked for each node, of which there may be as many as shifts; they lie in the order of the
  // text.
  const auto before = [](const Shift& a, const Shift& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  };
  const auto first = std::lower_bound(shifts_.begin(), shifts_.end(), Shift{line, 0}, before);
  const auto last = std::upper_bound(first, shifts_.end(), Shift{line, column}, before);
  return column + kColumnsLost * static_cast<int>(last - first);
}

}  // namespace skald::definition
