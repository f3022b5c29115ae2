// Turns trees into programs: resolves names, and decides what can be computed without generating.
// Private to engine/expression.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/expression/ast.h"
#include "engine/expression/builtins.h"
#include "engine/expression/lexer.h"
#include "engine/expression/program.h"

namespace skald::expression {

class Compiler {
 public:
  // `lexer` tells the places of errors; `variables` are the names of the environment's variables.
  // Both must outlive the compiler. The nodes go to `program`.
  Compiler(const Lexer& lexer, absl::Span<const std::string> variables, Program& program)
      : lexer_(lexer), variables_(variables), program_(program) {}

  // Compiles a whole program. INVALID_ARGUMENT with line and column.
  absl::Status CompileMain(const Ast& tree);

  // Compiles definitions that see each other's predecessors and themselves; for the prelude.
  absl::StatusOr<std::vector<const Function*>> CompileDefinitions(absl::Span<const AstPtr> trees);

 private:
  using NodeOr = absl::StatusOr<const Node*>;

  // Something a name stands for, at a depth of frames.
  struct Binding {
    enum class Kind : uint8_t { kVariable, kFunction, kParameter, kLabel };
    Kind kind;
    std::string name;
    size_t arity = 0;
    int32_t level = 0;
    uint32_t slot = 0;
    const Function* function = nullptr;
  };
  // A frame being laid out.
  struct Level {
    uint32_t variable_count = 0;
  };
  Node& NewNode(Op op);
  // Marks a node as having one value exactly when all of `needed` have (nullptr counts as such).
  static void MarkSingle(Node& node, std::initializer_list<const Node*> needed);

  NodeOr Compile(const Ast& tree);
  NodeOr CompileForm(const Ast& tree);
  NodeOr CompileControl(const Ast& tree);
  absl::StatusOr<const Node*> CompileOptional(const AstPtr& tree);
  NodeOr CompileIndex(const Ast& tree);
  NodeOr CompileSlice(const Ast& tree);
  NodeOr CompileIterate(const Ast& tree);
  NodeOr CompileArray(const Ast& tree);
  NodeOr CompileObject(const Ast& tree);
  NodeOr CompileString(const Ast& tree);
  NodeOr CompileFormat(const Ast& tree);
  NodeOr CompileBinary(const Ast& tree, Op op);
  NodeOr CompileNegate(const Ast& tree);
  NodeOr CompileComma(const Ast& tree);
  NodeOr CompileUpdate(const Ast& tree, Op op);
  NodeOr CompileIf(const Ast& tree);
  NodeOr CompileTry(const Ast& tree);
  NodeOr CompileReduceOrForeach(const Ast& tree);
  NodeOr CompileBind(const Ast& tree);
  NodeOr CompileLabel(const Ast& tree);
  NodeOr CompileBreak(const Ast& tree);
  NodeOr CompileVariable(const Ast& tree);

  // compiler_calls.cc
  NodeOr CompileFunction(const Ast& tree);
  absl::StatusOr<Function*> Define(const Ast& tree);
  NodeOr CompileBody(const Ast& tree, size_t next_parameter);
  NodeOr CompileCall(const Ast& tree);
  NodeOr CallBound(const Ast& tree, const Binding& binding);
  NodeOr CallFunction(const Ast& tree, const Function& function, int32_t hops);
  NodeOr CallNative(const Ast& tree, Native native);
  NodeOr CallSpecial(const Ast& tree, const SpecialEntry& entry);
  NodeOr CompileConstant(Json value);
  absl::StatusOr<Closure> CompileClosure(const Ast& tree);

  // compiler_patterns.cc
  absl::Status CompilePatterns(absl::Span<const Pattern> patterns, Node& node);
  absl::StatusOr<Matcher> CompilePattern(const Pattern& pattern);
  void DeclareVariables(const Pattern& pattern, Node& node, Matcher& matcher);
  uint32_t DeclareVariable(absl::string_view name, Node& node);

  const Binding* Find(Binding::Kind kind, absl::string_view name, size_t arity = 0) const;
  const Binding* FindCallable(absl::string_view name, size_t arity) const;
  uint32_t NewSlot() { return levels_.back().variable_count++; }
  int32_t level() const { return static_cast<int32_t>(levels_.size()) - 1; }
  int32_t HopsTo(const Binding& binding) const { return level() - binding.level; }
  absl::Status ErrorAt(const Ast& tree, absl::string_view message) const;

  const Lexer& lexer_;
  // The prelude's functions see only each other and what is written in C++.
  bool is_prelude_ = false;
  const absl::Span<const std::string> variables_;
  Program& program_;
  std::vector<Binding> bindings_;
  std::vector<Level> levels_;
  uint32_t offset_ = 0;  // of the tree being compiled: where new nodes stand
};

}  // namespace skald::expression
