#include "engine/expression/parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/expression/parser_nesting.h"

namespace skald::expression {
namespace {

constexpr int kCommaPrecedence = 1;
constexpr int kAlternativePrecedence = 2;

enum class Associativity : uint8_t { kLeft, kRight, kNone };

struct Operator {
  absl::string_view text;
  int precedence;
  Associativity associativity;
  AstKind kind;
  BinaryOp op = BinaryOp::kAdd;
};

// Names of operators come as tokens of the kind kName ("and", "or"), all others as kOperator.
constexpr Operator kOperators[] = {
    {"//", kAlternativePrecedence, Associativity::kRight, AstKind::kAlternative},
    {"?//", kAlternativePrecedence, Associativity::kRight, AstKind::kAlternative},
    {"=", 3, Associativity::kNone, AstKind::kAssign},
    {"|=", 3, Associativity::kNone, AstKind::kUpdate},
    {"+=", 3, Associativity::kNone, AstKind::kArithUpdate, BinaryOp::kAdd},
    {"-=", 3, Associativity::kNone, AstKind::kArithUpdate, BinaryOp::kSub},
    {"*=", 3, Associativity::kNone, AstKind::kArithUpdate, BinaryOp::kMul},
    {"/=", 3, Associativity::kNone, AstKind::kArithUpdate, BinaryOp::kDiv},
    {"%=", 3, Associativity::kNone, AstKind::kArithUpdate, BinaryOp::kMod},
    {"//=", 3, Associativity::kNone, AstKind::kDefaultUpdate},
    {"or", 4, Associativity::kLeft, AstKind::kOr},
    {"and", 5, Associativity::kLeft, AstKind::kAnd},
    {"==", 6, Associativity::kNone, AstKind::kBinary, BinaryOp::kEq},
    {"!=", 6, Associativity::kNone, AstKind::kBinary, BinaryOp::kNe},
    {"<", 6, Associativity::kNone, AstKind::kBinary, BinaryOp::kLt},
    {"<=", 6, Associativity::kNone, AstKind::kBinary, BinaryOp::kLe},
    {">", 6, Associativity::kNone, AstKind::kBinary, BinaryOp::kGt},
    {">=", 6, Associativity::kNone, AstKind::kBinary, BinaryOp::kGe},
    {"+", 7, Associativity::kLeft, AstKind::kBinary, BinaryOp::kAdd},
    {"-", 7, Associativity::kLeft, AstKind::kBinary, BinaryOp::kSub},
    {"*", 8, Associativity::kLeft, AstKind::kBinary, BinaryOp::kMul},
    {"/", 8, Associativity::kLeft, AstKind::kBinary, BinaryOp::kDiv},
    {"%", 8, Associativity::kLeft, AstKind::kBinary, BinaryOp::kMod},
};
constexpr int kMultiplyPrecedence = 8;

const Operator* FindOperator(const Token& token) {
  if (token.kind != TokenKind::kOperator && token.kind != TokenKind::kName) return nullptr;
  for (const Operator& op : kOperators) {
    if (op.text == token.text) return &op;
  }
  return nullptr;
}

}  // namespace

bool IsKeyword(absl::string_view name) {
  constexpr absl::string_view kKeywords[] = {
      "def", "module", "import",  "include", "if",    "then",  "else", "elif", "end",
      "as",  "reduce", "foreach", "try",     "catch", "label", "and",  "or",   "__loc__"};
  return std::find(std::begin(kKeywords), std::end(kKeywords), name) != std::end(kKeywords);
}

absl::StatusOr<AstPtr> Parser::ParseProgram() {
  SKALD_RETURN_IF_ERROR(Advance());
  SKALD_RETURN_IF_ERROR(ParseDirectives());
  if (current_.kind == TokenKind::kEnd) return MakeLeaf(AstKind::kIdentity, 0);
  SKALD_ASSIGN_OR_RETURN(AstPtr program, ParsePipe());
  if (current_.kind != TokenKind::kEnd) return Unexpected("an operator or the end");
  return program;
}

absl::StatusOr<std::vector<AstPtr>> Parser::ParseDefinitions() {
  std::vector<AstPtr> definitions;
  SKALD_RETURN_IF_ERROR(Advance());
  while (AtName("def")) {
    SKALD_ASSIGN_OR_RETURN(AstPtr definition, ParseFunction());
    definitions.push_back(std::move(definition));
  }
  if (current_.kind != TokenKind::kEnd) return Unexpected("a definition");
  return definitions;
}

// Modules would read files, so none is ever loaded; what is wrong with the directive itself is said
// first.
absl::Status Parser::ParseDirectives() {
  const Token directive = current_;
  const bool module = AtName("module");
  if (!module && !AtName("import") && !AtName("include")) return absl::OkStatus();
  SKALD_RETURN_IF_ERROR(Advance());
  if (!module) {
    if (current_.kind != TokenKind::kQuote) return Unexpected("the path of a module");
    SKALD_ASSIGN_OR_RETURN(const AstPtr path, ParseString(""));
    if (path->kind != AstKind::kLiteral) {
      return lexer_.ErrorAt(path->offset, "Import path must be constant");
    }
  }
  if (module || !(AtName("as") || At(";"))) SKALD_RETURN_IF_ERROR(ParseModuleMetadata());
  return lexer_.ErrorAt(directive.offset,
                        absl::StrCat("'", directive.text, "': modules are not available"));
}

absl::Status Parser::ParseModuleMetadata() {
  SKALD_ASSIGN_OR_RETURN(const AstPtr metadata, ParseTerm());
  if (metadata->kind == AstKind::kObject) return absl::OkStatus();
  const bool constant = metadata->kind == AstKind::kLiteral || metadata->kind == AstKind::kArray;
  return lexer_.ErrorAt(metadata->offset, constant ? "Module metadata must be an object"
                                                   : "Module metadata must be constant");
}

absl::StatusOr<AstPtr> Parser::ParsePipe() {
  std::vector<AstPtr> stages;
  std::vector<uint32_t> offsets;
  for (bool more = true; more;) {
    SKALD_ASSIGN_OR_RETURN(AstPtr stage, ParseComma());
    stages.push_back(std::move(stage));
    offsets.push_back(current_.offset);
    SKALD_ASSIGN_OR_RETURN(more, TakeIf("|"));
  }
  AstPtr pipe = std::move(stages.back());
  for (size_t i = stages.size() - 1; i-- > 0;) {
    SKALD_ASSIGN_OR_RETURN(
        pipe, Make(AstKind::kPipe, offsets[i], Children(std::move(stages[i]), std::move(pipe))));
  }
  return pipe;
}

absl::StatusOr<AstPtr> Parser::ParseComma() {
  const uint32_t offset = current_.offset;
  SKALD_ASSIGN_OR_RETURN(AstPtr first, ParseBinary(kCommaPrecedence + 1));
  if (!At(",")) return first;
  std::vector<AstPtr> operands = Children(std::move(first));
  while (At(",")) {
    SKALD_RETURN_IF_ERROR(Advance());
    SKALD_ASSIGN_OR_RETURN(AstPtr operand, ParseBinary(kCommaPrecedence + 1));
    operands.push_back(std::move(operand));
  }
  return Make(AstKind::kComma, offset, std::move(operands));
}

absl::StatusOr<AstPtr> Parser::ParseBinary(int precedence_min) {
  Nesting nesting(*this);
  SKALD_RETURN_IF_ERROR(nesting.Check());
  SKALD_ASSIGN_OR_RETURN(AstPtr left, ParseOperand());
  for (;;) {
    const Operator* op = FindOperator(current_);
    if (op == nullptr || op->precedence < precedence_min) return left;
    const Token token = current_;
    SKALD_RETURN_IF_ERROR(Advance());
    const bool right_first = op->associativity == Associativity::kRight;
    SKALD_ASSIGN_OR_RETURN(AstPtr right, ParseBinary(op->precedence + (right_first ? 0 : 1)));
    SKALD_ASSIGN_OR_RETURN(left, Combine(token, std::move(left), std::move(right)));
    const Operator* next = FindOperator(current_);
    if (op->associativity == Associativity::kNone && next != nullptr &&
        next->precedence == op->precedence) {
      return Unexpected("parentheses, as this operator does not chain");
    }
  }
}

absl::StatusOr<AstPtr> Parser::Combine(const Token& token, AstPtr left, AstPtr right) {
  const Operator* op = FindOperator(token);
  if (op->text == "?//") {
    SKALD_ASSIGN_OR_RETURN(left,
                           Make(AstKind::kTry, token.offset, Children(std::move(left), AstPtr())));
  }
  SKALD_ASSIGN_OR_RETURN(AstPtr node,
                         Make(op->kind, token.offset, Children(std::move(left), std::move(right))));
  node->op = op->op;
  return node;
}

absl::StatusOr<AstPtr> Parser::ParseOperand() {
  if (At("-")) return ParseNegation();
  if (AtName("try")) return ParseTry();
  if (AtName("label")) return ParseLabel();
  if (AtName("def")) {
    SKALD_ASSIGN_OR_RETURN(AstPtr function, ParseFunction());
    SKALD_ASSIGN_OR_RETURN(AstPtr rest, ParsePipe());
    function->children.push_back(std::move(rest));
    SKALD_RETURN_IF_ERROR(Finish(*function));
    return function;
  }
  SKALD_ASSIGN_OR_RETURN(AstPtr term, ParseTerm());
  if (AtName("as")) return ParseBind(std::move(term));
  return term;
}

absl::StatusOr<AstPtr> Parser::ParseNegation() {
  const uint32_t offset = current_.offset;
  SKALD_RETURN_IF_ERROR(Advance());
  SKALD_ASSIGN_OR_RETURN(AstPtr operand, ParseBinary(kMultiplyPrecedence));
  return Make(AstKind::kNegate, offset, Children(std::move(operand)));
}

absl::StatusOr<AstPtr> Parser::ParseTry() {
  Nesting nesting(*this);
  SKALD_RETURN_IF_ERROR(nesting.Check());
  const uint32_t offset = current_.offset;
  SKALD_RETURN_IF_ERROR(Advance());
  SKALD_ASSIGN_OR_RETURN(AstPtr body, ParseOperand());
  AstPtr handler;
  if (AtName("catch")) {
    SKALD_RETURN_IF_ERROR(Advance());
    SKALD_ASSIGN_OR_RETURN(handler, ParseOperand());
  }
  return Make(AstKind::kTry, offset, Children(std::move(body), std::move(handler)));
}

absl::StatusOr<AstPtr> Parser::ParseLabel() {
  const uint32_t offset = current_.offset;
  SKALD_RETURN_IF_ERROR(Advance());
  SKALD_ASSIGN_OR_RETURN(std::string name, TakeVariableName());
  SKALD_RETURN_IF_ERROR(Expect("|"));
  SKALD_ASSIGN_OR_RETURN(AstPtr body, ParsePipe());
  SKALD_ASSIGN_OR_RETURN(AstPtr label, Make(AstKind::kLabel, offset, Children(std::move(body))));
  label->name = std::move(name);
  return label;
}

absl::StatusOr<AstPtr> Parser::ParseBind(AstPtr source) {
  const uint32_t offset = current_.offset;
  SKALD_RETURN_IF_ERROR(ExpectName("as"));
  SKALD_ASSIGN_OR_RETURN(std::vector<Pattern> patterns, ParsePatterns());
  SKALD_RETURN_IF_ERROR(Expect("|"));
  SKALD_ASSIGN_OR_RETURN(AstPtr body, ParsePipe());
  SKALD_ASSIGN_OR_RETURN(
      AstPtr bind, Make(AstKind::kBind, offset, Children(std::move(source), std::move(body))));
  bind->patterns = std::move(patterns);
  return bind;
}

absl::StatusOr<AstPtr> Parser::ParseFunction() {
  const uint32_t offset = current_.offset;
  SKALD_RETURN_IF_ERROR(ExpectName("def"));
  if (current_.kind != TokenKind::kName) return Unexpected("the name of a function");
  AstPtr function = MakeLeaf(AstKind::kFunction, offset);
  function->name = std::string(current_.text);
  SKALD_RETURN_IF_ERROR(Advance());
  if (At("(")) SKALD_RETURN_IF_ERROR(ParseParameters(*function));
  SKALD_RETURN_IF_ERROR(Expect(":"));
  SKALD_ASSIGN_OR_RETURN(AstPtr body, ParsePipe());
  SKALD_RETURN_IF_ERROR(Expect(";"));
  function->children = Children(std::move(body));
  SKALD_RETURN_IF_ERROR(Finish(*function));
  return function;
}

absl::Status Parser::ParseParameters(Ast& function) {
  do {
    SKALD_RETURN_IF_ERROR(Advance());
    Parameter parameter;
    if (At("$")) {
      parameter.is_value = true;
      SKALD_ASSIGN_OR_RETURN(parameter.name, TakeVariableName());
    } else {
      if (current_.kind != TokenKind::kName) return Unexpected("a parameter");
      parameter.name = std::string(current_.text);
      SKALD_RETURN_IF_ERROR(Advance());
    }
    function.parameters.push_back(std::move(parameter));
  } while (At(";"));
  return Expect(")");
}

absl::Status Parser::Advance() {
  SKALD_ASSIGN_OR_RETURN(current_, lexer_.Next());
  return absl::OkStatus();
}

absl::StatusOr<bool> Parser::TakeIf(absl::string_view op) {
  if (!At(op)) return false;
  SKALD_RETURN_IF_ERROR(Advance());
  return true;
}

absl::Status Parser::Expect(absl::string_view op) {
  if (!At(op)) return Unexpected(absl::StrCat("'", op, "'"));
  return Advance();
}

absl::Status Parser::ExpectName(absl::string_view name) {
  if (!AtName(name)) return Unexpected(absl::StrCat("'", name, "'"));
  return Advance();
}

// `$name`, at the `$`. Keywords are names too.
absl::StatusOr<std::string> Parser::TakeVariableName() {
  SKALD_RETURN_IF_ERROR(Expect("$"));
  if (current_.kind != TokenKind::kName) return Unexpected("the name of a variable");
  std::string name(current_.text);
  SKALD_RETURN_IF_ERROR(Advance());
  return name;
}

absl::Status Parser::Unexpected(absl::string_view expected) const {
  const std::string found = current_.kind == TokenKind::kEnd ? "the end"
                            : current_.kind == TokenKind::kQuote
                                ? "a string"
                                : absl::StrCat("'", current_.text, "'");
  return lexer_.ErrorAt(current_.offset,
                        absl::StrCat("syntax error: unexpected ", found, ", expecting ", expected));
}

absl::StatusOr<AstPtr> Parser::Make(AstKind kind, uint32_t offset, std::vector<AstPtr> children) {
  AstPtr node = MakeLeaf(kind, offset);
  node->children = std::move(children);
  SKALD_RETURN_IF_ERROR(Finish(*node));
  return node;
}

AstPtr Parser::MakeLeaf(AstKind kind, uint32_t offset) {
  AstPtr node = std::make_unique<Ast>();
  node->kind = kind;
  node->offset = offset;
  return node;
}

AstPtr Parser::MakeString(uint32_t offset, absl::string_view text) {
  AstPtr node = MakeLeaf(AstKind::kLiteral, offset);
  node->literal = Json::String(text);
  return node;
}

absl::Status Parser::Finish(Ast& node) const {
  node.binds = node.kind == AstKind::kBind || node.kind == AstKind::kReduce ||
               node.kind == AstKind::kForeach || node.kind == AstKind::kLabel;
  node.depth = 1;
  for (size_t i = 0; i < node.children.size(); ++i) {
    if (node.children[i] == nullptr) continue;
    node.depth = std::max(node.depth, node.children[i]->depth + 1);
    // The body of a definition binds in its own frame.
    const bool own_frame = node.kind == AstKind::kFunction && i == 0;
    node.binds = node.binds || (!own_frame && node.children[i]->binds);
  }
  if (node.depth <= kTreeDepthMax) return absl::OkStatus();
  return lexer_.ErrorAt(node.offset, "the expression is nested too deeply");
}

}  // namespace skald::expression
