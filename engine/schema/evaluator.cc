#include "engine/schema/evaluator.h"

#include <algorithm>
#include <utility>

namespace skald::schema {

bool Evaluator::Run(const Json& value) {
  const Scope scope{.outer = nullptr, .resource = graph_.nodes[graph_.root].resource};
  return Evaluate(graph_.root, value, {.scope = &scope}) && !stopped_;
}

std::vector<Violation> Evaluator::Explain(const Json& value, size_t max) {
  Collector collector{.violations = {}, .max = max};
  collector_ = &collector;
  Run(value);
  collector_ = nullptr;
  if (stopped_) {
    if (!collector.violations.empty() && collector.full()) collector.violations.pop_back();
    collector.violations.push_back({.instance_pointer = "",
                                    .schema_pointer = graph_.locations[graph_.root],
                                    .keyword = "",
                                    .message = std::string(stop_reason_)});
  }
  return std::move(collector.violations);
}

bool Evaluator::Stop(absl::string_view reason) {
  if (!stopped_) stop_reason_ = reason;
  stopped_ = true;
  return false;
}

bool Evaluator::HasType(const Node& node, const Json& value) {
  if (((node.types >> static_cast<int>(value.kind())) & 1) != 0) return true;
  return (node.types & kIntegerType) != 0 && value.is_number() && IsIntegral(value);
}

bool Evaluator::Evaluate(NodeId id, const Json& value, const Place& place) {
  const Node& node = graph_.nodes[id];
  if (node.form == Node::Form::kAccepts) return true;
  if (stopped_) return false;
  if (node.form == Node::Form::kRejects) return ReportRejection(id, place);
  // Other violations of a value of the wrong type would only repeat that.
  if (!HasType(node, value)) return ReportType(id, value, place);
  if (node.form == Node::Form::kTypes) return true;
  if (depth_ == kDepthMax) return Stop("The schema leads too deep, perhaps back to itself.");
  ++depth_;
  const bool fits = graph_.has_dynamic_refs ? EnterResource(id, value, place)
                                            : EvaluateKeywords(id, value, place);
  --depth_;
  return fits;
}

bool Evaluator::EnterResource(NodeId id, const Json& value, const Place& place) {
  const uint32_t resource = graph_.nodes[id].resource;
  // Dynamic references take the outermost anchor, so entering a resource again changes nothing.
  for (const Scope* scope = place.scope; scope != nullptr; scope = scope->outer) {
    if (scope->resource == resource) return EvaluateKeywords(id, value, place);
  }
  const Scope scope{.outer = place.scope, .resource = resource};
  return EvaluateKeywords(id, value,
                          {.scope = &scope, .step = place.step, .evaluated = place.evaluated});
}

bool Evaluator::EvaluateKeywords(NodeId id, const Json& value, const Place& place) {
  const Node& node = graph_.nodes[id];
  const InstructionRange late = node.group(Group::kLate);
  if (late.begin != late.end && (value.is_array() || value.is_object())) {
    return EvaluateTracked(id, value, place);
  }
  return RunGroups(id, value, place);
}

bool Evaluator::EvaluateTracked(NodeId id, const Json& value, const Place& place) {
  Evaluated evaluated(value.Size());
  const Place inner{.scope = place.scope, .step = place.step, .evaluated = &evaluated};
  bool fits = RunGroups(id, value, inner);
  if (!fits && !Collecting()) return false;
  fits = RunGroup(id, graph_.nodes[id].group(Group::kLate), value, inner) && fits;
  if (place.evaluated != nullptr) place.evaluated->Merge(evaluated);
  return fits;
}

bool Evaluator::RunGroups(NodeId id, const Json& value, const Place& place) {
  const Node& node = graph_.nodes[id];
  InstructionRange own;
  switch (value.kind()) {
    case Json::Kind::kNull:
    case Json::Kind::kFalse:
    case Json::Kind::kTrue:
      break;
    case Json::Kind::kNumber:
      own = node.group(Group::kNumber);
      break;
    case Json::Kind::kString:
      own = node.group(Group::kString);
      break;
    case Json::Kind::kArray:
      own = node.group(Group::kArray);
      break;
    case Json::Kind::kObject:
      own = node.group(Group::kObject);
      break;
  }
  const InstructionRange any = node.group(Group::kAny);
  bool fits = own.begin == own.end || RunGroup(id, own, value, place);
  if (any.begin == any.end || (!fits && !Collecting())) return fits;
  return RunGroup(id, any, value, place) && fits;
}

bool Evaluator::RunGroup(NodeId id, InstructionRange range, const Json& value, const Place& place) {
  bool fits = true;
  for (uint32_t i = range.begin; i < range.end; ++i) {
    if (--steps_left_ < 0) return Stop("The validation takes too many steps.");
    if (!Run(id, graph_.instructions[i], value, place)) {
      fits = false;
      if (!Collecting()) return false;
    }
  }
  return fits;
}

bool Evaluator::Run(NodeId id, const Instruction& instruction, const Json& value,
                    const Place& place) {
  const uint64_t index = instruction.operand;
  const auto check = [&](bool fits) {
    return fits || ReportFailure(id, instruction, value, place);
  };
  const auto compare = [&] { return Json::Compare(value, graph_.values[index]); };
  switch (instruction.op) {
    case Op::kConst:
      return check(value == graph_.values[index]);
    case Op::kEnum:
      return check(RunEnum(instruction, value));
    case Op::kRef:
      return Evaluate(instruction.node, value, place);
    case Op::kDynamicRef:
      return RunDynamicRef(instruction, value, place);
    case Op::kAllOf:
      return RunAllOf(instruction, value, place);
    case Op::kAnyOf:
      return RunAnyOf(id, instruction, value, place);
    case Op::kOneOf:
      return RunOneOf(id, instruction, value, place);
    case Op::kNot:
      return check(RunNot(instruction, value, place));
    case Op::kIf:
      return RunIf(instruction, value, place);
    case Op::kMinimum:
      return check(compare() >= 0);
    case Op::kExclusiveMinimum:
      return check(compare() > 0);
    case Op::kMaximum:
      return check(compare() <= 0);
    case Op::kExclusiveMaximum:
      return check(compare() < 0);
    case Op::kMultipleOf:
      return check(graph_.divisors[index].Divides(value));
    case Op::kMinLength:
    case Op::kMaxLength:
      return check(HasLength(instruction, value));
    case Op::kPattern:
      return check(Matches(graph_.patterns[index].regex, value.AsString()));
    case Op::kFormat:
      return check(HasFormat(graph_.formats[index], value.AsString()));
    case Op::kItems:
      return RunItems(instruction, value, place);
    case Op::kContains:
      return check(RunContains(instruction, value, place));
    case Op::kMinItems:
    case Op::kMinProperties:
      return check(value.Size() >= instruction.operand);
    case Op::kMaxItems:
    case Op::kMaxProperties:
      return check(value.Size() <= instruction.operand);
    case Op::kUniqueItems:
      return check(RunUniqueItems(value));
    case Op::kMembers:
      return RunMembers(id, instruction, value, place);
    case Op::kPropertyNames:
      return RunPropertyNames(id, instruction, value, place);
    case Op::kDependentRequired:
      return RunDependentRequired(id, instruction, value, place);
    case Op::kDependentSchemas:
      return RunDependentSchemas(instruction, value, place);
    case Op::kUnevaluatedItems:
      return !value.is_array() || RunUnevaluatedItems(instruction, value, place);
    case Op::kUnevaluatedProperties:
      return !value.is_object() || RunUnevaluatedProperties(instruction, value, place);
  }
  return false;
}

bool Evaluator::RunEnum(const Instruction& instruction, const Json& value) const {
  const std::vector<Json>& choices = graph_.choices[instruction.operand];
  // Equality of short strings is one comparison of words, so few choices are fastest tried in turn.
  constexpr size_t kFew = 12;
  if (choices.size() <= kFew) {
    return std::find(choices.begin(), choices.end(), value) != choices.end();
  }
  return std::binary_search(choices.begin(), choices.end(), value,
                            [](const Json& a, const Json& b) { return Json::Compare(a, b) < 0; });
}

bool Evaluator::RunDynamicRef(const Instruction& instruction, const Json& value,
                              const Place& place) {
  NodeId target = instruction.node;
  const auto& nodes = graph_.anchors[instruction.operand].nodes;
  for (const Scope* scope = place.scope; scope != nullptr; scope = scope->outer) {
    const auto at = std::lower_bound(nodes.begin(), nodes.end(),
                                     std::pair<uint32_t, NodeId>(scope->resource, 0));
    if (at != nodes.end() && at->first == scope->resource) target = at->second;
  }
  return Evaluate(target, value, place);
}

bool Evaluator::Test(NodeId id, const Json& value, const Place& place) {
  Collector* const collector = std::exchange(collector_, nullptr);
  bool fits;
  if (place.evaluated == nullptr) {
    fits = Evaluate(id, value, place);
  } else {
    Evaluated evaluated = place.evaluated->Fresh();
    fits = Evaluate(id, value, {.scope = place.scope, .step = place.step, .evaluated = &evaluated});
    if (fits) place.evaluated->Merge(evaluated);
  }
  collector_ = collector;
  return fits;
}

bool Evaluator::RunAllOf(const Instruction& instruction, const Json& value, const Place& place) {
  bool fits = true;
  for (const NodeId node : graph_.lists[instruction.operand]) {
    if (!Evaluate(node, value, place)) {
      fits = false;
      if (!Collecting()) return false;
    }
  }
  return fits;
}

bool Evaluator::RunAnyOf(NodeId id, const Instruction& instruction, const Json& value,
                         const Place& place) {
  bool fits = false;
  for (const NodeId node : graph_.lists[instruction.operand]) {
    fits = Test(node, value, place) || fits;
    // Every alternative that fits counts for what has been evaluated.
    if (fits && place.evaluated == nullptr) return true;
  }
  if (fits) return true;
  ReportFailure(id, instruction, value, place);
  ReportClosest(instruction, value, place);
  return false;
}

bool Evaluator::RunOneOf(NodeId id, const Instruction& instruction, const Json& value,
                         const Place& place) {
  int count = 0;
  for (const NodeId node : graph_.lists[instruction.operand]) {
    if (Test(node, value, place) && ++count > 1) break;
  }
  if (count == 1) return true;
  ReportFailure(id, instruction, value, place);
  if (count == 0) ReportClosest(instruction, value, place);
  return false;
}

bool Evaluator::RunNot(const Instruction& instruction, const Json& value, const Place& place) {
  return !Test(instruction.node, value, {.scope = place.scope, .step = place.step});
}

bool Evaluator::RunIf(const Instruction& instruction, const Json& value, const Place& place) {
  const std::vector<NodeId>& nodes = graph_.lists[instruction.operand];
  const NodeId branch = Test(nodes[0], value, place) ? nodes[1] : nodes[2];
  return branch == kNoNode || Evaluate(branch, value, place);
}

bool Evaluator::HasLength(const Instruction& instruction, const Json& value) const {
  // A code point takes one to four bytes, so most strings need no counting.
  constexpr size_t kCodePointBytesMax = 4;
  const size_t bytes = value.AsString().size();
  if (instruction.op == Op::kMinLength) {
    if (bytes < instruction.operand) return false;
    return bytes / kCodePointBytesMax >= instruction.operand || value.Size() >= instruction.operand;
  }
  return bytes <= instruction.operand || value.Size() <= instruction.operand;
}

bool Evaluator::HasFormat(const Format& format, absl::string_view text) {
  // Expressions and host names cost most: some hundred nanoseconds for every few bytes.
  constexpr size_t kBytesPerStep = 4;
  Charge(text.size() / kBytesPerStep);
  return format.check(text);
}

bool Evaluator::Matches(const Regex& regex, absl::string_view text) {
  // Long texts cost more than a keyword; the factor makes a step some nanoseconds in either case.
  constexpr size_t kBytesPerStep = 32;
  Charge(text.size() / kBytesPerStep);
  switch (regex.Search(text)) {
    case Regex::Result::kMatch:
      return true;
    case Regex::Result::kNoMatch:
      return false;
    case Regex::Result::kLimit:
      return Stop("A regular expression takes too long on a text.");
  }
  return false;
}

}  // namespace skald::schema
