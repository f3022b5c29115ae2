#include "engine/schema/idna.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "base/utf8.h"
#include "engine/schema/regex.h"

namespace skald::schema {
namespace {

constexpr char32_t kCodePointMax = 0x10ffff;

// Disallowed although they are letters or marks (RFC 5892, 2.6).
constexpr char32_t kDisallowed[] = {0x0640, 0x07fa, 0x302e, 0x302f, 0x3031,
                                    0x3032, 0x3033, 0x3034, 0x3035, 0x303b};
// Allowed although they are none (the same).
constexpr char32_t kAllowed[] = {0x06fd, 0x06fe, 0x0f0b, 0x3007};
// Arabic letters that join only to the letter before them, so that nothing can be kept from
// joining.
constexpr char32_t kRightJoining[] = {0x0622, 0x0623, 0x0624, 0x0625, 0x0627, 0x0629, 0x062f,
                                      0x0630, 0x0631, 0x0632, 0x0648, 0x0649, 0x0671, 0x0672,
                                      0x0673, 0x0675, 0x0676, 0x0677, 0x0688, 0x0691, 0x0698};

template <size_t kSize>
bool Contains(const char32_t (&set)[kSize], char32_t c) {
  return std::find(std::begin(set), std::end(set), c) != std::end(set);
}

// A set of code points by their Unicode properties.
class PropertySet {
 public:
  explicit PropertySet(absl::string_view pattern) : regex_(*Regex::Compile(pattern)) {}

  bool Has(char32_t c) const {
    std::string text;
    AppendUtf8(c, text);
    return regex_.Search(text) == Regex::Result::kMatch;
  }

 private:
  Regex regex_;
};

struct Properties {
  PropertySet letters{"[\\p{Ll}\\p{Lo}\\p{Lm}\\p{Mn}\\p{Mc}\\p{Nd}]"};
  PropertySet marks{"\\p{M}"};
  PropertySet greek{"\\p{Script=Greek}"};
  PropertySet hebrew{"\\p{Script=Hebrew}"};
  PropertySet japanese{"[\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Han}]"};
  PropertySet joining{"[\\p{Script=Arabic}\\p{Script=Syriac}\\p{Script=Mongolian}]"};
};

const Properties& UnicodeProperties() {
  static const Properties properties;
  return properties;
}

// Canonical combining class 9; Unicode gives it to the killers of the Indic scripts.
bool IsVirama(char32_t c) {
  constexpr char32_t kViramas[] = {0x094d,  0x09cd,  0x0a4d,  0x0acd,  0x0b4d,  0x0bcd, 0x0c4d,
                                   0x0ccd,  0x0d4d,  0x0dca,  0x0e3a,  0x0f84,  0x1039, 0x103a,
                                   0x1714,  0x17d2,  0x1a60,  0x1b44,  0x1baa,  0x1bab, 0x1bf2,
                                   0x2d7f,  0xa806,  0xa8c4,  0xa953,  0xa9c0,  0xaaf6, 0xabed,
                                   0x1134d, 0x110b9, 0x11133, 0x111c0, 0x11235, 0x114c2};
  return Contains(kViramas, c);
}

// RFC 5892, A.1: a non-joiner between two letters that would join.
bool IsBetweenJoining(const std::vector<char32_t>& label, size_t at) {
  const Properties& properties = UnicodeProperties();
  size_t before = at;
  while (before > 0 && properties.marks.Has(label[before - 1])) --before;
  size_t after = at + 1;
  while (after < label.size() && properties.marks.Has(label[after])) ++after;
  return before > 0 && after < label.size() && properties.joining.Has(label[before - 1]) &&
         !Contains(kRightJoining, label[before - 1]) && properties.joining.Has(label[after]);
}

bool HasDigits(const std::vector<char32_t>& label, char32_t zero) {
  return std::any_of(label.begin(), label.end(),
                     [zero](char32_t c) { return c >= zero && c <= zero + 9; });
}

// The contextual rules of RFC 5892, appendix A.
bool IsAllowedAt(const std::vector<char32_t>& label, size_t at) {
  const Properties& properties = UnicodeProperties();
  const char32_t c = label[at];
  const char32_t before = at > 0 ? label[at - 1] : 0;
  const char32_t after = at + 1 < label.size() ? label[at + 1] : 0;
  if (c < 0x80)
    return c == '-' || absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'z');
  if (Contains(kDisallowed, c)) return false;
  if (Contains(kAllowed, c)) return true;
  switch (c) {
    case 0x00b7:  // MIDDLE DOT, in Catalan
      return before == 'l' && after == 'l';
    case 0x0375:  // GREEK KERAIA
      return after != 0 && properties.greek.Has(after);
    case 0x05f3:  // HEBREW GERESH
    case 0x05f4:  // HEBREW GERSHAYIM
      return before != 0 && properties.hebrew.Has(before);
    case 0x30fb:  // KATAKANA MIDDLE DOT
      return std::any_of(label.begin(), label.end(), [&](char32_t other) {
        return other != c && properties.japanese.Has(other);
      });
    case 0x200c:  // ZERO WIDTH NON-JOINER
      return IsVirama(before) || IsBetweenJoining(label, at);
    case 0x200d:  // ZERO WIDTH JOINER
      return IsVirama(before);
    default:
      return properties.letters.Has(c);
  }
}

// The parameters of Punycode (RFC 3492, section 5).
constexpr uint64_t kBase = 36;
constexpr uint64_t kThresholdMin = 1;
constexpr uint64_t kThresholdMax = 26;
constexpr uint64_t kSkew = 38;
constexpr uint64_t kDamp = 700;
constexpr uint64_t kBiasFirst = 72;
constexpr uint64_t kCodePointFirst = 128;

// RFC 3492, 6.1.
uint64_t AdaptBias(uint64_t delta, uint64_t count) {
  delta += delta / count;
  uint64_t k = 0;
  for (; delta > (kBase - kThresholdMin) * kThresholdMax / 2; k += kBase) {
    delta /= kBase - kThresholdMin;
  }
  return k + (kBase - kThresholdMin + 1) * delta / (delta + kSkew);
}

}  // namespace

std::vector<char32_t> ToCodePoints(absl::string_view utf8) {
  std::vector<char32_t> result;
  for (size_t place = 0; place < utf8.size();) result.push_back(NextCodePoint(utf8, place));
  return result;
}

std::optional<std::vector<char32_t>> DecodePunycode(absl::string_view encoded) {
  std::vector<char32_t> output;
  if (const size_t delimiter = encoded.rfind('-'); delimiter != absl::string_view::npos) {
    for (const char c : encoded.substr(0, delimiter)) {
      if (!absl::ascii_isascii(c)) return std::nullopt;
      output.push_back(static_cast<unsigned char>(c));
    }
    encoded.remove_prefix(delimiter + 1);
  }
  uint64_t code_point = kCodePointFirst;
  uint64_t bias = kBiasFirst;
  uint64_t i = 0;
  while (!encoded.empty()) {
    const uint64_t old_i = i;
    uint64_t weight = 1;
    for (uint64_t k = kBase;; k += kBase) {
      if (encoded.empty()) return std::nullopt;
      const char c = absl::ascii_tolower(encoded[0]);
      encoded.remove_prefix(1);
      if (!absl::ascii_isalnum(c)) return std::nullopt;
      const uint64_t digit = absl::ascii_isdigit(c) ? c - '0' + 26 : c - 'a';
      i += digit * weight;
      // Labels have some 60 code points, so a valid delta stays far below this.
      if (i > uint64_t{1} << 32) return std::nullopt;
      const uint64_t threshold = k <= bias ? kThresholdMin : std::min(k - bias, kThresholdMax);
      if (digit < threshold) break;
      weight *= kBase - threshold;
      if (weight > uint64_t{1} << 32) return std::nullopt;
    }
    const uint64_t count = output.size() + 1;
    bias = AdaptBias(old_i == 0 ? i / kDamp : (i - old_i) / 2, count);
    code_point += i / count;
    i %= count;
    const bool surrogate = code_point >= 0xd800 && code_point < 0xe000;
    if (code_point > kCodePointMax || surrogate) return std::nullopt;
    output.insert(output.begin() + static_cast<int64_t>(i), static_cast<char32_t>(code_point));
    ++i;
  }
  return output;
}

bool IsUnicodeLabel(const std::vector<char32_t>& label) {
  if (label.empty() || label.front() == '-' || label.back() == '-') return false;
  if (label.size() >= 4 && label[2] == '-' && label[3] == '-') return false;
  if (UnicodeProperties().marks.Has(label[0])) return false;
  // The two sets of Arabic digits look alike and must not be mixed.
  if (HasDigits(label, 0x0660) && HasDigits(label, 0x06f0)) return false;
  for (size_t i = 0; i < label.size(); ++i) {
    if (!IsAllowedAt(label, i)) return false;
  }
  return true;
}

}  // namespace skald::schema
