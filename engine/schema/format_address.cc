// Formats of host names, mail addresses and IP addresses.
#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/utf8.h"
#include "engine/schema/format.h"
#include "engine/schema/idna.h"

namespace skald::schema {
namespace {

constexpr size_t kHostnameBytesMax = 253;
constexpr size_t kLabelBytesMax = 63;

enum class Alphabet : uint8_t { kAscii, kUnicode };

bool IsAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isascii);
}

bool IsLabel(absl::string_view label, Alphabet alphabet) {
  if (label.empty() || label.front() == '-' || label.back() == '-') return false;
  if (!IsAscii(label)) {
    return alphabet == Alphabet::kUnicode && IsUnicodeLabel(ToCodePoints(label));
  }
  if (label.size() > kLabelBytesMax) return false;
  const bool legal = std::all_of(label.begin(), label.end(),
                                 [](char c) { return absl::ascii_isalnum(c) || c == '-'; });
  if (!legal) return false;
  if (!absl::StartsWithIgnoreCase(label, "xn--")) return true;
  const auto decoded = DecodePunycode(label.substr(4));
  return decoded.has_value() && IsUnicodeLabel(*decoded);
}

bool IsLabels(absl::string_view text) {
  for (const absl::string_view label : absl::StrSplit(text, '.')) {
    if (!IsLabel(label, Alphabet::kAscii)) return false;
  }
  return true;
}

// The inside of a quoted string: printable, with '"' and '\\' only behind a '\\'.
bool IsQuotedContent(absl::string_view text, Alphabet alphabet) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') return false;
    if (text[i] == '\\' && ++i == text.size()) return false;
    const bool printable = absl::ascii_isascii(text[i]) ? absl::ascii_isprint(text[i])
                                                        : alphabet == Alphabet::kUnicode;
    if (!printable) return false;
  }
  return true;
}

// A dot-separated list of atoms, or a quoted string.
bool IsLocalPart(absl::string_view text, Alphabet alphabet) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    return IsQuotedContent(text.substr(1, text.size() - 2), alphabet);
  }
  for (const absl::string_view atom : absl::StrSplit(text, '.')) {
    if (atom.empty()) return false;
    for (const char c : atom) {
      const bool letter =
          absl::ascii_isascii(c) ? absl::ascii_isalnum(c) : alphabet == Alphabet::kUnicode;
      if (!letter && !absl::StrContains("!#$%&'*+-/=?^_`{|}~", c)) return false;
    }
  }
  return true;
}

bool IsMailbox(absl::string_view text, Alphabet alphabet) {
  const size_t at = text.rfind('@');
  if (at == absl::string_view::npos || !IsLocalPart(text.substr(0, at), alphabet)) return false;
  absl::string_view domain = text.substr(at + 1);
  if (absl::ConsumePrefix(&domain, "[")) {
    if (!absl::ConsumeSuffix(&domain, "]")) return false;
    if (absl::StartsWithIgnoreCase(domain, "IPv6:")) return IsIpv6(domain.substr(5));
    return IsIpv4(domain);
  }
  return alphabet == Alphabet::kUnicode ? IsIdnHostname(domain) : IsHostname(domain);
}

}  // namespace

bool IsHostname(absl::string_view text) {
  return text.size() <= kHostnameBytesMax && IsLabels(text);
}

bool IsIdnHostname(absl::string_view text) {
  if (text.size() > 4 * kHostnameBytesMax) return false;
  // The ideographic and full-width stops separate labels as well (RFC 3490, 3.1).
  constexpr char32_t kStops[] = {'.', 0x3002, 0xff0e, 0xff61};
  std::string label;
  const auto take_label = [&label] {
    const bool legal = IsLabel(label, Alphabet::kUnicode);
    label.clear();
    return legal;
  };
  for (const char32_t c : ToCodePoints(text)) {
    if (std::find(std::begin(kStops), std::end(kStops), c) == std::end(kStops)) {
      AppendUtf8(c, label);
    } else if (!take_label()) {
      return false;
    }
  }
  return take_label();
}

bool IsEmail(absl::string_view text) { return IsMailbox(text, Alphabet::kAscii); }

bool IsIdnEmail(absl::string_view text) { return IsMailbox(text, Alphabet::kUnicode); }

bool IsIpv4(absl::string_view text) {
  const std::vector<absl::string_view> octets = absl::StrSplit(text, '.');
  return octets.size() == 4 && std::all_of(octets.begin(), octets.end(), [](auto octet) {
           if (octet.empty() || octet.size() > 3) return false;
           // Some readers take a leading zero for octal.
           if (octet[0] == '0' && octet.size() > 1) return false;
           int value = 0;
           for (const char c : octet) {
             if (!absl::ascii_isdigit(c)) return false;
             value = value * 10 + (c - '0');
           }
           return value <= 255;
         });
}

bool IsIpv6(absl::string_view text) {
  constexpr int kGroups = 8;
  int groups = 0;
  bool shortened = absl::ConsumePrefix(&text, "::");
  while (!text.empty()) {
    const size_t end = std::min(text.find(':'), text.size());
    const absl::string_view group = text.substr(0, end);
    text.remove_prefix(end);
    if (text.empty() && absl::StrContains(group, '.')) {
      if (!IsIpv4(group)) return false;
      groups += 2;
      break;
    }
    if (group.empty() || group.size() > 4 ||
        !std::all_of(group.begin(), group.end(), absl::ascii_isxdigit)) {
      return false;
    }
    ++groups;
    if (text.empty()) break;
    text.remove_prefix(1);  // The ':' after the group.
    if (absl::ConsumePrefix(&text, ":")) {
      if (shortened) return false;
      shortened = true;
    } else if (text.empty()) {
      return false;
    }
  }
  return shortened ? groups < kGroups : groups == kGroups;
}

}  // namespace skald::schema
