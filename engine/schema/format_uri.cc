// Formats of URIs, IRIs and URI templates: the grammars of RFC 3986, 3987 and 6570.
#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "engine/schema/format.h"

namespace skald::schema {
namespace {

constexpr absl::string_view kSubDelimiters = "!$&'()*+,;=";

// Which letters a grammar takes: ASCII only, or all others too.
enum class Alphabet : uint8_t { kUri, kIri };

bool IsUnreserved(char c, Alphabet alphabet) {
  if (static_cast<unsigned char>(c) >= 0x80) return alphabet == Alphabet::kIri;
  return absl::ascii_isalnum(c) || absl::StrContains("-._~", c);
}

// True when all of `text` is unreserved, percent-encoded, a sub-delimiter or one of `more`.
bool IsMadeOf(absl::string_view text, absl::string_view more, Alphabet alphabet) {
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) ||
          !absl::ascii_isxdigit(text[i + 2])) {
        return false;
      }
      i += 2;
    } else if (!IsUnreserved(c, alphabet) && !absl::StrContains(kSubDelimiters, c) &&
               !absl::StrContains(more, c)) {
      return false;
    }
  }
  return true;
}

// "[" ( IPv6address / IPvFuture ) "]", without the brackets.
bool IsIpLiteral(absl::string_view text) {
  if (text.empty() || absl::ascii_tolower(text[0]) != 'v') return IsIpv6(text);
  const size_t dot = text.find('.');
  if (dot == absl::string_view::npos || dot < 2 || dot + 1 == text.size()) return false;
  const absl::string_view version = text.substr(1, dot - 1);
  return std::all_of(version.begin(), version.end(), absl::ascii_isxdigit) &&
         !absl::StrContains(text, '%') && IsMadeOf(text.substr(dot + 1), ":", Alphabet::kUri);
}

bool IsAuthority(absl::string_view text, Alphabet alphabet) {
  if (const size_t at = text.find('@'); at != absl::string_view::npos) {
    if (!IsMadeOf(text.substr(0, at), ":", alphabet)) return false;
    text.remove_prefix(at + 1);
  }
  absl::string_view host = text;
  absl::string_view port;
  if (absl::StartsWith(text, "[")) {
    const size_t close = text.find(']');
    if (close == absl::string_view::npos || !IsIpLiteral(text.substr(1, close - 1))) return false;
    port = text.substr(close + 1);
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    host = text.substr(0, colon);
    port = text.substr(colon);
    if (!IsMadeOf(host, "", alphabet)) return false;
  }
  if (port.empty()) return true;
  return absl::ConsumePrefix(&port, ":") &&
         std::all_of(port.begin(), port.end(), absl::ascii_isdigit);
}

// The length of "scheme:" at the front, 0 when there is none.
size_t SchemeLength(absl::string_view text) {
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || colon == 0 || !absl::ascii_isalpha(text[0])) return 0;
  const absl::string_view scheme = text.substr(0, colon);
  const bool legal = std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("+-.", c);
  });
  return legal ? colon + 1 : 0;
}

enum class Reference : uint8_t { kAbsolute, kAny };

bool IsReference(absl::string_view text, Reference kind, Alphabet alphabet) {
  const size_t scheme = SchemeLength(text);
  if (scheme == 0 && kind == Reference::kAbsolute) return false;
  text.remove_prefix(scheme);
  if (const size_t mark = text.find('#'); mark != absl::string_view::npos) {
    if (!IsMadeOf(text.substr(mark + 1), ":@/?", alphabet)) return false;
    text = text.substr(0, mark);
  }
  if (const size_t mark = text.find('?'); mark != absl::string_view::npos) {
    if (!IsMadeOf(text.substr(mark + 1), ":@/?", alphabet)) return false;
    text = text.substr(0, mark);
  }
  if (absl::ConsumePrefix(&text, "//")) {
    const size_t end = std::min(text.find('/'), text.size());
    if (!IsAuthority(text.substr(0, end), alphabet)) return false;
    text.remove_prefix(end);
  } else if (scheme == 0) {
    // Without a scheme, a colon in the first segment would make one.
    if (absl::StrContains(text.substr(0, text.find('/')), ':')) return false;
  }
  return IsMadeOf(text, ":@/", alphabet);
}

// One variable of an expression: a name, then "*" or ":" with a length of up to four digits.
bool IsTemplateVariable(absl::string_view variable) {
  if (!absl::ConsumeSuffix(&variable, "*")) {
    if (const size_t colon = variable.find(':'); colon != absl::string_view::npos) {
      const absl::string_view length = variable.substr(colon + 1);
      if (length.empty() || length.size() > 4 || length[0] == '0' ||
          !std::all_of(length.begin(), length.end(), absl::ascii_isdigit)) {
        return false;
      }
      variable = variable.substr(0, colon);
    }
  }
  for (const absl::string_view part : absl::StrSplit(variable, '.')) {
    if (part.empty()) return false;
    for (size_t i = 0; i < part.size(); ++i) {
      if (absl::ascii_isalnum(part[i]) || part[i] == '_') continue;
      const bool encoded = part[i] == '%' && i + 2 < part.size() &&
                           absl::ascii_isxdigit(part[i + 1]) && absl::ascii_isxdigit(part[i + 2]);
      if (!encoded) return false;
      i += 2;
    }
  }
  return true;
}

bool IsTemplateExpression(absl::string_view body) {
  if (body.empty()) return false;
  if (absl::StrContains("+#./;?&=,!@|", body[0])) body.remove_prefix(1);
  for (const absl::string_view variable : absl::StrSplit(body, ',')) {
    if (!IsTemplateVariable(variable)) return false;
  }
  return true;
}

bool IsTemplateLiteral(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c <= 0x20 || c == 0x7f || absl::StrContains("\"'<>\\^`{|}", text[i])) return false;
    if (c != '%') continue;
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) ||
        !absl::ascii_isxdigit(text[i + 2])) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool IsUri(absl::string_view text) {
  return IsReference(text, Reference::kAbsolute, Alphabet::kUri);
}

bool IsUriReference(absl::string_view text) {
  return IsReference(text, Reference::kAny, Alphabet::kUri);
}

bool IsIri(absl::string_view text) {
  return IsReference(text, Reference::kAbsolute, Alphabet::kIri);
}

bool IsIriReference(absl::string_view text) {
  return IsReference(text, Reference::kAny, Alphabet::kIri);
}

bool IsUriTemplate(absl::string_view text) {
  while (!text.empty()) {
    const size_t open = std::min(text.find('{'), text.size());
    if (!IsTemplateLiteral(text.substr(0, open))) return false;
    text.remove_prefix(open);
    if (text.empty()) break;
    const size_t close = text.find('}');
    if (close == absl::string_view::npos) return false;
    if (!IsTemplateExpression(text.substr(1, close - 1))) return false;
    text.remove_prefix(close + 1);
  }
  return true;
}

}  // namespace skald::schema
