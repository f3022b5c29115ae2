// Document tree -> draft: nodes with resolved jumps and compiled parts. The grammar has been
// checked before, and has spoken of every value whose form is wrong; here such a value counts as
// not given.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/definition/draft.h"
#include "engine/definition/parts.h"

namespace skald::definition {

class Builder {
 public:
  Builder(const Value& root, const DefinitionLimits& limits, DiagnosticSink& diagnostics);

  Draft Build() &&;

 private:
  using TaskNames = absl::flat_hash_map<std::string, NodeIndex>;

  // What a task inherits from where it stands.
  struct Surroundings {
    NodeIndex parent = kNoNode;
    Locals locals;
    Locals loop_locals;  // those of `locals` that loops bind
    std::string function;
    bool in_catch = false;
    bool in_handler = false;
    bool is_branch = false;  // of a fork: `then` may not name a task
  };

  // builder.cc
  void BuildDocument();
  void BuildAttributes();
  void BuildFunctions();
  void BuildWorkflow();
  void RefuseUnsupportedParts();

  // builder_tasks.cc
  std::vector<NodeIndex> BuildList(const Value& list, const Surroundings& around);
  void BuildTask(NodeIndex index, const std::string& name, const Value& task,
                 const Surroundings& around, const TaskNames& siblings);
  void BuildCommon(Node& node, const Value& task, const Surroundings& around,
                   const TaskNames& siblings);
  void BuildBody(NodeIndex index, Node& node, const Value& task, const Surroundings& around,
                 const TaskNames& siblings);
  void BuildCall(NodeIndex index, Node& node, const Value& task, const Standpoint& body);
  void BuildCallee(Node& node, const Value& callee, const std::string& function);
  void WarnOfNearMiss(const Value& callee);
  void BuildSwitch(Node& node, const Value& task, const Standpoint& body,
                   const TaskNames& siblings);
  void BuildTry(NodeIndex index, Node& node, const Value& task, const Surroundings& around,
                const TaskNames& siblings);
  ErrorFilter BuildErrorFilter(const Value& with);
  std::string LocalName(const Value& value, absl::string_view otherwise);
  Flow BuildFlow(const Value& then, const TaskNames& siblings, bool is_branch);
  bool HasRoomFor(size_t count, const Value& at);

  // builder_unsupported.cc
  void BuildUnsupported(NodeIndex index, const Value& task, const Surroundings& around);
  void BuildUnsupportedCall(const Value& task, const Standpoint& body);

  // builder_saga.cc
  void BuildSaga(NodeIndex index, Node& node, const Surroundings& around);
  Compensation BuildCompensation(const Value& saga, const Surroundings& around);
  NodeIndex BuildHandler(const Value& compensate, const Surroundings& around);
  ScopeOptions BuildScope(const Value& options, const Locals& locals);
  void RefuseInHandler(const Value& saga);

  const Value root_;
  const DefinitionLimits& limits_;
  DiagnosticSink& diagnostics_;
  PartCompiler parts_;

  Draft draft_;
  std::vector<std::string> function_names_;
};

}  // namespace skald::definition
