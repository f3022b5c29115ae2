#include "engine/definition/names.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace skald::definition {
namespace {

bool IsAlphanumeric(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }
bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }
bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }

// Letters, digits and `more` inside, letters or digits at both ends, at most 63 characters.
bool IsNameWith(absl::string_view text, absl::string_view more) {
  if (text.empty() || text.size() > 63) return false;
  if (!IsAlphanumeric(text.front()) || !IsAlphanumeric(text.back())) return false;
  for (const char c : text) {
    if (!IsAlphanumeric(c) && more.find(c) == absl::string_view::npos) return false;
  }
  return true;
}

bool IsNumericIdentifier(absl::string_view text) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  for (const char c : text) {
    if (!IsDigit(c)) return false;
  }
  return true;
}

// The dot-separated identifiers of a pre-release or of build metadata.
bool AreIdentifiers(absl::string_view text, bool leading_zeros_allowed) {
  for (const absl::string_view part : absl::StrSplit(text, '.')) {
    if (part.empty()) return false;
    bool numeric = true;
    for (const char c : part) {
      if (!IsAlphanumeric(c) && c != '-') return false;
      numeric = numeric && IsDigit(c);
    }
    if (numeric && !leading_zeros_allowed && !IsNumericIdentifier(part)) return false;
  }
  return true;
}

bool HasSpace(absl::string_view text) {
  for (const char c : text) {
    if (IsSpace(c)) return true;
  }
  return false;
}

}  // namespace

bool IsLabel(absl::string_view text) { return IsNameWith(text, "-"); }

bool IsHost(absl::string_view text) { return IsNameWith(text, "-."); }

bool IsSemanticVersion(absl::string_view text) {
  const size_t plus = text.find('+');
  if (plus != absl::string_view::npos) {
    if (!AreIdentifiers(text.substr(plus + 1), true)) return false;
    text = text.substr(0, plus);
  }
  const size_t minus = text.find('-');
  if (minus != absl::string_view::npos) {
    if (!AreIdentifiers(text.substr(minus + 1), false)) return false;
    text = text.substr(0, minus);
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  return parts.size() == 3 && IsNumericIdentifier(parts[0]) && IsNumericIdentifier(parts[1]) &&
         IsNumericIdentifier(parts[2]);
}

bool IsVariableName(absl::string_view text) {
  if (text.empty() || IsDigit(text[0])) return false;
  for (const char c : text) {
    if (!IsAlphanumeric(c) && c != '_') return false;
  }
  return true;
}

bool IsWholeExpression(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  return absl::StartsWith(text, "${") && absl::EndsWith(text, "}") && text.size() > 3;
}

bool IsUriTemplate(absl::string_view text) {
  if (text.empty() || IsSpace(text[0]) || absl::StartsWith(text, "${")) return false;
  // The schema allows white space in what stands before the first colon, and nowhere else.
  const size_t scheme = text.find_first_of(":/?#");
  const bool has_scheme = scheme != absl::string_view::npos && scheme > 0 && text[scheme] == ':';
  return !HasSpace(has_scheme ? text.substr(scheme) : text);
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

std::string ProblemOfName(absl::string_view text) {
  // As the API bounds ids: a worker could not ask for a longer one.
  constexpr size_t kNameBytesMax = 256;
  if (text.size() > kNameBytesMax) {
    return absl::StrCat("has ", text.size(), " bytes; at most ", kNameBytesMax, " are allowed");
  }
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return "must not contain control characters";
    }
  }
  return "";
}

std::string AppendPointer(absl::string_view pointer, absl::string_view token) {
  if (token.find_first_of("~/") == absl::string_view::npos) {
    return absl::StrCat(pointer, "/", token);
  }
  return absl::StrCat(pointer, "/", absl::StrReplaceAll(token, {{"~", "~0"}, {"/", "~1"}}));
}

std::string AppendPointer(absl::string_view pointer, size_t index) {
  return absl::StrCat(pointer, "/", index);
}

}  // namespace skald::definition
