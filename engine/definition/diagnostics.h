// Collects findings while a definition is checked.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "engine/definition/compile.h"

namespace skald::definition {

// A place in the text, from 1; {0, 0} when there is none.
struct Place {
  int line = 0;
  int column = 0;

  // "line 12, column 7"
  std::string ToString() const;

  friend bool operator==(const Place&, const Place&) = default;
  friend auto operator<=>(const Place&, const Place&) = default;
};

// Findings in the order in which they are made; each once, however often its place is visited (a
// named retry policy is checked at every use). Past the bound only the first stay.
class DiagnosticSink {
 public:
  explicit DiagnosticSink(size_t diagnostics_max) : diagnostics_max_(diagnostics_max) {}

  void Error(Place place, absl::string_view pointer, absl::string_view message);
  void Unsupported(Place place, absl::string_view pointer, absl::string_view message);
  void Warning(Place place, absl::string_view pointer, absl::string_view message);

  // Neither an error nor anything unsupported was found.
  bool can_run() const { return !has_errors_ && !has_unsupported_; }
  // No more are kept: checks may stop.
  bool full() const { return overflowed_; }

  // The findings by place.
  std::vector<Diagnostic> Take() &&;

 private:
  void Add(Diagnostic::Severity severity, Place place, absl::string_view pointer,
           absl::string_view message);

  const size_t diagnostics_max_;

  std::vector<Diagnostic> diagnostics_;
  absl::flat_hash_set<std::string> seen_;
  bool has_errors_ = false;
  bool has_unsupported_ = false;
  bool overflowed_ = false;
};

}  // namespace skald::definition
