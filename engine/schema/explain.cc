// The evaluator's violations: pointers and sentences. Runs only when somebody wants to know why.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "engine/schema/evaluator.h"

namespace skald::schema {
namespace {

std::string Quoted(absl::string_view text) { return absl::StrCat("'", text, "'"); }

// The text of a value, cut when it is long.
std::string Shown(const Json& value) {
  constexpr size_t kBytesMax = 60;
  if (value.ApproximateBytes() > 16 * kBytesMax) {
    return absl::StrCat("this ", std::string(value.KindName()));
  }
  std::string text = value.ToText();
  return text.size() <= kBytesMax ? text : absl::StrCat("this ", std::string(value.KindName()));
}

std::string TypeNames(uint8_t types) {
  constexpr std::pair<uint8_t, absl::string_view> kNames[] = {
      {1 << static_cast<int>(Json::Kind::kNull), "null"},
      {1 << static_cast<int>(Json::Kind::kTrue), "boolean"},
      {kNumberType, "number"},
      {kIntegerType, "integer"},
      {1 << static_cast<int>(Json::Kind::kString), "string"},
      {1 << static_cast<int>(Json::Kind::kArray), "array"},
      {1 << static_cast<int>(Json::Kind::kObject), "object"},
  };
  std::vector<absl::string_view> names;
  for (const auto& [bit, name] : kNames) {
    if ((types & bit) != 0) names.push_back(name);
  }
  return names.empty() ? "nothing" : absl::StrJoin(names, " or ");
}

// The keyword that a place like "/properties/name" or "/items" belongs to.
std::string KeywordOf(absl::string_view location) {
  const std::vector<std::string> tokens = absl::StrSplit(location, '/');
  if (tokens.size() > 2) {
    const std::string& holder = tokens[tokens.size() - 2];
    const std::optional<Keyword> keyword = FindKeyword(holder);
    if (keyword.has_value() && (Info(*keyword).subschemas == Subschemas::kMap ||
                                Info(*keyword).subschemas == Subschemas::kArray)) {
      return holder;
    }
  }
  return tokens.size() > 1 ? tokens.back() : "";
}

}  // namespace

bool Evaluator::Report(NodeId id, Keyword keyword, const Place& place, std::string message) {
  if (!Collecting()) return false;
  std::vector<std::string> tokens;
  for (const Step* step = place.step; step != nullptr; step = step->parent) {
    if (step->name == nullptr) {
      tokens.push_back(absl::StrCat(step->index));
    } else {
      tokens.push_back(absl::StrReplaceAll(step->name->AsString(), {{"~", "~0"}, {"/", "~1"}}));
    }
  }
  std::string instance_pointer;
  for (auto token = tokens.rbegin(); token != tokens.rend(); ++token) {
    absl::StrAppend(&instance_pointer, "/", *token);
  }
  const std::string name(Info(keyword).name);
  collector_->violations.push_back({.instance_pointer = std::move(instance_pointer),
                                    .schema_pointer = absl::StrCat(graph_.locations[id], "/", name),
                                    .keyword = name,
                                    .message = std::move(message)});
  return false;
}

bool Evaluator::ReportFailure(NodeId id, const Instruction& instruction, const Json& value,
                              const Place& place) {
  if (!Collecting()) return false;
  const Op op = instruction.op;
  if (op == Op::kMinLength || op == Op::kMaxLength || op == Op::kMinItems || op == Op::kMaxItems ||
      op == Op::kMinProperties || op == Op::kMaxProperties) {
    return Report(id, instruction.keyword, place, DescribeCount(instruction, value));
  }
  return Report(
      id, instruction.keyword, place,
      absl::StrCat("Expected ", DescribeExpected(instruction), ", but got ", Shown(value), "."));
}

bool Evaluator::ReportType(NodeId id, const Json& value, const Place& place) {
  if (!Collecting()) return false;
  return Report(
      id, Keyword::kType, place,
      absl::StrCat("Expected ", TypeNames(graph_.nodes[id].types), ", but got ",
                   value.is_number() ? Shown(value) : std::string(value.KindName()), "."));
}

bool Evaluator::ReportRejection(NodeId id, const Place& place) {
  if (!Collecting()) return false;
  const std::string keyword = KeywordOf(graph_.locations[id]);
  const Step* step = place.step;
  std::string message = "No value is allowed here.";
  if (step != nullptr && step->name != nullptr) {
    message = absl::StrCat("The property ", Quoted(step->name->AsString()), " is not allowed.");
  } else if (step != nullptr) {
    message = absl::StrCat("The element ", step->index, " is not allowed.");
  }
  Report(id, Keyword::kNot, place, std::move(message));
  // There is no keyword inside the schema `false`; the one that holds it says what is meant.
  collector_->violations.back().schema_pointer = graph_.locations[id];
  collector_->violations.back().keyword = keyword;
  return false;
}

bool Evaluator::ReportMissing(NodeId id, const MemberRules& rules, const Json& value,
                              const Place& place) {
  for (const Property& property : rules.properties.properties()) {
    if (!Collecting()) break;
    if (!property.required || value.Find(property.name) != nullptr) continue;
    Report(id, Keyword::kRequired, place,
           absl::StrCat("The property ", Quoted(property.name), " is missing."));
  }
  return false;
}

bool Evaluator::ReportDependent(NodeId id, absl::string_view name, absl::string_view missing,
                                const Place& place) {
  if (!Collecting()) return false;
  return Report(id, Keyword::kDependentRequired, place,
                absl::StrCat("The property ", Quoted(missing), " is missing, which ", Quoted(name),
                             " needs."));
}

bool Evaluator::ReportBadName(NodeId id, const Instruction& instruction, const Json& name,
                              const Place& place) {
  if (!Collecting()) return false;
  Collector inner{.violations = {}, .max = 1};
  Collector* const outer = std::exchange(collector_, &inner);
  Evaluate(instruction.node, name, {.scope = place.scope});
  collector_ = outer;
  return Report(id, instruction.keyword, place,
                absl::StrCat("The property name ", Quoted(name.AsString()), " does not fit: ",
                             inner.violations.empty() ? "" : inner.violations[0].message));
}

void Evaluator::ReportClosest(const Instruction& instruction, const Json& value,
                              const Place& place) {
  if (!Collecting()) return;
  // An alternative for another type is further away than any that fails deeper.
  constexpr size_t kWrongType = 1000;
  Collector* const outer = collector_;
  // That no alternative fits has just been reported.
  const std::string here = outer->violations.back().instance_pointer;
  std::vector<Violation> closest;
  size_t distance_min = SIZE_MAX;
  for (const NodeId node : graph_.lists[instruction.operand]) {
    Collector inner{.violations = {}, .max = outer->max - outer->violations.size()};
    collector_ = &inner;
    Evaluate(node, value, {.scope = place.scope, .step = place.step});
    collector_ = outer;
    size_t distance = inner.violations.size();
    if (distance == 0) continue;
    const std::string& keyword = inner.violations[0].keyword;
    if (inner.violations[0].instance_pointer == here &&
        (keyword == "type" || keyword == "const" || keyword == "enum")) {
      distance += kWrongType;
    }
    if (distance < distance_min) {
      distance_min = distance;
      closest = std::move(inner.violations);
    }
  }
  // With one violation of the type an alternative says no more than `anyOf` itself.
  if (distance_min == kWrongType + 1 && graph_.lists[instruction.operand].size() > 1) return;
  // What alternatives evaluate is not known now; do not call all of it unevaluated as well.
  if (place.evaluated != nullptr) place.evaluated->MarkAll();
  for (Violation& violation : closest) {
    if (!outer->full()) outer->violations.push_back(std::move(violation));
  }
}

// "Expected at least 3 elements, but got 2." Precondition: the operand is a count.
std::string Evaluator::DescribeCount(const Instruction& instruction, const Json& value) const {
  const bool is_minimum = instruction.op == Op::kMinLength || instruction.op == Op::kMinItems ||
                          instruction.op == Op::kMinProperties;
  const bool is_one = instruction.operand == 1;
  const absl::string_view parts = value.is_string()  ? (is_one ? "character" : "characters")
                                  : value.is_array() ? (is_one ? "element" : "elements")
                                                     : (is_one ? "property" : "properties");
  return absl::StrCat("Expected at ", is_minimum ? "least " : "most ", instruction.operand, " ",
                      parts, ", but got ", value.Size(), ".");
}

std::string Evaluator::DescribeChoices(const Instruction& instruction) const {
  constexpr size_t kShownMax = 10;
  const std::vector<Json>& choices = graph_.choices[instruction.operand];
  std::vector<std::string> texts;
  for (size_t i = 0; i < std::min(choices.size(), kShownMax); ++i) {
    texts.push_back(Shown(choices[i]));
  }
  if (choices.size() > kShownMax) texts.push_back("…");
  return absl::StrCat("one of ", absl::StrJoin(texts, ", "));
}

// What the value should have been, to go between "Expected " and ", but got …".
std::string Evaluator::DescribeExpected(const Instruction& instruction) const {
  const uint64_t index = instruction.operand;
  switch (instruction.op) {
    case Op::kConst:
      return Shown(graph_.values[index]);
    case Op::kEnum:
      return DescribeChoices(instruction);
    case Op::kMinimum:
      return absl::StrCat("at least ", Shown(graph_.values[index]));
    case Op::kExclusiveMinimum:
      return absl::StrCat("more than ", Shown(graph_.values[index]));
    case Op::kMaximum:
      return absl::StrCat("at most ", Shown(graph_.values[index]));
    case Op::kExclusiveMaximum:
      return absl::StrCat("less than ", Shown(graph_.values[index]));
    case Op::kMultipleOf:
      return absl::StrCat("a multiple of ", Shown(graph_.divisors[index].number()));
    case Op::kPattern:
      return absl::StrCat("a text that matches ", Quoted(graph_.patterns[index].text));
    case Op::kFormat:
      return absl::StrCat("the format ", Quoted(graph_.formats[index].name));
    case Op::kAnyOf:
      return absl::StrCat("to fit one of ", graph_.lists[index].size(), " alternatives");
    case Op::kOneOf:
      return absl::StrCat("to fit exactly one of ", graph_.lists[index].size(), " alternatives");
    case Op::kNot:
      return "not to fit";
    case Op::kContains: {
      const ContainsRule& rule = graph_.contains[index];
      std::string text = absl::StrCat("at least ", rule.count_min);
      if (rule.count_max != UINT64_MAX) absl::StrAppend(&text, " and at most ", rule.count_max);
      return absl::StrCat(text, " of the elements to fit");
    }
    case Op::kUniqueItems:
      return "distinct elements";
    case Op::kDependentRequired:
    case Op::kRef:
    case Op::kDynamicRef:
    case Op::kAllOf:
    case Op::kIf:
    case Op::kItems:
    case Op::kMembers:
    case Op::kPropertyNames:
    case Op::kDependentSchemas:
    case Op::kUnevaluatedItems:
    case Op::kUnevaluatedProperties:
    case Op::kMinLength:
    case Op::kMaxLength:
    case Op::kMinItems:
    case Op::kMaxItems:
    case Op::kMinProperties:
    case Op::kMaxProperties:
      break;  // These report in their own words, or only what lies below them.
  }
  return "to fit";
}

}  // namespace skald::schema
