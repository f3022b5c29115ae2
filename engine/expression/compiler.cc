#include "engine/expression/compiler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/expression/format.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

// Looking up longer keys costs more.
constexpr size_t kKeyBytesPerStep = 128;

// Whether Machine::One computes the operation by itself.
bool IsDirect(Op op) {
  switch (op) {
    case Op::kIdentity:
    case Op::kLiteral:
    case Op::kField:
    case Op::kIndex:
    case Op::kVariable:
    case Op::kGlobal:
    case Op::kArray:
    case Op::kObject:
    case Op::kString:
    case Op::kFormat:
    case Op::kNegate:
    case Op::kPipe:
    case Op::kBinary:
    case Op::kAnd:
    case Op::kOr:
    case Op::kAssign:
    case Op::kUpdate:
    case Op::kArithUpdate:
    case Op::kDefaultUpdate:
    case Op::kIf:
    case Op::kCall:
    case Op::kNative:
      return true;
    case Op::kText:
    case Op::kSlice:
    case Op::kIterate:
    case Op::kComma:
    case Op::kAlternative:
    case Op::kTry:
    case Op::kReduce:
    case Op::kForeach:
    case Op::kBind:
    case Op::kCallClosure:
    case Op::kLabel:
    case Op::kBreak:
    case Op::kSpecial:
      return false;
  }
  return false;
}

}  // namespace

absl::Status Compiler::ErrorAt(const Ast& tree, absl::string_view message) const {
  return lexer_.ErrorAt(tree.offset, message);
}

absl::Status Compiler::CompileMain(const Ast& tree) {
  levels_.emplace_back();
  SKALD_ASSIGN_OR_RETURN(program_.main, Compile(tree));
  program_.variable_count = levels_.back().variable_count;
  levels_.pop_back();
  return absl::OkStatus();
}

Node& Compiler::NewNode(Op op) {
  Node& node = program_.nodes.emplace_back();
  node.op = op;
  node.offset = is_prelude_ ? kNoOffset : offset_;
  return node;
}

void Compiler::MarkSingle(Node& node, std::initializer_list<const Node*> needed) {
  node.single = std::all_of(needed.begin(), needed.end(),
                            [](const Node* child) { return child == nullptr || child->single; });
  node.direct = node.single && IsDirect(node.op);
}

Compiler::NodeOr Compiler::Compile(const Ast& tree) {
  const uint32_t outer = std::exchange(offset_, tree.offset);
  NodeOr node = CompileForm(tree);
  offset_ = outer;
  return node;
}

Compiler::NodeOr Compiler::CompileForm(const Ast& tree) {
  switch (tree.kind) {
    case AstKind::kIdentity: {
      Node& node = NewNode(Op::kIdentity);
      MarkSingle(node, {});
      return &node;
    }
    case AstKind::kRecurse: {
      Node& node = NewNode(Op::kSpecial);
      node.special = Special::kRecurse;
      return &node;
    }
    case AstKind::kLiteral:
      return CompileConstant(tree.literal);
    case AstKind::kString:
      return CompileString(tree);
    case AstKind::kHole:
      return Compile(*tree.children[0]);
    case AstKind::kFormat:
      return CompileFormat(tree);
    case AstKind::kVariable:
      return CompileVariable(tree);
    case AstKind::kIndex:
      return CompileIndex(tree);
    case AstKind::kSlice:
      return CompileSlice(tree);
    case AstKind::kIterate:
      return CompileIterate(tree);
    case AstKind::kArray:
      return CompileArray(tree);
    case AstKind::kObject:
      return CompileObject(tree);
    case AstKind::kNegate:
      return CompileNegate(tree);
    default:
      return CompileControl(tree);
  }
}

// Operators and control flow.
Compiler::NodeOr Compiler::CompileControl(const Ast& tree) {
  switch (tree.kind) {
    case AstKind::kPipe:
      return CompileBinary(tree, Op::kPipe);
    case AstKind::kComma:
      return CompileComma(tree);
    case AstKind::kBinary:
      return CompileBinary(tree, Op::kBinary);
    case AstKind::kAnd:
      return CompileBinary(tree, Op::kAnd);
    case AstKind::kOr:
      return CompileBinary(tree, Op::kOr);
    case AstKind::kAlternative:
      return CompileBinary(tree, Op::kAlternative);
    case AstKind::kAssign:
      return CompileUpdate(tree, Op::kAssign);
    case AstKind::kUpdate:
      return CompileUpdate(tree, Op::kUpdate);
    case AstKind::kArithUpdate:
      return CompileUpdate(tree, Op::kArithUpdate);
    case AstKind::kDefaultUpdate:
      return CompileUpdate(tree, Op::kDefaultUpdate);
    case AstKind::kIf:
      return CompileIf(tree);
    case AstKind::kTry:
      return CompileTry(tree);
    case AstKind::kReduce:
    case AstKind::kForeach:
      return CompileReduceOrForeach(tree);
    case AstKind::kBind:
      return CompileBind(tree);
    case AstKind::kFunction:
      return CompileFunction(tree);
    case AstKind::kCall:
      return CompileCall(tree);
    case AstKind::kLabel:
      return CompileLabel(tree);
    case AstKind::kBreak:
      return CompileBreak(tree);
    default:
      return ErrorAt(tree, "unexpected form");
  }
}

absl::StatusOr<const Node*> Compiler::CompileOptional(const AstPtr& tree) {
  if (tree == nullptr) return static_cast<const Node*>(nullptr);
  return Compile(*tree);
}

Compiler::NodeOr Compiler::CompileConstant(Json value) {
  Node& node = NewNode(Op::kLiteral);
  node.literal = std::move(value);
  MarkSingle(node, {});
  return &node;
}

Compiler::NodeOr Compiler::CompileVariable(const Ast& tree) {
  if (const Binding* binding = Find(Binding::Kind::kVariable, tree.name)) {
    Node& node = NewNode(Op::kVariable);
    node.hops = HopsTo(*binding);
    node.slot = binding->slot;
    MarkSingle(node, {});
    return &node;
  }
  if (std::find(variables_.begin(), variables_.end(), tree.name) == variables_.end()) {
    const std::string name = absl::StrCat("$", tree.name);
    const absl::string_view reason = WhyLeftOut(name);
    if (!reason.empty()) {
      return ErrorAt(tree, absl::StrCat(name, " is not available: ", reason));
    }
    return ErrorAt(tree, absl::StrCat(name, " is not defined"));
  }
  std::vector<std::string>& globals = program_.globals;
  const auto found = std::find(globals.begin(), globals.end(), tree.name);
  Node& node = NewNode(Op::kGlobal);
  node.slot = static_cast<uint32_t>(found - globals.begin());
  if (found == globals.end()) globals.push_back(tree.name);
  MarkSingle(node, {});
  return &node;
}

Compiler::NodeOr Compiler::CompileIndex(const Ast& tree) {
  const Ast& key = *tree.children[1];
  const bool constant_key = key.kind == AstKind::kLiteral && key.literal.is_string();
  SKALD_ASSIGN_OR_RETURN(const Node* target, Compile(*tree.children[0]));
  if (!constant_key) {
    SKALD_ASSIGN_OR_RETURN(const Node* key_node, Compile(key));
    Node& node = NewNode(Op::kIndex);
    node.a = target;
    node.b = key_node;
    node.optional = tree.optional;
    if (!tree.optional) MarkSingle(node, {target, key_node});
    return &node;
  }
  // Chains of keys are one node. The target was compiled last, so it is the last node.
  const bool extends =
      target->op == Op::kField && !target->optional && target == &program_.nodes.back();
  Node& node = extends ? program_.nodes.back() : NewNode(Op::kField);
  if (!extends && target->op != Op::kIdentity) node.a = target;
  node.keys.emplace_back(key.literal.AsString());
  node.key_offsets.push_back(is_prelude_ ? kNoOffset : offset_);
  node.slot += static_cast<uint32_t>(key.literal.AsString().size() / kKeyBytesPerStep);
  MarkSingle(node, {node.a});
  node.optional = tree.optional;
  if (tree.optional) node.single = node.direct = false;
  return &node;
}

Compiler::NodeOr Compiler::CompileSlice(const Ast& tree) {
  SKALD_ASSIGN_OR_RETURN(const Node* target, Compile(*tree.children[0]));
  SKALD_ASSIGN_OR_RETURN(const Node* from, CompileOptional(tree.children[1]));
  SKALD_ASSIGN_OR_RETURN(const Node* upto, CompileOptional(tree.children[2]));
  Node& node = NewNode(Op::kSlice);
  node.a = target;
  node.b = from;
  node.c = upto;
  node.optional = tree.optional;
  if (!tree.optional) MarkSingle(node, {target, from, upto});
  return &node;
}

Compiler::NodeOr Compiler::CompileIterate(const Ast& tree) {
  SKALD_ASSIGN_OR_RETURN(const Node* target, Compile(*tree.children[0]));
  Node& node = NewNode(Op::kIterate);
  if (target->op != Op::kIdentity) node.a = target;
  node.optional = tree.optional;
  return &node;
}

Compiler::NodeOr Compiler::CompileArray(const Ast& tree) {
  if (tree.children.empty()) return CompileConstant(Json::EmptyArray());
  SKALD_ASSIGN_OR_RETURN(const Node* body, Compile(*tree.children[0]));
  const std::vector<const Node*> lone = {body};
  const std::vector<const Node*>& elements = body->op == Op::kComma ? body->list : lone;
  const bool constant = std::all_of(elements.begin(), elements.end(),
                                    [](const Node* node) { return node->op == Op::kLiteral; });
  if (constant) {
    Json::ArrayBuilder array;
    for (const Node* element : elements) array.Add(element->literal);
    return CompileConstant(std::move(array).Build());
  }
  Node& node = NewNode(Op::kArray);
  node.a = body;
  MarkSingle(node, {});
  return &node;
}

Compiler::NodeOr Compiler::CompileObject(const Ast& tree) {
  std::vector<const Node*> list;
  bool constant = true;
  bool single = true;
  for (size_t i = 0; i < tree.children.size(); i += 2) {
    const Ast& key_tree = *tree.children[i];
    SKALD_ASSIGN_OR_RETURN(const Node* key, Compile(key_tree));
    if (key->op == Op::kLiteral && !key->literal.is_string()) {
      return ErrorAt(key_tree,
                     absl::StrCat("Cannot use ", Describe(key->literal), " as object key"));
    }
    SKALD_ASSIGN_OR_RETURN(const Node* value, CompileOptional(tree.children[i + 1]));
    constant = constant && key->op == Op::kLiteral && value != nullptr && value->op == Op::kLiteral;
    single = single && key->single && (value == nullptr || value->single);
    list.push_back(key);
    list.push_back(value);
  }
  if (constant) {
    Json object = Json::EmptyObject();
    for (size_t i = 0; i < list.size(); i += 2) {
      object = std::move(object).With(list[i]->literal.AsString(), list[i + 1]->literal);
    }
    return CompileConstant(std::move(object));
  }
  Node& node = NewNode(Op::kObject);
  node.list = std::move(list);
  node.single = node.direct = single;
  return &node;
}

Compiler::NodeOr Compiler::CompileString(const Ast& tree) {
  std::vector<const Node*> parts;
  bool single = true;
  for (const AstPtr& child : tree.children) {
    if (child->kind == AstKind::kLiteral) {
      Node& text = NewNode(Op::kText);
      text.literal = child->literal;
      parts.push_back(&text);
      continue;
    }
    SKALD_ASSIGN_OR_RETURN(const Node* part, Compile(*child));
    single = single && part->single;
    parts.push_back(part);
  }
  SKALD_ASSIGN_OR_RETURN(const Node* format, CompileFormat(tree));
  Node& node = NewNode(Op::kString);
  node.list = std::move(parts);
  node.format = format->format;
  node.single = node.direct = single;
  return &node;
}

Compiler::NodeOr Compiler::CompileFormat(const Ast& tree) {
  Node& node = NewNode(Op::kFormat);
  MarkSingle(node, {});
  if (tree.name.empty()) return &node;
  const absl::string_view name = absl::string_view(tree.name).substr(1);
  const std::optional<Format> format = FindFormat(name);
  if (!format.has_value()) return ErrorAt(tree, absl::StrCat(name, " is not a valid format"));
  node.format = *format;
  return &node;
}

Compiler::NodeOr Compiler::CompileBinary(const Ast& tree, Op op) {
  SKALD_ASSIGN_OR_RETURN(const Node* left, Compile(*tree.children[0]));
  SKALD_ASSIGN_OR_RETURN(const Node* right, Compile(*tree.children[1]));
  Node& node = NewNode(op);
  node.a = left;
  node.b = right;
  node.binary = tree.op;
  MarkSingle(node, {left, right});
  return &node;
}

Compiler::NodeOr Compiler::CompileNegate(const Ast& tree) {
  SKALD_ASSIGN_OR_RETURN(const Node* operand, Compile(*tree.children[0]));
  if (operand->op == Op::kLiteral && operand->literal.IsInt() && operand->literal.AsInt() > 0) {
    return CompileConstant(Json::Int(-operand->literal.AsInt()));
  }
  Node& node = NewNode(Op::kNegate);
  node.a = operand;
  MarkSingle(node, {operand});
  return &node;
}

Compiler::NodeOr Compiler::CompileComma(const Ast& tree) {
  std::vector<const Node*> operands;
  for (const AstPtr& child : tree.children) {
    SKALD_ASSIGN_OR_RETURN(const Node* operand, Compile(*child));
    operands.push_back(operand);
  }
  Node& node = NewNode(Op::kComma);
  node.list = std::move(operands);
  return &node;
}

Compiler::NodeOr Compiler::CompileUpdate(const Ast& tree, Op op) {
  SKALD_ASSIGN_OR_RETURN(Closure paths, CompileClosure(*tree.children[0]));
  Node* node = nullptr;
  if (op == Op::kUpdate) {
    SKALD_ASSIGN_OR_RETURN(Closure function, CompileClosure(*tree.children[1]));
    node = &NewNode(op);
    node->closures = {paths, function};
    MarkSingle(*node, {});
  } else {
    SKALD_ASSIGN_OR_RETURN(const Node* value, Compile(*tree.children[1]));
    node = &NewNode(op);
    node->closures = {paths};
    node->a = value;
    node->binary = tree.op;
    MarkSingle(*node, {value});
  }
  return node;
}

Compiler::NodeOr Compiler::CompileIf(const Ast& tree) {
  SKALD_ASSIGN_OR_RETURN(const Node* condition, Compile(*tree.children[0]));
  SKALD_ASSIGN_OR_RETURN(const Node* then, Compile(*tree.children[1]));
  SKALD_ASSIGN_OR_RETURN(const Node* otherwise, CompileOptional(tree.children[2]));
  Node& node = NewNode(Op::kIf);
  node.a = condition;
  node.b = then;
  node.c = otherwise;
  MarkSingle(node, {condition, then, otherwise});
  return &node;
}

Compiler::NodeOr Compiler::CompileTry(const Ast& tree) {
  SKALD_ASSIGN_OR_RETURN(const Node* body, Compile(*tree.children[0]));
  SKALD_ASSIGN_OR_RETURN(const Node* handler, CompileOptional(tree.children[1]));
  Node& node = NewNode(Op::kTry);
  node.a = body;
  node.b = handler;
  if (handler != nullptr) MarkSingle(node, {body, handler});
  return &node;
}

Compiler::NodeOr Compiler::CompileReduceOrForeach(const Ast& tree) {
  const size_t outer = bindings_.size();
  SKALD_ASSIGN_OR_RETURN(const Node* source, Compile(*tree.children[0]));
  SKALD_ASSIGN_OR_RETURN(const Node* initial, Compile(*tree.children[1]));
  Node& node = NewNode(tree.kind == AstKind::kReduce ? Op::kReduce : Op::kForeach);
  node.a = source;
  node.b = initial;
  SKALD_RETURN_IF_ERROR(CompilePatterns(tree.patterns, node));
  SKALD_ASSIGN_OR_RETURN(node.c, Compile(*tree.children[2]));
  if (tree.kind == AstKind::kForeach) {
    SKALD_ASSIGN_OR_RETURN(node.d, CompileOptional(tree.children[3]));
  } else {
    MarkSingle(node, {initial});
  }
  bindings_.resize(outer);
  return &node;
}

Compiler::NodeOr Compiler::CompileBind(const Ast& tree) {
  const size_t outer = bindings_.size();
  SKALD_ASSIGN_OR_RETURN(const Node* source, Compile(*tree.children[0]));
  Node& node = NewNode(Op::kBind);
  node.a = source;
  SKALD_RETURN_IF_ERROR(CompilePatterns(tree.patterns, node));
  SKALD_ASSIGN_OR_RETURN(node.b, Compile(*tree.children[1]));
  const bool one_way = node.matchers.size() == 1 && node.matchers[0].kind != Pattern::Kind::kObject;
  if (one_way) MarkSingle(node, {source, node.b});
  bindings_.resize(outer);
  return &node;
}

Compiler::NodeOr Compiler::CompileLabel(const Ast& tree) {
  const size_t outer = bindings_.size();
  Node& node = NewNode(Op::kLabel);
  node.slot = NewSlot();
  bindings_.push_back(Binding{Binding::Kind::kLabel, tree.name, 0, level(), node.slot, nullptr});
  SKALD_ASSIGN_OR_RETURN(node.a, Compile(*tree.children[0]));
  bindings_.resize(outer);
  return &node;
}

Compiler::NodeOr Compiler::CompileBreak(const Ast& tree) {
  const Binding* label = Find(Binding::Kind::kLabel, tree.name);
  if (label == nullptr) {
    return ErrorAt(tree, absl::StrCat("$*label-", tree.name, " is not defined"));
  }
  Node& node = NewNode(Op::kBreak);
  node.hops = HopsTo(*label);
  node.slot = label->slot;
  return &node;
}

const Compiler::Binding* Compiler::Find(Binding::Kind kind, absl::string_view name,
                                        size_t arity) const {
  for (auto binding = bindings_.rbegin(); binding != bindings_.rend(); ++binding) {
    if (binding->kind == kind && binding->name == name && binding->arity == arity) {
      return &*binding;
    }
  }
  return nullptr;
}

}  // namespace skald::expression
