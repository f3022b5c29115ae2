// Turns the text of an expression into its tree, by recursive descent with operator precedence.
// Private to engine/expression.
//
// The grammar is jq 1.7's, with two liberties that change the meaning of no valid program: the
// value of an object's member may use operators without parentheses (`{a: .b + 1}`), and `?` may be
// followed by further suffixes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/expression/ast.h"
#include "engine/expression/lexer.h"

namespace skald::expression {

// Both bound the native stack that later walks over the tree need.
inline constexpr int kNestingMax =
    500;  // Terms and operands within each other; a bracket takes two.
inline constexpr uint32_t kTreeDepthMax = 1000;  // Also counts long chains such as 1+1+1+...

class Parser {
 public:
  explicit Parser(absl::string_view text) : lexer_(text) {}

  // Parses a whole program. INVALID_ARGUMENT with line and column otherwise.
  absl::StatusOr<AstPtr> ParseProgram();

  // Parses a list of function definitions and nothing else, as in a library: kFunction trees whose
  // second child is missing.
  absl::StatusOr<std::vector<AstPtr>> ParseDefinitions();

  const Lexer& lexer() const { return lexer_; }

 private:
  class Nesting;

  // parser.cc: operators.
  absl::StatusOr<AstPtr> ParsePipe();
  absl::StatusOr<AstPtr> ParseComma();
  absl::StatusOr<AstPtr> ParseBinary(int precedence_min);
  absl::StatusOr<AstPtr> Combine(const Token& op, AstPtr left, AstPtr right);
  absl::StatusOr<AstPtr> ParseOperand();
  absl::StatusOr<AstPtr> ParseNegation();
  absl::StatusOr<AstPtr> ParseTry();
  absl::StatusOr<AstPtr> ParseLabel();
  absl::StatusOr<AstPtr> ParseFunction();
  absl::Status ParseParameters(Ast& function);
  absl::StatusOr<AstPtr> ParseBind(AstPtr source);
  absl::Status ParseDirectives();
  absl::Status ParseModuleMetadata();

  // parser_terms.cc: what stands between operators.
  absl::StatusOr<AstPtr> ParseTerm();
  absl::StatusOr<AstPtr> ParsePrimary();
  absl::StatusOr<AstPtr> ParseNamed();
  absl::StatusOr<AstPtr> ParseCall(const Token& name);
  absl::StatusOr<AstPtr> ParseVariable();
  absl::StatusOr<AstPtr> ParseDot();
  absl::StatusOr<AstPtr> ParseBracketSuffix(AstPtr target);
  absl::StatusOr<AstPtr> ParseString(absl::string_view format);
  absl::StatusOr<AstPtr> ParseFormat();
  absl::StatusOr<AstPtr> ParseArray();
  absl::StatusOr<AstPtr> ParseObject();
  absl::Status ParseObjectEntry(Ast& object);
  absl::StatusOr<AstPtr> ParseObjectValue();
  absl::StatusOr<AstPtr> ParseIf();
  absl::StatusOr<AstPtr> ParseReduceOrForeach();

  // parser_patterns.cc
  absl::StatusOr<std::vector<Pattern>> ParsePatterns();
  absl::StatusOr<Pattern> ParsePattern();
  absl::Status ParseArrayPattern(Pattern& pattern);
  absl::Status ParseObjectPattern(Pattern& pattern);
  absl::StatusOr<Pattern::Entry> ParsePatternEntry();

  // Tokens: current_ is the one looked at.
  absl::Status Advance();
  bool At(absl::string_view op) const {
    return current_.kind == TokenKind::kOperator && current_.text == op;
  }
  bool AtName(absl::string_view name) const {
    return current_.kind == TokenKind::kName && current_.text == name;
  }
  absl::StatusOr<bool> TakeIf(absl::string_view op);
  absl::Status Expect(absl::string_view op);
  absl::Status ExpectName(absl::string_view name);
  absl::StatusOr<std::string> TakeVariableName();
  absl::Status Unexpected(absl::string_view expected) const;

  // Makes a node, and sets what follows from its children.
  absl::StatusOr<AstPtr> Make(AstKind kind, uint32_t offset, std::vector<AstPtr> children = {});
  AstPtr MakeLeaf(AstKind kind, uint32_t offset);
  AstPtr MakeString(uint32_t offset, absl::string_view text);
  absl::Status Finish(Ast& node) const;

  Lexer lexer_;
  Token current_;
  int nesting_ = 0;
};

// Whether the language reserves `name`.
bool IsKeyword(absl::string_view name);

// A vector of owned trees; initializer lists cannot hold what only moves.
template <typename... Trees>
std::vector<AstPtr> Children(Trees... trees) {
  std::vector<AstPtr> children;
  children.reserve(sizeof...(trees));
  (children.push_back(std::move(trees)), ...);
  return children;
}

}  // namespace skald::expression
