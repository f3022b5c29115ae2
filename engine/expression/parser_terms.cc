// Terms: what stands between operators, with its suffixes.
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/expression/parser.h"
#include "engine/expression/parser_nesting.h"

namespace skald::expression {
namespace {

// A number as JSON writes it: `.5`, `1.` and `007` are numbers here, but not there.
std::string NormalizeNumber(absl::string_view text) {
  size_t begin = 0;
  while (begin + 1 < text.size() && text[begin] == '0' && text[begin + 1] >= '0' &&
         text[begin + 1] <= '9') {
    ++begin;
  }
  const absl::string_view rest = text.substr(begin);
  std::string number = absl::StrCat(rest[0] == '.' ? "0" : "", rest);
  const size_t point = number.find('.');
  if (point != std::string::npos &&
      (point + 1 == number.size() || number[point + 1] < '0' || number[point + 1] > '9')) {
    number.erase(point, 1);
  }
  return number;
}

}  // namespace

absl::StatusOr<AstPtr> Parser::ParseTerm() {
  Nesting nesting(*this);
  SKALD_RETURN_IF_ERROR(nesting.Check());
  const bool dot = At(".");
  SKALD_ASSIGN_OR_RETURN(AstPtr term, ParsePrimary());
  // Whether the last suffix is an access: then a `?` belongs to it alone, and not to the whole
  // term.
  bool accessed = dot && term->kind == AstKind::kIndex;
  for (;;) {
    const uint32_t offset = current_.offset;
    if (At("?")) {
      SKALD_RETURN_IF_ERROR(Advance());
      if (std::exchange(accessed, false)) {
        term->optional = true;
      } else {
        SKALD_ASSIGN_OR_RETURN(term,
                               Make(AstKind::kTry, offset, Children(std::move(term), AstPtr())));
      }
      continue;
    }
    const bool after_dot = At(".");
    if (after_dot) SKALD_RETURN_IF_ERROR(Advance());
    AstPtr key;
    if (At("[")) {
      SKALD_ASSIGN_OR_RETURN(term, ParseBracketSuffix(std::move(term)));
    } else if (after_dot && current_.kind == TokenKind::kQuote) {
      SKALD_ASSIGN_OR_RETURN(key, ParseString(""));
    } else if (after_dot) {
      return Unexpected("a key or '['");
    } else if (current_.kind == TokenKind::kField) {
      key = MakeString(offset, current_.text);
      SKALD_RETURN_IF_ERROR(Advance());
    } else {
      return term;
    }
    if (key != nullptr) {
      SKALD_ASSIGN_OR_RETURN(
          term, Make(AstKind::kIndex, offset, Children(std::move(term), std::move(key))));
    }
    accessed = true;
  }
}

absl::StatusOr<AstPtr> Parser::ParsePrimary() {
  const uint32_t offset = current_.offset;
  switch (current_.kind) {
    case TokenKind::kEnd:
      return Unexpected("a term");
    case TokenKind::kName:
      return ParseNamed();
    case TokenKind::kField:  // A suffix of an unwritten dot.
      return MakeLeaf(AstKind::kIdentity, offset);
    case TokenKind::kNumber: {
      AstPtr number = MakeLeaf(AstKind::kLiteral, offset);
      number->literal = Json::Number(NormalizeNumber(current_.text));
      SKALD_RETURN_IF_ERROR(Advance());
      return number;
    }
    case TokenKind::kFormat:
      return ParseFormat();
    case TokenKind::kQuote:
      return ParseString("");
    case TokenKind::kOperator:
      break;
  }
  if (At(".")) return ParseDot();
  if (At("$")) return ParseVariable();
  if (At("[")) return ParseArray();
  if (At("{")) return ParseObject();
  if (At("..")) {
    SKALD_RETURN_IF_ERROR(Advance());
    return MakeLeaf(AstKind::kRecurse, offset);
  }
  if (!At("(")) return Unexpected("a term");
  SKALD_RETURN_IF_ERROR(Advance());
  SKALD_ASSIGN_OR_RETURN(AstPtr inner, ParsePipe());
  SKALD_RETURN_IF_ERROR(Expect(")"));
  return inner;
}

absl::StatusOr<AstPtr> Parser::ParseNamed() {
  const Token name = current_;
  if (name.text == "if") return ParseIf();
  if (name.text == "reduce" || name.text == "foreach") return ParseReduceOrForeach();
  if (name.text == "break") {
    SKALD_RETURN_IF_ERROR(Advance());
    AstPtr node = MakeLeaf(AstKind::kBreak, name.offset);
    SKALD_ASSIGN_OR_RETURN(node->name, TakeVariableName());
    return node;
  }
  if (IsKeyword(name.text)) return Unexpected("a term");
  SKALD_RETURN_IF_ERROR(Advance());
  return ParseCall(name);
}

absl::StatusOr<AstPtr> Parser::ParseCall(const Token& name) {
  std::vector<AstPtr> arguments;
  if (At("(")) {
    do {
      SKALD_RETURN_IF_ERROR(Advance());
      SKALD_ASSIGN_OR_RETURN(AstPtr argument, ParsePipe());
      arguments.push_back(std::move(argument));
    } while (At(";"));
    SKALD_RETURN_IF_ERROR(Expect(")"));
  }
  SKALD_ASSIGN_OR_RETURN(AstPtr call, Make(AstKind::kCall, name.offset, std::move(arguments)));
  call->name = std::string(name.text);
  return call;
}

absl::StatusOr<AstPtr> Parser::ParseVariable() {
  const uint32_t offset = current_.offset;
  SKALD_ASSIGN_OR_RETURN(std::string name, TakeVariableName());
  if (name == "__loc__") {
    AstPtr place = MakeLeaf(AstKind::kLiteral, offset);
    place->literal = Json::EmptyObject()
                         .With("file", Json::String("<top-level>"))
                         .With("line", Json::Int(lexer_.LineOf(offset)));
    return place;
  }
  AstPtr variable = MakeLeaf(AstKind::kVariable, offset);
  variable->name = std::move(name);
  return variable;
}

// `.`, or `."key"`; what else may follow is a suffix.
absl::StatusOr<AstPtr> Parser::ParseDot() {
  const uint32_t offset = current_.offset;
  SKALD_RETURN_IF_ERROR(Advance());
  AstPtr dot = MakeLeaf(AstKind::kIdentity, offset);
  if (current_.kind != TokenKind::kQuote) return dot;
  SKALD_ASSIGN_OR_RETURN(AstPtr key, ParseString(""));
  return Make(AstKind::kIndex, offset, Children(std::move(dot), std::move(key)));
}

absl::StatusOr<AstPtr> Parser::ParseBracketSuffix(AstPtr target) {
  const uint32_t offset = current_.offset;
  SKALD_RETURN_IF_ERROR(Expect("["));
  SKALD_ASSIGN_OR_RETURN(const bool iterate, TakeIf("]"));
  if (iterate) return Make(AstKind::kIterate, offset, Children(std::move(target)));
  AstPtr from;
  AstPtr upto;
  if (!At(":")) {
    SKALD_ASSIGN_OR_RETURN(from, ParsePipe());
  }
  SKALD_ASSIGN_OR_RETURN(const bool slice, TakeIf(":"));
  if (slice && (from == nullptr || !At("]"))) {
    SKALD_ASSIGN_OR_RETURN(upto, ParsePipe());
  }
  SKALD_RETURN_IF_ERROR(Expect("]"));
  if (!slice) {
    return Make(AstKind::kIndex, offset, Children(std::move(target), std::move(from)));
  }
  return Make(AstKind::kSlice, offset,
              Children(std::move(target), std::move(from), std::move(upto)));
}

// At the opening quote; the lexer stands behind it. After `\(` the parser reads tokens up to the
// closing parenthesis, behind which the lexer goes on with the string.
absl::StatusOr<AstPtr> Parser::ParseString(absl::string_view format) {
  const uint32_t offset = current_.offset;
  std::vector<AstPtr> parts;
  for (;;) {
    const uint32_t part_offset = current_.offset;
    SKALD_ASSIGN_OR_RETURN(const StringPart part, lexer_.ReadStringPart());
    if (!part.interpolation && parts.empty()) {
      SKALD_RETURN_IF_ERROR(Advance());
      return MakeString(offset, part.text);
    }
    if (!part.text.empty()) parts.push_back(MakeString(part_offset, part.text));
    if (!part.interpolation) break;
    SKALD_RETURN_IF_ERROR(Advance());
    SKALD_ASSIGN_OR_RETURN(AstPtr inner, ParsePipe());
    if (!At(")")) return Unexpected("')'");
    SKALD_ASSIGN_OR_RETURN(inner, Make(AstKind::kHole, part_offset, Children(std::move(inner))));
    parts.push_back(std::move(inner));
  }
  SKALD_RETURN_IF_ERROR(Advance());
  SKALD_ASSIGN_OR_RETURN(AstPtr node, Make(AstKind::kString, offset, std::move(parts)));
  node->name = std::string(format);
  return node;
}

absl::StatusOr<AstPtr> Parser::ParseFormat() {
  const Token format = current_;
  SKALD_RETURN_IF_ERROR(Advance());
  if (current_.kind == TokenKind::kQuote) return ParseString(format.text);
  AstPtr node = MakeLeaf(AstKind::kFormat, format.offset);
  node->name = std::string(format.text);
  return node;
}

absl::StatusOr<AstPtr> Parser::ParseArray() {
  const uint32_t offset = current_.offset;
  SKALD_RETURN_IF_ERROR(Advance());
  SKALD_ASSIGN_OR_RETURN(const bool empty, TakeIf("]"));
  if (empty) return MakeLeaf(AstKind::kArray, offset);
  SKALD_ASSIGN_OR_RETURN(AstPtr body, ParsePipe());
  SKALD_RETURN_IF_ERROR(Expect("]"));
  return Make(AstKind::kArray, offset, Children(std::move(body)));
}

absl::StatusOr<AstPtr> Parser::ParseObject() {
  AstPtr object = MakeLeaf(AstKind::kObject, current_.offset);
  SKALD_RETURN_IF_ERROR(Advance());
  while (!At("}")) {
    SKALD_RETURN_IF_ERROR(ParseObjectEntry(*object));
    if (At("}")) break;
    SKALD_RETURN_IF_ERROR(Expect(","));
    if (At("}")) return Unexpected("a key");
  }
  SKALD_RETURN_IF_ERROR(Advance());
  SKALD_RETURN_IF_ERROR(Finish(*object));
  return object;
}

absl::Status Parser::ParseObjectEntry(Ast& object) {
  const uint32_t offset = current_.offset;
  AstPtr key;
  AstPtr value;
  bool needs_value = false;
  if (At("$")) {
    SKALD_ASSIGN_OR_RETURN(value, ParseVariable());
    key = MakeString(offset, value->kind == AstKind::kLiteral ? "__loc__" : value->name);
    if (At(":")) key = std::move(value);
  } else if (current_.kind == TokenKind::kName) {
    key = MakeString(offset, current_.text);
    SKALD_RETURN_IF_ERROR(Advance());
  } else if (current_.kind == TokenKind::kQuote) {
    SKALD_ASSIGN_OR_RETURN(key, ParseString(""));
  } else if (current_.kind == TokenKind::kFormat) {
    SKALD_ASSIGN_OR_RETURN(key, ParseFormat());
    if (key->kind == AstKind::kFormat) return Unexpected("a string");
  } else if (At("(")) {
    SKALD_RETURN_IF_ERROR(Advance());
    SKALD_ASSIGN_OR_RETURN(key, ParsePipe());
    SKALD_RETURN_IF_ERROR(Expect(")"));
    needs_value = true;
  } else {
    return Unexpected("a key (an expression needs parentheses)");
  }
  if (needs_value || At(":")) {
    SKALD_RETURN_IF_ERROR(Expect(":"));
    SKALD_ASSIGN_OR_RETURN(value, ParseObjectValue());
  }
  object.children.push_back(std::move(key));
  object.children.push_back(std::move(value));
  return absl::OkStatus();
}

// Commas separate members here; everything that binds tighter is part of the value, and so are
// pipes.
absl::StatusOr<AstPtr> Parser::ParseObjectValue() {
  constexpr int kTighterThanComma = 2;
  Nesting nesting(*this);
  SKALD_RETURN_IF_ERROR(nesting.Check());
  SKALD_ASSIGN_OR_RETURN(AstPtr value, ParseBinary(kTighterThanComma));
  if (!At("|")) return value;
  const uint32_t offset = current_.offset;
  SKALD_RETURN_IF_ERROR(Advance());
  SKALD_ASSIGN_OR_RETURN(AstPtr rest, ParseObjectValue());
  return Make(AstKind::kPipe, offset, Children(std::move(value), std::move(rest)));
}

// At `if` or `elif`.
absl::StatusOr<AstPtr> Parser::ParseIf() {
  const uint32_t offset = current_.offset;
  // An `elif` nests in the tree, but not in the text: the chain is built from its end.
  std::vector<AstPtr> conditions;
  std::vector<AstPtr> branches;
  do {
    SKALD_RETURN_IF_ERROR(Advance());
    SKALD_ASSIGN_OR_RETURN(AstPtr condition, ParsePipe());
    SKALD_RETURN_IF_ERROR(ExpectName("then"));
    SKALD_ASSIGN_OR_RETURN(AstPtr branch, ParsePipe());
    conditions.push_back(std::move(condition));
    branches.push_back(std::move(branch));
  } while (AtName("elif"));
  AstPtr otherwise;
  if (AtName("else")) {
    SKALD_RETURN_IF_ERROR(Advance());
    SKALD_ASSIGN_OR_RETURN(otherwise, ParsePipe());
  }
  SKALD_RETURN_IF_ERROR(ExpectName("end"));
  for (size_t i = conditions.size(); i-- > 0;) {
    SKALD_ASSIGN_OR_RETURN(otherwise, Make(AstKind::kIf, offset,
                                           Children(std::move(conditions[i]),
                                                    std::move(branches[i]), std::move(otherwise))));
  }
  return otherwise;
}

absl::StatusOr<AstPtr> Parser::ParseReduceOrForeach() {
  const uint32_t offset = current_.offset;
  const AstKind kind = AtName("reduce") ? AstKind::kReduce : AstKind::kForeach;
  SKALD_RETURN_IF_ERROR(Advance());
  SKALD_ASSIGN_OR_RETURN(AstPtr source, ParseTerm());
  SKALD_RETURN_IF_ERROR(ExpectName("as"));
  SKALD_ASSIGN_OR_RETURN(std::vector<Pattern> patterns, ParsePatterns());
  SKALD_RETURN_IF_ERROR(Expect("("));
  SKALD_ASSIGN_OR_RETURN(AstPtr initial, ParsePipe());
  SKALD_RETURN_IF_ERROR(Expect(";"));
  SKALD_ASSIGN_OR_RETURN(AstPtr update, ParsePipe());
  AstPtr extract;
  if (kind == AstKind::kForeach && At(";")) {
    SKALD_RETURN_IF_ERROR(Advance());
    SKALD_ASSIGN_OR_RETURN(extract, ParsePipe());
  }
  SKALD_RETURN_IF_ERROR(Expect(")"));
  std::vector<AstPtr> children = Children(std::move(source), std::move(initial), std::move(update));
  if (kind == AstKind::kForeach) children.push_back(std::move(extract));
  SKALD_ASSIGN_OR_RETURN(AstPtr node, Make(kind, offset, std::move(children)));
  node->patterns = std::move(patterns);
  return node;
}

}  // namespace skald::expression
