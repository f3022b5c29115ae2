// Definitions of functions, and calls: of what the expression defines, of parameters, and of
// built-in functions.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/expression/compiler.h"

namespace skald::expression {

absl::StatusOr<std::vector<const Function*>> Compiler::CompileDefinitions(
    absl::Span<const AstPtr> trees) {
  is_prelude_ = true;
  std::vector<const Function*> functions;
  for (const AstPtr& tree : trees) {
    SKALD_ASSIGN_OR_RETURN(const Function* function, Define(*tree));
    functions.push_back(function);
  }
  return functions;
}

Compiler::NodeOr Compiler::CompileFunction(const Ast& tree) {
  const size_t outer = bindings_.size();
  SKALD_RETURN_IF_ERROR(Define(tree).status());
  SKALD_ASSIGN_OR_RETURN(const Node* rest, Compile(*tree.children[1]));
  bindings_.resize(outer);
  return rest;
}

// Leaves the function's name bound.
absl::StatusOr<Function*> Compiler::Define(const Ast& tree) {
  Function& function = program_.functions.emplace_back();
  function.name = tree.name;
  function.closure_count = static_cast<uint32_t>(tree.parameters.size());
  function.flat = tree.parameters.empty() && !tree.children[0]->binds;
  bindings_.push_back(
      Binding{Binding::Kind::kFunction, tree.name, tree.parameters.size(), level(), 0, &function});
  const size_t inner = bindings_.size();
  if (function.flat) {
    SKALD_ASSIGN_OR_RETURN(function.body, Compile(*tree.children[0]));
    return &function;
  }
  levels_.emplace_back();
  for (uint32_t i = 0; i < function.closure_count; ++i) {
    bindings_.push_back(
        Binding{Binding::Kind::kParameter, tree.parameters[i].name, 0, level(), i, nullptr});
  }
  SKALD_ASSIGN_OR_RETURN(const Node* body, CompileBody(tree, 0));
  function.variable_count = levels_.back().variable_count;
  function.body = body;
  levels_.pop_back();
  bindings_.resize(inner);
  return &function;
}

// `def f($x): body` is `def f(x): x as $x | body`.
Compiler::NodeOr Compiler::CompileBody(const Ast& tree, size_t next_parameter) {
  size_t parameter = next_parameter;
  while (parameter < tree.parameters.size() && !tree.parameters[parameter].is_value) ++parameter;
  if (parameter == tree.parameters.size()) return Compile(*tree.children[0]);
  Node& source = NewNode(Op::kCallClosure);
  source.slot = static_cast<uint32_t>(parameter);
  Node& bind = NewNode(Op::kBind);
  bind.a = &source;
  Matcher matcher;
  matcher.slot = static_cast<int32_t>(DeclareVariable(tree.parameters[parameter].name, bind));
  bind.matchers.push_back(std::move(matcher));
  SKALD_ASSIGN_OR_RETURN(bind.b, CompileBody(tree, parameter + 1));
  return &bind;
}

const Compiler::Binding* Compiler::FindCallable(absl::string_view name, size_t arity) const {
  for (auto binding = bindings_.rbegin(); binding != bindings_.rend(); ++binding) {
    const bool callable =
        binding->kind == Binding::Kind::kFunction || binding->kind == Binding::Kind::kParameter;
    if (callable && binding->name == name && binding->arity == arity) return &*binding;
  }
  return nullptr;
}

Compiler::NodeOr Compiler::CompileCall(const Ast& tree) {
  const size_t arity = tree.children.size();
  if (const Binding* binding = FindCallable(tree.name, arity)) return CallBound(tree, *binding);
  if (arity == 0 && tree.name == "null") return CompileConstant(Json::Null());
  if (arity == 0 && tree.name == "true") return CompileConstant(Json::Bool(true));
  if (arity == 0 && tree.name == "false") return CompileConstant(Json::Bool(false));
  // Names with an underscore are the prelude's own.
  const bool hidden = absl::StartsWith(tree.name, "_") && !is_prelude_;
  if (!hidden) {
    if (const SpecialEntry* entry = FindSpecial(tree.name, arity)) return CallSpecial(tree, *entry);
    if (const Native native = FindNative(tree.name, arity)) return CallNative(tree, native);
    const Function* function = is_prelude_ ? nullptr : FindPrelude(tree.name, arity);
    if (function != nullptr) return CallFunction(tree, *function, -1);
  }
  if (const absl::string_view reason = WhyLeftOut(tree.name); !reason.empty()) {
    return ErrorAt(tree, absl::StrCat(tree.name, " is not available: ", reason));
  }
  return ErrorAt(tree, absl::StrCat(tree.name, "/", arity, " is not defined"));
}

Compiler::NodeOr Compiler::CallBound(const Ast& tree, const Binding& binding) {
  if (binding.kind == Binding::Kind::kFunction) {
    // What is defined outside of all frames needs none.
    const int32_t hops = binding.level < 0 ? -1 : HopsTo(binding);
    return CallFunction(tree, *binding.function, hops);
  }
  Node& node = NewNode(Op::kCallClosure);
  node.hops = HopsTo(binding);
  node.slot = binding.slot;
  return &node;
}

Compiler::NodeOr Compiler::CallFunction(const Ast& tree, const Function& function, int32_t hops) {
  std::vector<Closure> closures;
  for (const AstPtr& argument : tree.children) {
    SKALD_ASSIGN_OR_RETURN(Closure closure, CompileClosure(*argument));
    closures.push_back(closure);
  }
  Node& node = NewNode(Op::kCall);
  node.function = &function;
  node.hops = hops;
  node.closures = std::move(closures);
  // A function whose body is still being compiled calls itself: it may have any number of results.
  if (function.body != nullptr) MarkSingle(node, {function.body});
  return &node;
}

Compiler::NodeOr Compiler::CallNative(const Ast& tree, Native native) {
  std::vector<const Node*> arguments;
  bool single = true;
  for (const AstPtr& argument : tree.children) {
    SKALD_ASSIGN_OR_RETURN(const Node* value, Compile(*argument));
    single = single && value->single;
    arguments.push_back(value);
  }
  Node& node = NewNode(Op::kNative);
  node.native = native;
  node.list = std::move(arguments);
  node.single = node.direct = single;
  return &node;
}

Compiler::NodeOr Compiler::CallSpecial(const Ast& tree, const SpecialEntry& entry) {
  std::vector<const Node*> values;
  std::vector<Closure> closures;
  for (size_t i = 0; i < tree.children.size(); ++i) {
    if (i < entry.value_count) {
      SKALD_ASSIGN_OR_RETURN(const Node* value, Compile(*tree.children[i]));
      values.push_back(value);
    } else {
      SKALD_ASSIGN_OR_RETURN(Closure closure, CompileClosure(*tree.children[i]));
      closures.push_back(closure);
    }
  }
  if (entry.special == Special::kRange) {
    if (values.size() == 1) {
      SKALD_ASSIGN_OR_RETURN(const Node* zero, CompileConstant(Json::Int(0)));
      values.insert(values.begin(), zero);
    }
    if (values.size() == 2) {
      SKALD_ASSIGN_OR_RETURN(const Node* one, CompileConstant(Json::Int(1)));
      values.push_back(one);
    }
  }
  if (entry.special == Special::kError && values.empty()) {
    Node& input = NewNode(Op::kIdentity);
    MarkSingle(input, {});
    values.push_back(&input);
  }
  Node& node = NewNode(Op::kSpecial);
  node.special = entry.special;
  node.list = std::move(values);
  node.closures = std::move(closures);
  node.direct = entry.single;
  node.single = entry.single || entry.special == Special::kIsEmpty ||
                entry.special == Special::kAny || entry.special == Special::kAll ||
                (entry.special == Special::kGetPath && node.list[0]->single);
  return &node;
}

absl::StatusOr<Closure> Compiler::CompileClosure(const Ast& tree) {
  Closure closure;
  if (tree.kind == AstKind::kCall && tree.children.empty()) {
    const Binding* binding = FindCallable(tree.name, 0);
    if (binding != nullptr && binding->kind == Binding::Kind::kParameter) {
      closure.hops = HopsTo(*binding);
      closure.slot = binding->slot;
      return closure;
    }
  }
  closure.flat = !tree.binds;
  if (!closure.flat) levels_.emplace_back();
  SKALD_ASSIGN_OR_RETURN(closure.body, Compile(tree));
  if (!closure.flat) {
    closure.variable_count = levels_.back().variable_count;
    levels_.pop_back();
  }
  return closure;
}

}  // namespace skald::expression
