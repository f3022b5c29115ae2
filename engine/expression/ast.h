// What the parser makes of an expression's text: the tree the compiler resolves names in. Private
// to engine/expression.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace skald::expression {

// The forms of the language. The comment gives the meaning of Ast::children.
enum class AstKind : uint8_t {
  kIdentity,       // .
  kRecurse,        // ..
  kLiteral,        // a number, or a string without interpolation: `literal`
  kString,         // an interpolated string: its parts (kLiteral: text, kHole: the rest) in order;
                   // `name`: the format, or empty
  kHole,           // [what is put into a string]
  kFormat,         // @json: `name`
  kVariable,       // $x: `name`
  kIndex,          // [target, key]
  kSlice,          // [target, from or null, upto or null]
  kIterate,        // [target]
  kArray,          // [body] or nothing
  kObject,         // key, value, key, value...
  kNegate,         // [operand]
  kPipe,           // [left, right]
  kComma,          // two or more operands
  kBinary,         // [left, right]: arithmetic and comparison, `op`
  kAnd,            // [left, right]
  kOr,             // [left, right]
  kAlternative,    // [left, right]: //
  kAssign,         // [paths, value]: =
  kUpdate,         // [paths, function]: |=
  kArithUpdate,    // [paths, value]: += and the like, `op`
  kDefaultUpdate,  // [paths, value]: //=
  kIf,             // [condition, then, else or null]
  kTry,            // [body, handler or null]
  kReduce,         // [source, initial, update], `patterns`
  kForeach,        // [source, initial, update, extract or null], `patterns`
  kBind,           // [source, body], `patterns`: source as $x | body
  kFunction,       // [definition's body, what follows], `name`, `parameters`
  kCall,           // arguments, `name`
  kLabel,          // [body], `name`
  kBreak,          // `name`
};

// The operators of kBinary and kArithUpdate.
enum class BinaryOp : uint8_t { kAdd, kSub, kMul, kDiv, kMod, kEq, kNe, kLt, kLe, kGt, kGe };

struct Ast;
using AstPtr = std::unique_ptr<Ast>;

// What a value is taken apart into: `$x`, `[p, q]`, `{a: p, $b}`.
struct Pattern {
  struct Entry;
  enum class Kind : uint8_t { kVariable, kArray, kObject };

  Kind kind = Kind::kVariable;
  uint32_t offset = 0;
  std::string name;               // kVariable
  std::vector<Pattern> elements;  // kArray
  std::vector<Entry> entries;     // kObject
};

// One entry of an object pattern.
struct Pattern::Entry {
  AstPtr key;
  std::string name;            // The variable of `{$name}` and `{$name: pattern}`, or empty.
  std::vector<Pattern> value;  // One pattern, or none.
};

// A parameter of a function: `f` or `$f`.
struct Parameter {
  std::string name;
  bool is_value = false;
};

struct Ast {
  AstKind kind = AstKind::kIdentity;
  BinaryOp op = BinaryOp::kAdd;
  // kIndex, kSlice, kIterate with `?`: what cannot be accessed has no results.
  bool optional = false;
  // Whether anything below binds variables, so that evaluating it twice at once needs two frames.
  bool binds = false;
  uint32_t offset = 0;
  uint32_t depth = 1;
  std::string name;
  Json literal;
  std::vector<AstPtr> children;
  std::vector<Pattern> patterns;
  std::vector<Parameter> parameters;
};

}  // namespace skald::expression
