// A compiled schema: nodes (one a subschema) that hold ranges of instructions, which refer to nodes
// by id. References are resolved, so the graph may have cycles.
//
// Thread rule: immutable once compiled.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/json.h"
#include "engine/schema/decimal.h"
#include "engine/schema/format.h"
#include "engine/schema/keywords.h"
#include "engine/schema/property_table.h"
#include "engine/schema/regex.h"

namespace skald::schema {

// What an instruction checks. The comments say what of it is used, `operand` as a count or as a
// place.
enum class Op : uint8_t {
  // Any kind of value.
  kConst,       // values[operand]
  kEnum,        // choices[operand]
  kRef,         // node
  kDynamicRef,  // anchors[operand]; node when no resource in scope has the anchor
  kAllOf,       // lists[operand]
  kAnyOf,       // lists[operand]
  kOneOf,       // lists[operand]
  kNot,         // node
  kIf,          // lists[operand]: if, then, else
  // Numbers.
  kMinimum,           // values[operand]
  kExclusiveMinimum,  // values[operand]
  kMaximum,           // values[operand]
  kExclusiveMaximum,  // values[operand]
  kMultipleOf,        // divisors[operand]
  // Strings.
  kMinLength,  // operand: the count
  kMaxLength,  // operand: the count
  kPattern,    // patterns[operand]
  kFormat,     // formats[operand]
  // Arrays.
  kItems,        // lists[operand]: the prefix; node: the rest
  kContains,     // contains[operand]
  kMinItems,     // operand: the count
  kMaxItems,     // operand: the count
  kUniqueItems,  // nothing
  // Objects.
  kMembers,            // members[operand]
  kPropertyNames,      // node
  kMinProperties,      // operand: the count
  kMaxProperties,      // operand: the count
  kDependentRequired,  // dependent_names[operand]
  kDependentSchemas,   // dependent_nodes[operand]
  // After all others of the node.
  kUnevaluatedItems,       // node
  kUnevaluatedProperties,  // node
};

struct Instruction {
  Op op;
  Keyword keyword;  // What a violation names.
  NodeId node = kNoNode;
  uint64_t operand = 0;  // A count, or the place in one of the graph's tables.
};
static_assert(sizeof(Instruction) == 16);

// Instructions [begin, end) of the graph.
struct InstructionRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};

// The kinds of values that instructions differ by.
enum class Group : uint8_t { kAny, kNumber, kString, kArray, kObject, kLate };
inline constexpr int kGroupCount = 6;

// Bit k of a type mask admits values of Json::Kind k; this further bit only integers among numbers.
inline constexpr uint8_t kIntegerType = 0x80;
inline constexpr uint8_t kNumberType = 1 << static_cast<int>(Json::Kind::kNumber);
inline constexpr uint8_t kAllTypes = 0x7f;

struct Node {
  // What evaluation has to look at: nothing, nothing, `types`, `types` and the groups.
  enum class Form : uint8_t { kAccepts, kRejects, kTypes, kKeywords };

  Form form = Form::kAccepts;
  uint8_t types = kAllTypes;
  uint32_t resource = 0;  // The schema resource it lies in, for dynamic references.
  InstructionRange groups[kGroupCount] = {};

  const InstructionRange& group(Group which) const { return groups[static_cast<int>(which)]; }
};

struct Pattern {
  Regex regex;
  std::string text;
};

struct Format {
  FormatCheck* check;
  std::string name;
};

struct PatternProperty {
  Pattern pattern;
  NodeId node;
};

// properties, patternProperties, additionalProperties and required: one pass over the members.
struct MemberRules {
  PropertyTable properties;
  size_t required_count = 0;
  std::vector<PatternProperty> patterns;
  NodeId additional = kNoNode;
};

struct ContainsRule {
  NodeId node = kNoNode;
  uint64_t count_min = 1;
  uint64_t count_max = UINT64_MAX;
};

// A $dynamicAnchor: which node has it in which resource.
struct DynamicAnchor {
  std::string name;
  std::vector<std::pair<uint32_t, NodeId>> nodes;  // By resource, ascending.
};

struct Graph {
  NodeId root = 0;
  int64_t steps_max = 0;
  bool has_dynamic_refs = false;

  std::vector<Node> nodes;
  std::vector<std::string> locations;  // Of each node: a pointer into the schema, or URI#pointer.
  std::vector<Instruction> instructions;

  std::vector<Json> values;
  std::vector<std::vector<Json>> choices;  // Sorted.
  std::vector<std::vector<NodeId>> lists;
  std::vector<Divisor> divisors;
  std::vector<Pattern> patterns;
  std::vector<Format> formats;
  std::vector<MemberRules> members;
  std::vector<ContainsRule> contains;
  std::vector<std::vector<std::pair<std::string, std::vector<std::string>>>> dependent_names;
  std::vector<std::vector<std::pair<std::string, NodeId>>> dependent_nodes;
  std::vector<DynamicAnchor> anchors;
};

}  // namespace skald::schema
