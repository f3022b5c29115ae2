#include "engine/schema/uri.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace skald::schema {
namespace {

// The five components; those that can be absent as opposed to empty are optional.
struct Components {
  std::optional<absl::string_view> scheme;
  std::optional<absl::string_view> authority;
  absl::string_view path;
  std::optional<absl::string_view> query;
  std::optional<absl::string_view> fragment;
};

size_t SchemeLength(absl::string_view uri) {
  if (uri.empty() || !absl::ascii_isalpha(uri[0])) return 0;
  for (size_t i = 1; i < uri.size(); ++i) {
    const char c = uri[i];
    if (c == ':') return i;
    if (!absl::ascii_isalnum(c) && c != '+' && c != '-' && c != '.') return 0;
  }
  return 0;
}

// Cuts what follows `mark` off `uri`.
std::optional<absl::string_view> CutAfter(absl::string_view& uri, char mark) {
  const size_t at = uri.find(mark);
  if (at == absl::string_view::npos) return std::nullopt;
  absl::string_view tail = uri.substr(at + 1);
  uri = uri.substr(0, at);
  return tail;
}

Components Split(absl::string_view uri) {
  Components parts;
  parts.fragment = CutAfter(uri, '#');
  parts.query = CutAfter(uri, '?');
  if (const size_t length = SchemeLength(uri); length > 0) {
    parts.scheme = uri.substr(0, length);
    uri.remove_prefix(length + 1);
  }
  if (absl::StartsWith(uri, "//")) {
    uri.remove_prefix(2);
    const size_t end = std::min(uri.find('/'), uri.size());
    parts.authority = uri.substr(0, end);
    uri.remove_prefix(end);
  }
  parts.path = uri;
  return parts;
}

// RFC 3986, 5.2.4, on whole segments.
std::string RemoveDotSegments(absl::string_view path) {
  const bool absolute = absl::StartsWith(path, "/");
  if (absolute) path.remove_prefix(1);
  std::vector<absl::string_view> kept;
  const std::vector<absl::string_view> segments = absl::StrSplit(path, '/');
  for (size_t i = 0; i < segments.size(); ++i) {
    const bool last = i + 1 == segments.size();
    if (segments[i] == "..") {
      if (!kept.empty()) kept.pop_back();
      if (last) kept.push_back("");
    } else if (segments[i] == ".") {
      if (last) kept.push_back("");
    } else {
      kept.push_back(segments[i]);
    }
  }
  std::string result = absolute ? "/" : "";
  for (size_t i = 0; i < kept.size(); ++i) absl::StrAppend(&result, i == 0 ? "" : "/", kept[i]);
  return result;
}

std::string MergePaths(const Components& base, absl::string_view path) {
  if (base.authority.has_value() && base.path.empty()) return absl::StrCat("/", path);
  const size_t slash = base.path.rfind('/');
  if (slash == absl::string_view::npos) return std::string(path);
  return absl::StrCat(base.path.substr(0, slash + 1), path);
}

}  // namespace

UriParts SplitFragment(absl::string_view uri) {
  const size_t at = uri.find('#');
  if (at == absl::string_view::npos) return {uri, {}};
  return {uri.substr(0, at), uri.substr(at + 1)};
}

std::string ResolveUri(absl::string_view base_text, absl::string_view reference_text) {
  const Components base = Split(base_text);
  const Components reference = Split(reference_text);
  if (reference.scheme.has_value() || base_text.empty()) return std::string(reference_text);

  std::string path;
  std::optional<absl::string_view> authority = base.authority;
  std::optional<absl::string_view> query = reference.query;
  if (reference.authority.has_value()) {
    authority = reference.authority;
    path = RemoveDotSegments(reference.path);
  } else if (reference.path.empty()) {
    path = std::string(base.path);
    if (!query.has_value()) query = base.query;
  } else if (reference.path[0] == '/') {
    path = RemoveDotSegments(reference.path);
  } else {
    path = RemoveDotSegments(MergePaths(base, reference.path));
  }

  std::string result;
  if (base.scheme.has_value()) absl::StrAppend(&result, *base.scheme, ":");
  if (authority.has_value()) absl::StrAppend(&result, "//", *authority);
  result += path;
  if (query.has_value()) absl::StrAppend(&result, "?", *query);
  if (reference.fragment.has_value()) absl::StrAppend(&result, "#", *reference.fragment);
  return result;
}

std::string PercentDecode(absl::string_view text) {
  const auto hex = [](char c) {
    return absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10;
  };
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) &&
        absl::ascii_isxdigit(text[i + 2])) {
      result.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
      i += 2;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

}  // namespace skald::schema
