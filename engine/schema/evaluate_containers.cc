// The instructions of the evaluator that look into arrays and objects.
#include <algorithm>

#include "engine/schema/evaluator.h"

namespace skald::schema {

bool Evaluator::RunItems(const Instruction& instruction, const Json& value, const Place& place) {
  const std::vector<NodeId>& prefix = graph_.lists[instruction.operand];
  const absl::Span<const Json> elements = value.AsArray();
  const bool has_rest = instruction.node != kNoNode;
  const size_t count = has_rest ? elements.size() : std::min(elements.size(), prefix.size());
  Charge(count);
  bool fits = true;
  for (size_t i = 0; i < count; ++i) {
    const Step step{.parent = place.step, .name = nullptr, .index = i};
    const NodeId node = i < prefix.size() ? prefix[i] : instruction.node;
    if (!Evaluate(node, elements[i], {.scope = place.scope, .step = &step})) {
      fits = false;
      if (!Collecting()) return false;
    }
    if (place.evaluated != nullptr) place.evaluated->Mark(i);
  }
  return fits;
}

bool Evaluator::RunContains(const Instruction& instruction, const Json& value, const Place& place) {
  const ContainsRule& rule = graph_.contains[instruction.operand];
  const absl::Span<const Json> elements = value.AsArray();
  Charge(elements.size());
  uint64_t count = 0;
  for (size_t i = 0; i < elements.size(); ++i) {
    const Step step{.parent = place.step, .name = nullptr, .index = i};
    if (!Test(rule.node, elements[i], {.scope = place.scope, .step = &step})) continue;
    ++count;
    if (place.evaluated != nullptr) {
      place.evaluated->Mark(i);
    } else if (count > rule.count_max) {
      return false;
    } else if (count >= rule.count_min && rule.count_max == UINT64_MAX) {
      return true;
    }
  }
  return count >= rule.count_min && count <= rule.count_max;
}

bool Evaluator::RunUniqueItems(const Json& value) {
  const absl::Span<const Json> elements = value.AsArray();
  Charge(elements.size());
  // Comparing each with each is cheaper than sorting, and needs no memory, while there are few.
  constexpr size_t kFew = 16;
  if (elements.size() <= kFew) {
    for (size_t i = 1; i < elements.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (elements[i] == elements[j]) return false;
      }
    }
    return true;
  }
  std::vector<const Json*> sorted;
  sorted.reserve(elements.size());
  for (const Json& element : elements) sorted.push_back(&element);
  std::sort(sorted.begin(), sorted.end(),
            [](const Json* a, const Json* b) { return Json::Compare(*a, *b) < 0; });
  return std::adjacent_find(sorted.begin(), sorted.end(),
                            [](const Json* a, const Json* b) { return *a == *b; }) == sorted.end();
}

bool Evaluator::RunMembers(NodeId id, const Instruction& instruction, const Json& value,
                           const Place& place) {
  const MemberRules& rules = graph_.members[instruction.operand];
  const absl::Span<const Json::Member> members = value.AsObject();
  Charge(members.size());
  bool fits = true;
  size_t required_count = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    const Json::Member& member = members[i];
    const Step step{.parent = place.step, .name = &member.name, .index = i};
    const Place below{.scope = place.scope, .step = &step};
    const Property* property = rules.properties.Find(member.key());
    bool known = property != nullptr && property->node != kNoNode;
    if (property != nullptr && property->required) ++required_count;
    // The common case first: a named property and nothing else to look at.
    const bool member_fits = known && rules.patterns.empty()
                                 ? Evaluate(property->node, member.value, below)
                                 : RunMember(rules, property, member, below, known);
    if (known && place.evaluated != nullptr) place.evaluated->Mark(i);
    if (member_fits) continue;
    fits = false;
    if (!Collecting()) return false;
  }
  // Keys are distinct, so counting those that are required tells whether all are there.
  if (required_count == rules.required_count) return fits;
  return ReportMissing(id, rules, value, place);
}

bool Evaluator::RunMember(const MemberRules& rules, const Property* property,
                          const Json::Member& member, const Place& below, bool& known) {
  bool fits = !known || Evaluate(property->node, member.value, below);
  for (const PatternProperty& rule : rules.patterns) {
    if (!fits && !Collecting()) return false;
    if (!Matches(rule.pattern.regex, member.key())) continue;
    known = true;
    fits = Evaluate(rule.node, member.value, below) && fits;
  }
  if (known || rules.additional == kNoNode) return fits;
  known = true;
  return Evaluate(rules.additional, member.value, below);
}

bool Evaluator::RunPropertyNames(NodeId id, const Instruction& instruction, const Json& value,
                                 const Place& place) {
  Charge(value.Size());
  bool fits = true;
  for (const Json::Member& member : value.AsObject()) {
    if (Test(instruction.node, member.name, {.scope = place.scope, .step = place.step})) continue;
    fits = ReportBadName(id, instruction, member.name, place);
    if (!Collecting()) return false;
  }
  return fits;
}

bool Evaluator::RunDependentRequired(NodeId id, const Instruction& instruction, const Json& value,
                                     const Place& place) {
  bool fits = true;
  for (const auto& [name, needed] : graph_.dependent_names[instruction.operand]) {
    if (value.Find(name) == nullptr) continue;
    for (const std::string& other : needed) {
      if (value.Find(other) != nullptr) continue;
      fits = ReportDependent(id, name, other, place);
      if (!Collecting()) return false;
    }
  }
  return fits;
}

bool Evaluator::RunDependentSchemas(const Instruction& instruction, const Json& value,
                                    const Place& place) {
  bool fits = true;
  for (const auto& [name, node] : graph_.dependent_nodes[instruction.operand]) {
    if (value.Find(name) == nullptr || Evaluate(node, value, place)) continue;
    fits = false;
    if (!Collecting()) return false;
  }
  return fits;
}

bool Evaluator::RunUnevaluatedItems(const Instruction& instruction, const Json& value,
                                    const Place& place) {
  const absl::Span<const Json> elements = value.AsArray();
  Charge(elements.size());
  bool fits = true;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (place.evaluated->Has(i)) continue;
    const Step step{.parent = place.step, .name = nullptr, .index = i};
    if (!Evaluate(instruction.node, elements[i], {.scope = place.scope, .step = &step})) {
      fits = false;
      if (!Collecting()) return false;
    }
  }
  place.evaluated->MarkAll();
  return fits;
}

bool Evaluator::RunUnevaluatedProperties(const Instruction& instruction, const Json& value,
                                         const Place& place) {
  const absl::Span<const Json::Member> members = value.AsObject();
  Charge(members.size());
  bool fits = true;
  for (size_t i = 0; i < members.size(); ++i) {
    if (place.evaluated->Has(i)) continue;
    const Step step{.parent = place.step, .name = &members[i].name, .index = i};
    if (!Evaluate(instruction.node, members[i].value, {.scope = place.scope, .step = &step})) {
      fits = false;
      if (!Collecting()) return false;
    }
  }
  place.evaluated->MarkAll();
  return fits;
}

}  // namespace skald::schema
