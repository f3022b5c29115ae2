// JSON writes characters past U+FFFF as two escaped surrogates, which libyaml refuses. Here they
// become the one escape YAML has for them.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace skald::definition {

// A text with its surrogate pairs joined, and what that did to columns.
class JoinedEscapes {
 public:
  // Looks for pairs only when `text` is JSON-like (begins with a bracket and has nothing that only
  // YAML has).
  explicit JoinedEscapes(absl::string_view text);

  // The text to parse. Points into the text given or into this object.
  absl::string_view text() const { return text_; }

  // The column in the text as given (both from 0) of a column in text(). `line` is from 0.
  int OriginalColumn(int line, int column) const;

 private:
  // Two columns were lost before `column` of `line`.
  struct Shift {
    int line, column;
  };

  absl::string_view text_;
  std::string joined_;
  std::vector<Shift> shifts_;  // In the order of the text.
};

}  // namespace skald::definition
