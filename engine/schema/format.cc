#include "engine/schema/format.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "engine/schema/regex.h"

namespace skald::schema {
namespace {

constexpr std::pair<absl::string_view, FormatCheck*> kFormats[] = {
    {"date", IsDate},
    {"date-time", IsDateTime},
    {"duration", IsDuration},
    {"email", IsEmail},
    {"hostname", IsHostname},
    {"idn-email", IsIdnEmail},
    {"idn-hostname", IsIdnHostname},
    {"ipv4", IsIpv4},
    {"ipv6", IsIpv6},
    {"iri", IsIri},
    {"iri-reference", IsIriReference},
    {"json-pointer", IsJsonPointer},
    {"regex", IsRegex},
    {"relative-json-pointer", IsRelativeJsonPointer},
    {"time", IsTime},
    {"uri", IsUri},
    {"uri-reference", IsUriReference},
    {"uri-template", IsUriTemplate},
    {"uuid", IsUuid},
};

}  // namespace

FormatCheck* FindFormat(absl::string_view name) {
  for (const auto& [known, check] : kFormats) {
    if (known == name) return check;
  }
  return nullptr;
}

bool IsUuid(absl::string_view text) {
  constexpr absl::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (text.size() != kShape.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool legal = kShape[i] == '-' ? text[i] == '-' : absl::ascii_isxdigit(text[i]);
    if (!legal) return false;
  }
  return true;
}

bool IsJsonPointer(absl::string_view text) {
  if (text.empty()) return true;
  if (text[0] != '/') return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '~') continue;
    if (i + 1 == text.size() || (text[i + 1] != '0' && text[i + 1] != '1')) return false;
  }
  return true;
}

bool IsRelativeJsonPointer(absl::string_view text) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  if (digits == 0 || (text[0] == '0' && digits > 1)) return false;
  const absl::string_view rest = text.substr(digits);
  return rest == "#" || IsJsonPointer(rest);
}

bool IsRegex(absl::string_view text) { return Regex::Check(text).ok(); }

}  // namespace skald::schema
