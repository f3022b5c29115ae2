// Compiled expressions: a graph of nodes the machine walks. Names are resolved: a variable is a
// number of frames to go up and a slot there. Immutable once built. Private to engine/expression.
//
// A frame belongs to one activation of a function (or of a closure that binds variables). Functions
// and closures that neither have parameters nor bind anything are "flat": they run in the frame of
// the place they were written at.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/expression/ast.h"

namespace skald::expression {

class Machine;
struct Node;

// A function written in C++: computes one result from the input and its arguments, or returns false
// after having raised an error with the machine. It may consume its arguments.
using Native = bool (*)(Machine& machine, const Json& input, Json* arguments, Json& result);

// Functions that produce other than one result, take functions as arguments, or keep track of
// paths.
enum class Special : uint8_t {
  kEmpty,
  kError,        // list: [message]
  kRange,        // list: [from, upto, by]
  kSelect,       // closure: condition
  kMap,          // closure: function
  kMapValues,    // closure: function
  kRecurse,      // closure: children
  kFirst,        // closure: generator
  kLast,         // closure: generator
  kLimit,        // list: [count], closure: generator
  kSkip,         // list: [count], closure: generator
  kIsEmpty,      // closure: generator
  kAny,          // closures: generator, condition
  kAll,          // closures: generator, condition
  kPath,         // closure: paths
  kGetPath,      // list: [path]
  kDelete,       // closure: paths
  kPick,         // closure: paths
  kSortBy,       // closure: key
  kGroupBy,      // closure: key
  kUniqueBy,     // closure: key
  kMinBy,        // closure: key
  kMaxBy,        // closure: key
  kSubstitute,   // list: [pattern, flags], closure: replacement
  kWithEntries,  // closure: function
  kAddOf,        // closure: generator
};

enum class Op : uint8_t {
  kIdentity,
  kLiteral,      // literal
  kField,        // a: target or null for the input; keys; slot: steps for long keys
  kIndex,        // a: target, b: key
  kSlice,        // a: target, b: from or null, c: upto or null
  kIterate,      // a: target or null for the input
  kVariable,     // hops, slot
  kGlobal,       // slot: a variable of the environment
  kArray,        // a: body or null
  kObject,       // list: key, value, key, value...; a value that is null is the input's at that key
  kString,       // list: parts, kText or what is put in; format
  kText,         // literal: only in kString
  kFormat,       // format
  kNegate,       // a
  kPipe,         // a, b
  kComma,        // list
  kBinary,       // a, b, binary
  kAnd,          // a, b
  kOr,           // a, b
  kAlternative,  // a, b
  kAssign,       // closures[0]: paths, a: value
  kUpdate,       // closures: paths, function
  kArithUpdate,  // closures[0]: paths, a: value, binary
  kDefaultUpdate,  // closures[0]: paths, a: value
  kIf,             // a: condition, b, c or null for the input
  kTry,            // a: body, b: handler or null
  kReduce,         // a: source, b: initial, c: update, matchers
  kForeach,        // a: source, b: initial, c: update, d: extract or null, matchers
  kBind,           // a: source, b: body, matchers
  kCall,           // function, hops to the frame it was written in (-1: none), closures: arguments
  kCallClosure,    // hops, slot: a parameter that is a function
  kLabel,          // a: body, slot
  kBreak,          // hops, slot
  kNative,         // native, list: arguments
  kSpecial,        // special, list, closures
};

// How a value is put into a string.
enum class Format : uint8_t {
  kText,
  kJson,
  kCsv,
  kTsv,
  kHtml,
  kUri,
  kUriDecode,
  kSh,
  kBase64,
  kBase64Decode,
  kBase32,
  kBase32Decode,
};

// An argument that is a function: it is evaluated where it was written, or is a parameter passed
// on.
struct Closure {
  const Node* body = nullptr;
  uint32_t variable_count = 0;
  bool flat = true;
  // When not negative, the argument is the parameter `slot` of the frame `hops` up.
  int32_t hops = -1;
  uint32_t slot = 0;
};

// A compiled pattern.
struct Matcher {
  Pattern::Kind kind = Pattern::Kind::kVariable;
  int32_t slot = -1;              // kVariable; of an object's entry: the variable `$name`, or -1.
  const Node* key = nullptr;      // Of an object's entry.
  std::vector<Matcher> children;  // Elements; entries; of an entry: its pattern, or nothing.
};

struct Function {
  std::string name;
  uint32_t closure_count = 0;
  uint32_t variable_count = 0;
  bool flat = false;
  const Node* body = nullptr;
};

// The place of what stands nowhere in the expression's own text: the prelude's nodes.
inline constexpr uint32_t kNoOffset = UINT32_MAX;

struct Node {
  Op op = Op::kIdentity;
  BinaryOp binary = BinaryOp::kAdd;
  Format format = Format::kText;
  Special special = Special::kEmpty;
  // kField, kIndex, kSlice, kIterate: no results, instead of an error, for what cannot be accessed.
  bool optional = false;
  // Yields exactly one result, or fails.
  bool single = false;
  // Single, and Machine::One computes it without generating.
  bool direct = false;
  int32_t hops = 0;
  uint32_t slot = 0;
  // Where it stands in the expression's text, in bytes; errors name it.
  uint32_t offset = kNoOffset;
  const Node* a = nullptr;
  const Node* b = nullptr;
  const Node* c = nullptr;
  const Node* d = nullptr;
  Json literal;
  Native native = nullptr;
  const Function* function = nullptr;
  std::vector<std::string> keys;
  std::vector<uint32_t> key_offsets;  // of each key
  std::vector<const Node*> list;
  std::vector<Closure> closures;
  std::vector<Matcher> matchers;
  // All variables the matchers bind: null until bound when there are alternatives.
  std::vector<uint32_t> bound_slots;
};

// Owns the nodes and functions of a compilation.
struct Program {
  std::deque<Node> nodes;
  std::deque<Function> functions;
  const Node* main = nullptr;
  uint32_t variable_count = 0;
  // Names of the environment's variables, by slot.
  std::vector<std::string> globals;
};

}  // namespace skald::expression
