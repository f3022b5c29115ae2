// ECMA-262 expressions (with the `u` flag) in PCRE2's language. The two agree on most of what they
// share; this file rewrites what they read differently and refuses what only PCRE2 knows.
#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "engine/schema/regex.h"

namespace skald::schema {
namespace {

// White space and line ends as ECMA-262 has them; \s of PCRE2 is ASCII only.
constexpr absl::string_view kSpaces =
    R"(\x09-\x0d\x20\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff})";
// Everything else, as ranges: a negated set has no place inside another set.
constexpr absl::string_view kNonSpaces =
    R"(\x00-\x08\x0e-\x1f\x21-\x9f\xa1-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
    R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff})";
constexpr absl::string_view kNonLineEnds = R"([^\n\r\x{2028}\x{2029}])";

// PCRE2 knows general categories only by their short names.
constexpr std::pair<absl::string_view, absl::string_view> kCategories[] = {
    {"Letter", "L"},
    {"Cased_Letter", "L&"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"cntrl", "Cc"},
    {"Format", "Cf"},
    {"Surrogate", "Cs"},
    {"Private_Use", "Co"},
    {"Unassigned", "Cn"},
    {"LC", "L&"},
};

class Translator {
 public:
  explicit Translator(absl::string_view pattern) : pattern_(pattern) {}

  absl::StatusOr<std::string> Translate() {
    while (at_ < pattern_.size()) {
      SKALD_RETURN_IF_ERROR(in_class_ ? ClassCharacter() : Character());
    }
    if (in_class_) return Error("a '[' is not closed");
    return std::move(out_);
  }

 private:
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("the regular expression is broken at byte ", at_, ": ", what));
  }

  char Peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }

  absl::Status Character() {
    const char c = Peek();
    switch (c) {
      case '\\':
        return Escape();
      case '.':
        ++at_;
        absl::StrAppend(&out_, kNonLineEnds);
        return absl::OkStatus();
      case '[':
        return OpenClass();
      case '(':
        return OpenGroup();
      case '*':
      case '+':
      case '?':
      case '{':
        return Quantifier();
      default:
        ++at_;
        out_.push_back(c);
        return absl::OkStatus();
    }
  }

  absl::Status OpenClass() {
    ++at_;
    in_class_ = true;
    out_.push_back('[');
    if (Peek() == '^') {
      ++at_;
      out_.push_back('^');
    }
    return absl::OkStatus();
  }

  absl::Status ClassCharacter() {
    const char c = Peek();
    if (c == '\\') return Escape();
    ++at_;
    if (c == ']') in_class_ = false;
    // A '[' would open one of the POSIX sets, which this language does not have.
    if (c == '[') out_.push_back('\\');
    out_.push_back(c);
    return absl::OkStatus();
  }

  absl::Status OpenGroup() {
    if (Peek(1) == '*') return Error("nothing to repeat");
    if (Peek(1) == '?') {
      const char kind = Peek(2);
      const bool look_behind_or_name =
          kind == '<' && (Peek(3) == '=' || Peek(3) == '!' || absl::ascii_isalpha(Peek(3)) ||
                          Peek(3) == '_' || Peek(3) == '$');
      if (kind != ':' && kind != '=' && kind != '!' && !look_behind_or_name) {
        return Error("no such kind of group");
      }
      out_ += "(?";
      at_ += 2;
      return absl::OkStatus();
    }
    ++at_;
    out_.push_back('(');
    return absl::OkStatus();
  }

  // '*', '+', '?', '{n}', '{n,}', '{n,m}', each with an optional '?'; PCRE2 would also take a '+'.
  absl::Status Quantifier() {
    if (Peek() == '{') {
      const size_t close = pattern_.find('}', at_);
      const absl::string_view body =
          close == absl::string_view::npos ? "" : pattern_.substr(at_ + 1, close - at_ - 1);
      const bool digits = !body.empty() && absl::ascii_isdigit(body[0]) &&
                          body.find_first_not_of("0123456789,") == absl::string_view::npos &&
                          std::count(body.begin(), body.end(), ',') <= 1;
      if (!digits) {
        // Outside the `u` flag a lone brace stands for itself; many patterns rely on it.
        ++at_;
        out_ += "\\{";
        return absl::OkStatus();
      }
      absl::StrAppend(&out_, "{", body, "}");
      at_ = close + 1;
    } else {
      out_.push_back(Peek());
      ++at_;
    }
    if (Peek() == '?') {
      ++at_;
      out_.push_back('?');
    }
    const char next = Peek();
    if (next == '+' || next == '*' || next == '?') return Error("nothing to repeat");
    return absl::OkStatus();
  }

  absl::Status Escape() {
    const char c = Peek(1);
    if (at_ + 1 >= pattern_.size()) return Error("a '\\' at the end");
    switch (c) {
      case 's':
      case 'S':
        at_ += 2;
        AppendSet(c == 's' ? kSpaces : kNonSpaces);
        return absl::OkStatus();
      case 'p':
      case 'P':
        return Property();
      case 'u':
        return UnicodeEscape();
      case 'c':
        return ControlEscape();
      case 'x':
        return HexEscape();
      case 'v':
        at_ += 2;
        out_ += "\\x0b";
        return absl::OkStatus();
      case 'k':
        return NamedReference();
      default:
        return PlainEscape(c);
    }
  }

  void AppendSet(absl::string_view set) {
    if (in_class_) {
      absl::StrAppend(&out_, set);
    } else {
      absl::StrAppend(&out_, "[", set, "]");
    }
  }

  absl::Status PlainEscape(char c) {
    const bool shared = absl::StrContains("dDwWbBnrtf", c) && c != '\0';
    if (absl::ascii_isalpha(c) && !shared) return Error("no such escape");
    if (in_class_ && c == 'B') return Error("no such escape");
    at_ += 2;
    if (c == '0') {
      out_ += "\\x00";
    } else if (absl::ascii_isalnum(c)) {
      out_ += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x80) {
      absl::StrAppendFormat(&out_, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      out_.push_back(c);  // The first byte of a character that needs no escape.
    }
    return absl::OkStatus();
  }

  absl::Status NamedReference() {
    if (in_class_ || Peek(2) != '<') return Error("no such escape");
    at_ += 2;
    out_ += "\\k";
    return absl::OkStatus();
  }

  absl::Status ControlEscape() {
    const char letter = Peek(2);
    if (!absl::ascii_isalpha(letter)) return Error("'\\c' needs a letter");
    at_ += 3;
    absl::StrAppendFormat(&out_, "\\x%02x", letter & 0x1f);
    return absl::OkStatus();
  }

  // `count` hexadecimal digits at `from`.
  std::optional<uint32_t> Hex(size_t from, size_t count) const {
    uint32_t value = 0;
    if (count == 0 || count > 8 || from + count > pattern_.size()) return std::nullopt;
    const absl::string_view digits = pattern_.substr(from, count);
    if (!std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit)) return std::nullopt;
    for (const char c : digits) {
      value = value * 16 + (absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10);
    }
    return value;
  }

  absl::Status HexEscape() {
    const std::optional<uint32_t> value = Hex(at_ + 2, 2);
    if (!value.has_value()) return Error("'\\x' needs two hexadecimal digits");
    at_ += 4;
    absl::StrAppendFormat(&out_, "\\x%02x", *value);
    return absl::OkStatus();
  }

  absl::Status UnicodeEscape() {
    std::optional<uint32_t> value;
    size_t length = 6;
    if (Peek(2) == '{') {
      const size_t close = std::min(pattern_.find('}', at_), pattern_.size());
      value = Hex(at_ + 3, close - at_ - 3);
      length = close + 1 - at_;
    } else {
      value = Hex(at_ + 2, 4);
    }
    if (!value.has_value() || *value > 0x10ffff) return Error("not a code point");
    if (*value >= 0xd800 && *value < 0xdc00 && Peek(length) == '\\' && Peek(length + 1) == 'u') {
      const std::optional<uint32_t> low = Hex(at_ + length + 2, 4);
      if (low.has_value() && *low >= 0xdc00 && *low < 0xe000) {
        value = 0x10000 + ((*value - 0xd800) << 10) + (*low - 0xdc00);
        length += 6;
      }
    }
    if (*value >= 0xd800 && *value < 0xe000) return Error("half of a surrogate pair");
    at_ += length;
    absl::StrAppendFormat(&out_, "\\x{%x}", *value);
    return absl::OkStatus();
  }

  absl::Status Property() {
    const size_t close = pattern_.find('}', at_);
    if (Peek(2) != '{' || close == absl::string_view::npos) {
      return Error("'\\p' needs a property in braces");
    }
    absl::string_view name = pattern_.substr(at_ + 3, close - at_ - 3);
    const char sign = Peek(1);
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(name, absl::MaxSplits('=', 1));
    std::string translated(name);
    if (parts.first == "Script" || parts.first == "sc") {
      translated = absl::StrCat("sc:", parts.second);
    } else if (parts.first == "Script_Extensions" || parts.first == "scx") {
      translated = absl::StrCat("scx:", parts.second);
    } else {
      if (parts.first == "General_Category" || parts.first == "gc") name = parts.second;
      translated = std::string(name);
      for (const auto& [long_name, short_name] : kCategories) {
        if (long_name == name) translated = std::string(short_name);
      }
    }
    at_ = close + 1;
    absl::StrAppend(&out_, "\\", absl::string_view(&sign, 1), "{", translated, "}");
    return absl::OkStatus();
  }

  absl::string_view pattern_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> TranslatePattern(absl::string_view pattern) {
  return Translator(pattern).Translate();
}

}  // namespace skald::schema
