#include "engine/expression/template_scanner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/expression/lexer.h"

namespace skald::expression {
namespace {

// What encloses the place of a scan inside an expression.
enum class Enclosure : uint8_t { kBrace, kParenthesis, kInterpolation, kString };

// Where the expression that begins at `begin` is closed, or npos.
size_t FindClosingBrace(absl::string_view text, size_t begin) {
  std::vector<Enclosure> open;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (!open.empty() && open.back() == Enclosure::kString) {
      if (c == '"') {
        open.pop_back();
      } else if (c == '\\') {
        ++i;
        if (i < text.size() && text[i] == '(') open.push_back(Enclosure::kInterpolation);
      }
      continue;
    }
    if (c == '"') {
      open.push_back(Enclosure::kString);
    } else if (c == '#') {
      // A comment ends with its line; an escaped line end goes on. One on the last line hides the
      // closing brace.
      while (i < text.size() && text[i] != '\n') i += text[i] == '\\' ? 2 : 1;
    } else if (c == '{') {
      open.push_back(Enclosure::kBrace);
    } else if (c == '(') {
      open.push_back(Enclosure::kParenthesis);
    } else if (c == ')') {
      // What is unbalanced is left for the parser to report.
      if (!open.empty() && open.back() != Enclosure::kBrace) open.pop_back();
    } else if (c == '}') {
      while (!open.empty() && open.back() == Enclosure::kParenthesis) open.pop_back();
      if (open.empty()) return i;
      if (open.back() == Enclosure::kBrace) open.pop_back();
    }
  }
  return absl::string_view::npos;
}

}  // namespace

absl::StatusOr<std::vector<TemplatePart>> ScanTemplate(absl::string_view text) {
  std::vector<TemplatePart> parts;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) parts.push_back(TemplatePart{std::exchange(literal, ""), false});
  };
  for (size_t place = 0; place < text.size();) {
    const size_t dollar = std::min(text.find('$', place), text.size());
    literal.append(text.data() + place, dollar - place);
    place = dollar;
    if (text.substr(place, 3) == "$${") {
      literal += "${";
      place += 3;
    } else if (text.substr(place, 2) == "${") {
      const size_t end = FindClosingBrace(text, place + 2);
      if (end == absl::string_view::npos) {
        return Lexer(text).ErrorAt(static_cast<uint32_t>(place), "'${' is not closed");
      }
      flush();
      parts.push_back(TemplatePart{std::string(text.substr(place + 2, end - place - 2)), true});
      place = end + 1;
    } else if (place < text.size()) {
      literal += text[place++];
    }
  }
  flush();
  return parts;
}

}  // namespace skald::expression
