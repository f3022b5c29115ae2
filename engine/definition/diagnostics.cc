#include "engine/definition/diagnostics.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "base/errors.h"

namespace skald::definition {

std::string Place::ToString() const { return absl::StrCat("line ", line, ", column ", column); }

std::string Diagnostic::ToString() const {
  std::string text;
  if (line > 0) absl::StrAppend(&text, "line ", line, ", column ", column);
  if (!pointer.empty()) absl::StrAppend(&text, text.empty() ? "(" : " (", pointer, ")");
  if (!text.empty()) text += ": ";
  if (severity == Severity::kWarning) text += "warning: ";
  return text + message;
}

bool CompileResult::valid() const {
  return std::none_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Diagnostic::Severity::kError;
  });
}

absl::Status CompileResult::status() const {
  if (ok()) return absl::OkStatus();
  std::string text;
  std::vector<std::pair<std::string, std::string>> violations;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::kWarning) continue;
    if (!text.empty()) text += "\n";
    text += diagnostic.ToString();
    const Place place{diagnostic.line, diagnostic.column};
    violations.emplace_back(diagnostic.pointer,
                            absl::StrCat(place.line > 0 ? absl::StrCat(place.ToString(), ": ") : "",
                                         diagnostic.message));
  }
  return DefinitionInvalidError(text, std::move(violations));
}

void DiagnosticSink::Error(Place place, absl::string_view pointer, absl::string_view message) {
  has_errors_ = true;
  Add(Diagnostic::Severity::kError, place, pointer, message);
}

void DiagnosticSink::Unsupported(Place place, absl::string_view pointer,
                                 absl::string_view message) {
  has_unsupported_ = true;
  Add(Diagnostic::Severity::kUnsupported, place, pointer, message);
}

void DiagnosticSink::Warning(Place place, absl::string_view pointer, absl::string_view message) {
  Add(Diagnostic::Severity::kWarning, place, pointer, message);
}

void DiagnosticSink::Add(Diagnostic::Severity severity, Place place, absl::string_view pointer,
                         absl::string_view message) {
  if (overflowed_) return;
  const std::string key = absl::StrCat(place.line, ":", place.column, pointer, "\n", message);
  if (!seen_.insert(key).second) return;
  if (diagnostics_.size() == diagnostics_max_) {
    overflowed_ = true;
    return;
  }
  diagnostics_.push_back(
      {severity, place.line, place.column, std::string(pointer), std::string(message)});
}

std::vector<Diagnostic> DiagnosticSink::Take() && {
  std::stable_sort(diagnostics_.begin(), diagnostics_.end(),
                   [](const Diagnostic& a, const Diagnostic& b) {
                     return std::tie(a.line, a.column) < std::tie(b.line, b.column);
                   });
  if (overflowed_) {
    const auto severity = has_errors_        ? Diagnostic::Severity::kError
                          : has_unsupported_ ? Diagnostic::Severity::kUnsupported
                                             : Diagnostic::Severity::kWarning;
    diagnostics_.push_back(
        {severity, 0, 0, "",
         absl::StrCat("there are more findings; these are the first ", diagnostics_max_)});
  }
  return std::move(diagnostics_);
}

}  // namespace skald::definition
