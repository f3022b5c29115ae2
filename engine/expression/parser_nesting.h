// Counts the nesting of a parser for the life of a scope. Private to parser*.cc.
#pragma once

#include "engine/expression/parser.h"

namespace skald::expression {

class Parser::Nesting {
 public:
  explicit Nesting(Parser& parser) : parser_(parser) { ++parser_.nesting_; }
  ~Nesting() { --parser_.nesting_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

  absl::Status Check() const {
    if (parser_.nesting_ <= kNestingMax) return absl::OkStatus();
    return parser_.lexer_.ErrorAt(parser_.current_.offset, "the expression is nested too deeply");
  }

 private:
  Parser& parser_;
};

}  // namespace skald::expression
