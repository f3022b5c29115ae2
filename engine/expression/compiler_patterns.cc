// Patterns: first their keys, which do not see the pattern's own variables, then the variables.
#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "engine/expression/compiler.h"

namespace skald::expression {

absl::Status Compiler::CompilePatterns(absl::Span<const Pattern> patterns, Node& node) {
  for (const Pattern& pattern : patterns) {
    SKALD_ASSIGN_OR_RETURN(Matcher matcher, CompilePattern(pattern));
    node.matchers.push_back(std::move(matcher));
  }
  for (size_t i = 0; i < patterns.size(); ++i) {
    DeclareVariables(patterns[i], node, node.matchers[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<Matcher> Compiler::CompilePattern(const Pattern& pattern) {
  Matcher matcher;
  matcher.kind = pattern.kind;
  for (const Pattern& element : pattern.elements) {
    SKALD_ASSIGN_OR_RETURN(Matcher child, CompilePattern(element));
    matcher.children.push_back(std::move(child));
  }
  for (const Pattern::Entry& entry : pattern.entries) {
    Matcher child;
    SKALD_ASSIGN_OR_RETURN(child.key, Compile(*entry.key));
    for (const Pattern& value : entry.value) {
      SKALD_ASSIGN_OR_RETURN(Matcher below, CompilePattern(value));
      child.children.push_back(std::move(below));
    }
    matcher.children.push_back(std::move(child));
  }
  return matcher;
}

void Compiler::DeclareVariables(const Pattern& pattern, Node& node, Matcher& matcher) {
  if (pattern.kind == Pattern::Kind::kVariable) {
    matcher.slot = static_cast<int32_t>(DeclareVariable(pattern.name, node));
  }
  for (size_t i = 0; i < pattern.elements.size(); ++i) {
    DeclareVariables(pattern.elements[i], node, matcher.children[i]);
  }
  for (size_t i = 0; i < pattern.entries.size(); ++i) {
    const Pattern::Entry& entry = pattern.entries[i];
    Matcher& child = matcher.children[i];
    if (!entry.name.empty()) child.slot = static_cast<int32_t>(DeclareVariable(entry.name, node));
    if (!entry.value.empty()) DeclareVariables(entry.value[0], node, child.children[0]);
  }
}

// Alternatives that bind the same name share its slot.
uint32_t Compiler::DeclareVariable(absl::string_view name, Node& node) {
  const Binding* known = Find(Binding::Kind::kVariable, name);
  const std::vector<uint32_t>& slots = node.bound_slots;
  if (known != nullptr && known->level == level() &&
      std::find(slots.begin(), slots.end(), known->slot) != slots.end()) {
    return known->slot;
  }
  const uint32_t slot = NewSlot();
  bindings_.push_back(
      Binding{Binding::Kind::kVariable, std::string(name), 0, level(), slot, nullptr});
  node.bound_slots.push_back(slot);
  return slot;
}

}  // namespace skald::expression
