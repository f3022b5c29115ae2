// A program in the making: the nodes, and beside each what only the checks need.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/definition/compile.h"
#include "engine/definition/document.h"
#include "engine/definition/program.h"

namespace skald::definition {

// What is known of a node besides the node.
struct NodeNote {
  Value task;               // as written
  std::string keyword;      // "call", "do", ...; of a handler "compensate"; of the root "do"
  std::string function;     // the entry of use.functions in whose body it stands, "" outside
  bool in_catch = false;    // in the list of a catch.do
  bool in_handler = false;  // inside a compensation, or one
  bool is_branch = false;   // of a fork
  std::vector<NodeIndex> children;  // the tasks of its lists, those of its catch too

  Value saga() const { return task.Get("metadata").Get("saga"); }
};

// An entry of use.functions.
struct FunctionDraft {
  std::string name;
  Value definition;
  NodeIndex node = kNoNode;
  std::optional<Compensation> compensation;  // of its definition: for every call of it
};

struct Draft {
  std::shared_ptr<Program> program = std::make_shared<Program>();
  std::vector<NodeNote> notes;  // by NodeIndex
  std::vector<FunctionDraft> functions;
  std::vector<WorkerCall> worker_calls;  // by name, each function's first

  Node& node(NodeIndex index) { return program->nodes[index]; }
  const Node& node(NodeIndex index) const { return program->nodes[index]; }

  // Adds `count` empty nodes and gives the first.
  NodeIndex Allocate(size_t count) {
    const auto first = static_cast<NodeIndex>(program->nodes.size());
    program->nodes.resize(first + count);
    notes.resize(first + count);
    return first;
  }

  const FunctionDraft* FindFunction(absl::string_view name) const {
    for (const FunctionDraft& function : functions) {
      if (function.name == name) return &function;
    }
    return nullptr;
  }
};

}  // namespace skald::definition
