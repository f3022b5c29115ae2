#include "engine/schema/compiler.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace skald::schema {
namespace {

// Errors after these are not worth reading.
constexpr size_t kErrorsMax = 20;

}  // namespace

Compiler::Compiler(const Json& schema, const Options& options)
    : options_(options), index_(schema, options.registry) {}

absl::StatusOr<Graph> Compiler::Compile() {
  SKALD_ASSIGN_OR_RETURN(const Location root, index_.Open());
  graph_.root = NodeAt(root);
  while (!queue_.empty()) {
    const auto [id, location] = std::move(queue_.front());
    queue_.pop_front();
    CompileNode(id, location);
    if (errors_.size() >= kErrorsMax) break;
  }
  if (errors_.empty()) CheckLoops();
  if (!errors_.empty()) {
    const bool all_missing = missing_documents_ == errors_.size();
    return absl::Status(
        all_missing ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument,
        absl::StrJoin(errors_, "; "));
  }
  for (DynamicAnchor& anchor : graph_.anchors) {
    std::sort(anchor.nodes.begin(), anchor.nodes.end());
  }
  graph_.steps_max = static_cast<int64_t>(std::min<uint64_t>(options_.steps_max, INT64_MAX));
  return std::move(graph_);
}

const Json* Compiler::Draft::Find(Keyword keyword) const {
  const KeywordInfo& info = Info(keyword);
  if ((info.vocabulary & vocabularies) == 0) return nullptr;
  return location.value->Find(info.name);
}

NodeId Compiler::NodeAt(const Location& location) {
  const NodeId next = static_cast<NodeId>(graph_.nodes.size());
  const auto [at, added] = node_at_.emplace(std::pair(location.document, location.pointer), next);
  if (!added) return at->second;
  graph_.nodes.push_back({.form = Node::Form::kAccepts, .resource = location.resource});
  graph_.locations.push_back(index_.Describe(location));
  queue_.emplace_back(next, location);
  EnterResource(location.resource);
  return next;
}

// A dynamic reference may lead to any dynamic anchor of a resource that is entered on the way.
void Compiler::EnterResource(uint32_t resource) {
  if (entered_.size() <= resource) entered_.resize(resource + 1);
  if (entered_[resource]) return;
  entered_[resource] = true;
  for (const auto& [name, location] : index_.resource(resource).dynamic_anchors) {
    const auto [at, added] =
        anchor_ids_.emplace(name, static_cast<uint32_t>(graph_.anchors.size()));
    const uint32_t anchor = at->second;
    if (added) graph_.anchors.push_back({.name = name, .nodes = {}});
    const NodeId node = NodeAt(location);
    graph_.anchors[anchor].nodes.emplace_back(resource, node);
  }
}

NodeId Compiler::ChildNode(const Draft& draft, Keyword keyword, const Json& value) {
  return NodeAt(index_.Child(draft.location, Info(keyword).name, value));
}

NodeId Compiler::ChildNode(const Draft& draft, Keyword keyword, absl::string_view token,
                           const Json& value) {
  // What a keyword with many schemas holds is no schema, so no resource begins there.
  const Location container = draft.location.Below(Info(keyword).name, value);
  return NodeAt(index_.Child(container, token, value));
}

void Compiler::CompileNode(NodeId id, const Location& location) {
  Draft draft{.location = location,
              .vocabularies = index_.resource(location.resource).vocabularies,
              .groups = {}};
  const Json& value = *location.value;
  if (value.is_bool()) {
    graph_.nodes[id].form = value.AsBool() ? Node::Form::kAccepts : Node::Form::kRejects;
    return;
  }
  if (!value.is_object()) {
    errors_.push_back(absl::StrCat("At '", index_.Describe(location),
                                   "': expected a schema (an object or a boolean), but got ",
                                   std::string(value.KindName())));
    return;
  }
  CompileType(draft);
  CompileChoices(draft);
  CompileNumbers(draft);
  CompileStrings(draft);
  CompileCounts(draft);
  CompileItems(draft);
  CompileContains(draft);
  CompileMembers(draft);
  CompileDependents(draft);
  CompileReferences(draft);
  CompileCombinations(draft);
  CompileConditional(draft);
  CompileUnevaluated(draft);
  CompileDefinitions(draft);
  Finish(id, draft);
}

void Compiler::CompileDefinitions(const Draft& draft) {
  // Definitions of other documents are compiled when a reference reaches them.
  if (draft.location.document != 0) return;
  for (const Keyword keyword : {Keyword::kDefs, Keyword::kDefinitions}) {
    const Json* definitions = FindObject(draft, keyword);
    if (definitions == nullptr) continue;
    for (const Json::Member& member : definitions->AsObject()) {
      ChildNode(draft, keyword, member.key(), member.value);
    }
  }
}

void Compiler::Finish(NodeId id, const Draft& draft) {
  Node& node = graph_.nodes[id];
  node.types = draft.types;
  bool empty = true;
  for (int group = 0; group < kGroupCount; ++group) {
    node.groups[group].begin = static_cast<uint32_t>(graph_.instructions.size());
    graph_.instructions.insert(graph_.instructions.end(), draft.groups[group].begin(),
                               draft.groups[group].end());
    node.groups[group].end = static_cast<uint32_t>(graph_.instructions.size());
    empty = empty && draft.groups[group].empty();
  }
  node.form = !empty                     ? Node::Form::kKeywords
              : draft.types == kAllTypes ? Node::Form::kAccepts
                                         : Node::Form::kTypes;
}

void Compiler::AddError(const Draft& draft, Keyword keyword, absl::string_view what) {
  errors_.push_back(
      absl::StrCat("At '", index_.Describe(draft.location), "/", Info(keyword).name, "': ", what));
}

// The nodes that are evaluated against the same value whenever this one is (and nothing before
// fails).
std::vector<NodeId> Compiler::CertainSteps(NodeId id) const {
  std::vector<NodeId> steps;
  const InstructionRange range = graph_.nodes[id].group(Group::kAny);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    const Instruction& instruction = graph_.instructions[i];
    if (instruction.op == Op::kRef || instruction.op == Op::kNot) {
      steps.push_back(instruction.node);
    } else if (instruction.op == Op::kAllOf || instruction.op == Op::kOneOf) {
      const std::vector<NodeId>& list = graph_.lists[instruction.operand];
      steps.insert(steps.end(), list.begin(), list.end());
    } else if (instruction.op == Op::kAnyOf || instruction.op == Op::kIf) {
      steps.push_back(graph_.lists[instruction.operand].front());
    }
  }
  return steps;
}

void Compiler::CheckLoops() {
  enum class Mark : uint8_t { kNew, kOpen, kDone };
  struct Frame {
    NodeId id;
    std::vector<NodeId> steps;
    size_t next = 0;
  };
  std::vector<Mark> marks(graph_.nodes.size(), Mark::kNew);
  for (NodeId start = 0; start < graph_.nodes.size(); ++start) {
    if (marks[start] != Mark::kNew) continue;
    marks[start] = Mark::kOpen;
    std::vector<Frame> frames;
    frames.push_back({.id = start, .steps = CertainSteps(start)});
    while (!frames.empty()) {
      Frame& top = frames.back();
      if (top.next == top.steps.size()) {
        marks[top.id] = Mark::kDone;
        frames.pop_back();
        continue;
      }
      const NodeId step = top.steps[top.next++];
      if (marks[step] == Mark::kOpen) {
        errors_.push_back(absl::StrCat("At '", graph_.locations[step],
                                       "': the schema refers to itself without end"));
        return;
      }
      if (marks[step] == Mark::kDone) continue;
      marks[step] = Mark::kOpen;
      frames.push_back({.id = step, .steps = CertainSteps(step)});
    }
  }
}

}  // namespace skald::schema
