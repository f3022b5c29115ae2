// Turns schema documents into a graph: a work list of places, each compiled once, so recursive
// schemas and deep documents cost no stack. Every mistake found is reported, not only the first.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "engine/schema/graph.h"
#include "engine/schema/schema.h"
#include "engine/schema/schema_index.h"

namespace skald::schema {

class Compiler {
 public:
  // Neither argument is copied; both must outlive the compiler.
  Compiler(const Json& schema, const Options& options);

  // Use once. INVALID_ARGUMENT names every place that is wrong; NOT_FOUND, when documents that are
  // not at hand are all that is.
  absl::StatusOr<Graph> Compile();

 private:
  // The subschema being compiled.
  struct Draft {
    Location location;
    Vocabularies vocabularies = 0;
    uint8_t types = kAllTypes;
    std::vector<Instruction> groups[kGroupCount];

    // The value of a keyword, nullptr when it is absent or the dialect has no such keyword.
    const Json* Find(Keyword keyword) const;
    void Add(Group group, Instruction instruction) {
      groups[static_cast<int>(group)].push_back(instruction);
    }
  };

  // The node of a place, queued for compilation when it is new.
  NodeId NodeAt(const Location& location);
  NodeId ChildNode(const Draft& draft, Keyword keyword, const Json& value);
  NodeId ChildNode(const Draft& draft, Keyword keyword, absl::string_view token, const Json& value);
  void CompileNode(NodeId id, const Location& location);
  void Finish(NodeId id, const Draft& draft);
  void EnterResource(uint32_t resource);
  // Compiles what no other keyword leads to, so that mistakes in `$defs` are found too.
  void CompileDefinitions(const Draft& draft);

  // compile_keywords.cc: each adds the instructions of some keywords.
  void CompileType(Draft& draft);
  void CompileChoices(Draft& draft);
  void CompileNumbers(Draft& draft);
  void CompileStrings(Draft& draft);
  void CompileCounts(Draft& draft);
  void CompileReferences(Draft& draft);
  void CompileReference(Draft& draft, Keyword keyword);
  void CompileCombinations(Draft& draft);
  void CompileConditional(Draft& draft);

  // compile_containers.cc: those of arrays and objects.
  void CompileItems(Draft& draft);
  void CompileContains(Draft& draft);
  void CompileMembers(Draft& draft);
  void CompileProperties(Draft& draft, MemberRules& rules);
  void CompilePatternProperties(Draft& draft, MemberRules& rules);
  void CompileRequired(Draft& draft, MemberRules& rules);
  void CompileDependents(Draft& draft);
  void CompileUnevaluated(Draft& draft);

  // The value of a keyword when it has the right shape; otherwise nullptr and an error unless
  // absent.
  const Json* FindString(const Draft& draft, Keyword keyword);
  const Json* FindArray(const Draft& draft, Keyword keyword);
  const Json* FindObject(const Draft& draft, Keyword keyword);
  std::optional<uint64_t> FindCount(const Draft& draft, Keyword keyword);
  // The distinct strings of `names`; an error when they are anything else.
  std::vector<std::string> Names(const Draft& draft, Keyword keyword, const Json& names);
  void AddError(const Draft& draft, Keyword keyword, absl::string_view what);

  // Refuses references that lead back to themselves without going down in the value.
  void CheckLoops();
  std::vector<NodeId> CertainSteps(NodeId id) const;

  const Options& options_;
  SchemaIndex index_;
  Graph graph_;
  absl::flat_hash_map<std::pair<uint32_t, std::string>, NodeId> node_at_;
  std::deque<std::pair<NodeId, Location>> queue_;
  std::vector<bool> entered_;  // Resources of which some node is compiled.
  absl::flat_hash_map<std::string, uint32_t> anchor_ids_;
  std::vector<std::string> errors_;
  size_t missing_documents_ = 0;  // errors that are references to them
};

}  // namespace skald::schema
