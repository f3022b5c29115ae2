// The keywords of the compiler that look into arrays and objects.
#include "absl/strings/str_cat.h"
#include "engine/schema/compiler.h"

namespace skald::schema {

void Compiler::CompileItems(Draft& draft) {
  const Json* prefix = FindArray(draft, Keyword::kPrefixItems);
  const Json* items = draft.Find(Keyword::kItems);
  if (prefix != nullptr && prefix->AsArray().empty()) {
    AddError(draft, Keyword::kPrefixItems, "expected at least one schema");
  }
  std::vector<NodeId> nodes;
  for (size_t i = 0; prefix != nullptr && i < prefix->AsArray().size(); ++i) {
    nodes.push_back(ChildNode(draft, Keyword::kPrefixItems, absl::StrCat(i), prefix->AsArray()[i]));
  }
  Instruction instruction{.op = Op::kItems, .keyword = Keyword::kItems};
  if (items != nullptr) instruction.node = ChildNode(draft, Keyword::kItems, *items);
  if (instruction.node != kNoNode || !nodes.empty()) {
    instruction.operand = graph_.lists.size();
    graph_.lists.push_back(std::move(nodes));
    draft.Add(Group::kArray, instruction);
  }
  const Json* unique = draft.Find(Keyword::kUniqueItems);
  if (unique == nullptr) return;
  if (!unique->is_bool()) return AddError(draft, Keyword::kUniqueItems, "expected a boolean");
  if (unique->AsBool()) {
    draft.Add(Group::kArray, {.op = Op::kUniqueItems, .keyword = Keyword::kUniqueItems});
  }
}

void Compiler::CompileContains(Draft& draft) {
  const std::optional<uint64_t> count_min = FindCount(draft, Keyword::kMinContains);
  const std::optional<uint64_t> count_max = FindCount(draft, Keyword::kMaxContains);
  const Json* schema = draft.Find(Keyword::kContains);
  if (schema == nullptr) return;
  graph_.contains.push_back({.node = ChildNode(draft, Keyword::kContains, *schema),
                             .count_min = count_min.value_or(1),
                             .count_max = count_max.value_or(UINT64_MAX)});
  draft.Add(
      Group::kArray,
      {.op = Op::kContains, .keyword = Keyword::kContains, .operand = graph_.contains.size() - 1});
}

void Compiler::CompileMembers(Draft& draft) {
  MemberRules rules;
  CompileProperties(draft, rules);
  CompilePatternProperties(draft, rules);
  CompileRequired(draft, rules);
  if (const Json* schema = draft.Find(Keyword::kAdditionalProperties); schema != nullptr) {
    rules.additional = ChildNode(draft, Keyword::kAdditionalProperties, *schema);
  }
  if (!rules.properties.properties().empty() || !rules.patterns.empty() ||
      rules.additional != kNoNode) {
    draft.Add(
        Group::kObject,
        {.op = Op::kMembers, .keyword = Keyword::kProperties, .operand = graph_.members.size()});
    graph_.members.push_back(std::move(rules));
  }
  if (const Json* schema = draft.Find(Keyword::kPropertyNames); schema != nullptr) {
    draft.Add(Group::kObject, {.op = Op::kPropertyNames,
                               .keyword = Keyword::kPropertyNames,
                               .node = ChildNode(draft, Keyword::kPropertyNames, *schema)});
  }
}

void Compiler::CompileProperties(Draft& draft, MemberRules& rules) {
  const Json* properties = FindObject(draft, Keyword::kProperties);
  if (properties == nullptr) return;
  for (const Json::Member& member : properties->AsObject()) {
    rules.properties.Add(member.key()).node =
        ChildNode(draft, Keyword::kProperties, member.key(), member.value);
  }
}

void Compiler::CompilePatternProperties(Draft& draft, MemberRules& rules) {
  const Json* patterns = FindObject(draft, Keyword::kPatternProperties);
  if (patterns == nullptr) return;
  for (const Json::Member& member : patterns->AsObject()) {
    absl::StatusOr<Regex> regex = Regex::Compile(member.key());
    if (!regex.ok()) {
      AddError(draft, Keyword::kPatternProperties,
               absl::StrCat("'", std::string(member.key()), "': ", regex.status().message()));
      continue;
    }
    rules.patterns.push_back(
        {.pattern = {.regex = *std::move(regex), .text = std::string(member.key())},
         .node = ChildNode(draft, Keyword::kPatternProperties, member.key(), member.value)});
  }
}

void Compiler::CompileRequired(Draft& draft, MemberRules& rules) {
  const Json* names = draft.Find(Keyword::kRequired);
  if (names == nullptr) return;
  for (const std::string& name : Names(draft, Keyword::kRequired, *names)) {
    rules.properties.Add(name).required = true;
    ++rules.required_count;
  }
}

void Compiler::CompileDependents(Draft& draft) {
  const Json* names = FindObject(draft, Keyword::kDependentRequired);
  if (names != nullptr) {
    auto& table = graph_.dependent_names.emplace_back();
    for (const Json::Member& member : names->AsObject()) {
      table.emplace_back(std::string(member.key()),
                         Names(draft, Keyword::kDependentRequired, member.value));
    }
    draft.Add(Group::kObject, {.op = Op::kDependentRequired,
                               .keyword = Keyword::kDependentRequired,
                               .operand = graph_.dependent_names.size() - 1});
  }
  const Json* schemas = FindObject(draft, Keyword::kDependentSchemas);
  if (schemas != nullptr) {
    auto& table = graph_.dependent_nodes.emplace_back();
    for (const Json::Member& member : schemas->AsObject()) {
      table.emplace_back(std::string(member.key()),
                         ChildNode(draft, Keyword::kDependentSchemas, member.key(), member.value));
    }
    draft.Add(Group::kObject, {.op = Op::kDependentSchemas,
                               .keyword = Keyword::kDependentSchemas,
                               .operand = graph_.dependent_nodes.size() - 1});
  }
}

void Compiler::CompileUnevaluated(Draft& draft) {
  constexpr std::pair<Keyword, Op> kKeywords[] = {
      {Keyword::kUnevaluatedItems, Op::kUnevaluatedItems},
      {Keyword::kUnevaluatedProperties, Op::kUnevaluatedProperties},
  };
  for (const auto& [keyword, op] : kKeywords) {
    const Json* schema = draft.Find(keyword);
    if (schema == nullptr) continue;
    draft.Add(Group::kLate,
              {.op = op, .keyword = keyword, .node = ChildNode(draft, keyword, *schema)});
  }
}

}  // namespace skald::schema
