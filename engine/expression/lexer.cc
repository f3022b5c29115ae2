#include "engine/expression/lexer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace skald::expression {
namespace {

bool IsNameStart(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool IsNamePart(char c) { return absl::ascii_isalnum(c) || c == '_'; }
bool IsDigit(char c) { return absl::ascii_isdigit(c); }

// Names the payload of a status that holds a place.
constexpr char kPlaceUrl[] = "skald/expression-place";

// Longest first, so that the first that fits is the right one.
constexpr absl::string_view kOperators[] = {
    "?//=", "?//", "//=", "|=", "+=", "-=", "*=", "/=", "%=", "==", "!=", "<=",
    ">=",   "//",  "..",  "|",  ",",  ".",  "[",  "]",  "(",  ")",  "{",  "}",
    ":",    ";",   "=",   "<",  ">",  "+",  "-",  "*",  "/",  "%",  "$",  "?"};

}  // namespace

std::optional<ErrorPlace> PlaceOfError(const absl::Status& status) {
  const auto payload = status.GetPayload(kPlaceUrl);
  if (!payload.has_value()) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(std::string(*payload), ' ');
  ErrorPlace place;
  const bool whole = parts.size() == 3 && absl::SimpleAtoi(parts[0], &place.offset) &&
                     absl::SimpleAtoi(parts[1], &place.line) &&
                     absl::SimpleAtoi(parts[2], &place.column);
  return whole ? std::optional<ErrorPlace>(place) : std::nullopt;
}

absl::Status WithPlace(absl::Status status, const ErrorPlace& place) {
  status.SetPayload(kPlaceUrl,
                    absl::Cord(absl::StrCat(place.offset, " ", place.line, " ", place.column)));
  return status;
}

ErrorPlace Lexer::PlaceAt(uint32_t offset) const {
  const size_t place = std::min<size_t>(offset, text_.size());
  const size_t newline = place == 0 ? absl::string_view::npos : text_.rfind('\n', place - 1);
  const size_t begin = newline == absl::string_view::npos ? 0 : newline + 1;
  const auto lines = std::count(text_.begin(), text_.begin() + place, '\n');
  return {.offset = place,
          .line = 1 + static_cast<int>(lines),
          .column = 1 + static_cast<int>(CountCodePoints(text_.substr(begin, place - begin)))};
}

absl::Status Lexer::ErrorAt(uint32_t offset, absl::string_view message) const {
  const ErrorPlace place = PlaceAt(offset);
  return WithPlace(absl::InvalidArgumentError(absl::StrFormat("%s at line %d, column %d", message,
                                                              place.line, place.column)),
                   place);
}

// A comment ends with its line, unless an odd number of backslashes ends the line.
void Lexer::SkipBlanksAndComments() {
  while (place_ < text_.size()) {
    if (absl::ascii_isspace(text_[place_])) {
      ++place_;
      continue;
    }
    if (text_[place_] != '#') return;
    while (place_ < text_.size() && text_[place_] != '\n') {
      const bool escapes = text_[place_] == '\\' && place_ + 1 < text_.size();
      if (escapes && text_.substr(place_ + 1, 2) == "\r\n") ++place_;
      place_ += escapes ? 2 : 1;
    }
    place_ = std::min(place_, text_.size());
  }
}

Token Lexer::Take(TokenKind kind, size_t end, size_t skip) {
  Token token{kind, static_cast<uint32_t>(place_),
              text_.substr(place_ + skip, end - place_ - skip)};
  place_ = end;
  return token;
}

size_t Lexer::NameEnd(size_t begin, bool qualified) const {
  size_t end = begin;
  while (end < text_.size() && IsNamePart(text_[end])) ++end;
  if (qualified && text_.substr(end, 2) == "::" && end + 2 < text_.size() &&
      IsNameStart(text_[end + 2])) {
    return NameEnd(end + 2, qualified);
  }
  return end;
}

size_t Lexer::NumberEnd() const {
  const auto digits = [this](size_t from) {
    while (from < text_.size() && IsDigit(text_[from])) ++from;
    return from;
  };
  size_t end = digits(place_);
  if (end < text_.size() && text_[end] == '.') end = digits(end + 1);
  if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
    size_t exponent = end + 1;
    if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
    const size_t after = digits(exponent);
    if (after > exponent) end = after;
  }
  return end;
}

absl::StatusOr<Token> Lexer::Next() {
  SkipBlanksAndComments();
  if (place_ >= text_.size()) return Take(TokenKind::kEnd, text_.size());
  const char first = text_[place_];
  const char second = place_ + 1 < text_.size() ? text_[place_ + 1] : '\0';
  if (first == '"') return Take(TokenKind::kQuote, place_ + 1);
  if (IsDigit(first) || (first == '.' && IsDigit(second))) {
    return Take(TokenKind::kNumber, NumberEnd());
  }
  if (first == '.' && IsNameStart(second)) {
    return Take(TokenKind::kField, NameEnd(place_ + 1, false), 1);
  }
  if (first == '@' && IsNamePart(second)) {
    return Take(TokenKind::kFormat, NameEnd(place_ + 1, false));
  }
  if (IsNameStart(first)) return Take(TokenKind::kName, NameEnd(place_, true));
  for (absl::string_view op : kOperators) {
    if (text_.substr(place_, op.size()) == op) {
      // `?//=` is no operator: `.a ?//= 1` is `.a?` and `//=`.
      if (op == "?//=") op = "?";
      return Take(TokenKind::kOperator, place_ + op.size());
    }
  }
  const size_t length = Utf8SequenceLength(text_.data() + place_, text_.data() + text_.size());
  return ErrorAt(static_cast<uint32_t>(place_),
                 absl::StrCat("syntax error: unexpected character '",
                              text_.substr(place_, std::max<size_t>(length, 1)), "'"));
}

absl::StatusOr<StringPart> Lexer::ReadStringPart() {
  const uint32_t begin = static_cast<uint32_t>(place_);
  StringPart part;
  while (place_ < text_.size()) {
    const char c = text_[place_];
    if (c == '"') {
      ++place_;
      return part;
    }
    if (c != '\\') {
      const size_t end = std::min(text_.find_first_of("\"\\", place_), text_.size());
      part.text.append(text_.data() + place_, end - place_);
      place_ = end;
      continue;
    }
    if (place_ + 1 < text_.size() && text_[place_ + 1] == '(') {
      place_ += 2;
      part.interpolation = true;
      return part;
    }
    SKALD_RETURN_IF_ERROR(ReadEscape(part.text));
  }
  return ErrorAt(begin, "syntax error: unterminated string");
}

absl::Status Lexer::ReadEscape(std::string& out) {
  constexpr absl::string_view kNames = "\"\\/bfnrt";
  constexpr absl::string_view kValues = "\"\\/\b\f\n\r\t";
  const uint32_t begin = static_cast<uint32_t>(place_);
  const char name = place_ + 1 < text_.size() ? text_[place_ + 1] : '\0';
  place_ += 2;
  if (const size_t found = kNames.find(name); found != absl::string_view::npos) {
    out.push_back(kValues[found]);
    return absl::OkStatus();
  }
  if (name != 'u') return ErrorAt(begin, "Invalid escape");
  SKALD_ASSIGN_OR_RETURN(uint32_t unit, ReadHex4());
  const bool high = unit >= 0xD800 && unit < 0xDC00;
  if (high && text_.substr(std::min(place_, text_.size()), 2) == "\\u") {
    const size_t before = place_;
    place_ += 2;
    SKALD_ASSIGN_OR_RETURN(const uint32_t low, ReadHex4());
    if (low >= 0xDC00 && low < 0xE000) {
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    } else {
      place_ = before;
    }
  }
  AppendUtf8(unit, out);
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Lexer::ReadHex4() {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i, ++place_) {
    if (place_ >= text_.size() || !absl::ascii_isxdigit(text_[place_])) {
      return ErrorAt(static_cast<uint32_t>(std::min(place_, text_.size())), "Invalid escape");
    }
    const char c = absl::ascii_tolower(text_[place_]);
    value = value * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return value;
}

}  // namespace skald::expression
