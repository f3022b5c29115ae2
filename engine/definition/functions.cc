// Calls between functions: cycles, inherited undos, worker functions.
#include <algorithm>
#include <map>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/definition/analysis.h"

namespace skald::definition {
namespace {

// Calls `visit` for a node and all in its lists, not through calls. Handlers are visited when
// `handlers` says so.
template <typename Visit>
void VisitTree(const Draft& draft, NodeIndex index, bool handlers, const Visit& visit) {
  std::vector<NodeIndex> open = {index};
  while (!open.empty()) {
    const NodeIndex at = open.back();
    open.pop_back();
    visit(at);
    const std::vector<NodeIndex>& children = draft.notes[at].children;
    open.insert(open.end(), children.begin(), children.end());
    const std::optional<Compensation>& undo = draft.node(at).compensation;
    if (handlers && undo && undo->handler != kNoNode) open.push_back(undo->handler);
  }
}

bool CallsFunction(const Draft& draft, NodeIndex index) {
  return draft.node(index).kind == NodeKind::kCallFunction && draft.node(index).callee != kNoNode;
}

Value CallOf(const Draft& draft, NodeIndex index) {
  const Value& task = draft.notes[index].task;
  if (draft.notes[index].keyword != "compensate") return task.Get("call");
  return task.is_string() ? task : task.Get("use");
}

// Depth first over functions without recursion: chains of calls may be as long as a definition. A
// call of a function that is open closes a circle.
class CallOrder {
 public:
  CallOrder(const Draft& draft, int depth_max, DiagnosticSink& diagnostics)
      : draft_(draft), depth_max_(depth_max), diagnostics_(diagnostics) {}

  // False when functions call each other in a circle or too deep.
  bool Check() {
    for (const FunctionDraft& function : draft_.functions) {
      if (heights_.contains(function.node)) continue;
      Open(function.node);
      while (!path_.empty()) Step();
    }
    return !found_;
  }

 private:
  // A function whose calls are being followed.
  struct OpenFunction {
    NodeIndex node;
    std::vector<NodeIndex> calls;  // nodes
    size_t next = 0;
    int height = 1;
  };

  void Open(NodeIndex function) {
    OpenFunction open{function, {}};
    VisitTree(draft_, function, true, [&](NodeIndex index) {
      if (CallsFunction(draft_, index)) open.calls.push_back(index);
    });
    path_.push_back(std::move(open));
    on_path_.insert(function);
  }

  void Step() {
    OpenFunction& top = path_.back();
    if (top.next == top.calls.size()) return Close();
    const NodeIndex call = top.calls[top.next];
    const NodeIndex callee = draft_.node(call).callee;
    const auto known = heights_.find(callee);
    if (known != heights_.end()) {
      top.height = std::max(top.height, known->second + 1);
    } else if (on_path_.contains(callee)) {
      ReportCircle(call, callee);
    } else {
      return Open(callee);  // this call is looked at again when the callee's height is known
    }
    ++top.next;
  }

  void Close() {
    const OpenFunction& top = path_.back();
    if (top.height == depth_max_ + 1) {
      const Value& definition = draft_.notes[top.node].task;
      Report(definition, absl::StrCat("functions call each other more than ", depth_max_, " deep"));
    }
    heights_.emplace(top.node, top.height);
    on_path_.erase(top.node);
    path_.pop_back();
  }

  void ReportCircle(NodeIndex call, NodeIndex callee) {
    std::vector<std::string> names;
    bool inside = false;
    for (const OpenFunction& open : path_) {
      inside = inside || open.node == callee;
      if (inside) names.push_back(draft_.node(open.node).name);
    }
    names.push_back(draft_.node(callee).name);
    constexpr size_t kShown = 10;
    if (names.size() > kShown) {
      names.erase(names.begin() + kShown / 2, names.end() - kShown / 2);
      names.insert(names.begin() + kShown / 2, "...");
    }
    Report(CallOf(draft_, call),
           absl::StrCat("functions call each other in a circle: ", absl::StrJoin(names, " -> ")));
  }

  void Report(const Value& at, absl::string_view message) {
    found_ = true;
    diagnostics_.Error(at.place(), at.pointer(), message);
  }

  const Draft& draft_;
  const int depth_max_;
  DiagnosticSink& diagnostics_;

  std::vector<OpenFunction> path_;
  absl::flat_hash_set<NodeIndex> on_path_;
  absl::flat_hash_map<NodeIndex, int> heights_;  // of those done: the longest chain from there
  bool found_ = false;
};

// Gives each call the undo of the function it calls, unless it has its own.
void InheritUndos(Draft& draft) {
  for (NodeIndex i = 0; i < draft.notes.size(); ++i) {
    Node& node = draft.node(i);
    if (!CallsFunction(draft, i) || node.compensation || draft.notes[i].in_handler) continue;
    const FunctionDraft* callee = draft.FindFunction(node.function);
    if (callee == nullptr || !callee->compensation) continue;
    node.compensation = callee->compensation;
    const Value registration = draft.notes[i].saga().Get("register");
    if (registration.is_string()) {
      node.compensation->register_attempt = registration.text() == "attempt";
    }
  }
}

// Adds the functions that can be reached from `index` to `reached`, with the nodes on the way to
// `nodes`.
void FollowCalls(const Draft& draft, NodeIndex index, bool handlers, std::set<NodeIndex>& functions,
                 std::vector<NodeIndex>& nodes) {
  std::vector<NodeIndex> open = {index};
  while (!open.empty()) {
    const NodeIndex at = open.back();
    open.pop_back();
    VisitTree(draft, at, handlers, [&](NodeIndex inside) {
      nodes.push_back(inside);
      if (!CallsFunction(draft, inside)) return;
      const NodeIndex callee = draft.node(inside).callee;
      if (functions.insert(callee).second) open.push_back(callee);
    });
  }
}

// Where a task says `then: end`, in its case or its catch too; absent when it does not.
Value EndOf(const Value& task) {
  const auto end = [](const Value& holder) {
    const Value then = holder.Get("then");
    return then.text() == "end" ? then : Value();
  };
  if (const Value then = end(task)) return then;
  if (const Value then = end(task.Get("catch"))) return then;
  const Value cases = task.Get("switch");
  for (size_t i = 0; i < cases.size(); ++i) {
    std::string name;
    if (const Value then = end(SingleMember(cases.At(i), &name))) return then;
  }
  return Value();
}

// Undoing must have nothing to undo itself, and it cannot complete the saga that it undoes. Called
// when calls have inherited their undos.
void CheckHandlers(const Draft& draft, DiagnosticSink& diagnostics) {
  Reach reach(draft);
  for (NodeIndex i = 0; i < draft.notes.size(); ++i) {
    if (!draft.notes[i].in_handler) continue;
    const Value call = CallOf(draft, i);
    if (draft.node(i).kind == NodeKind::kCompensate) {
      diagnostics.Error(call.place(), call.pointer(), "a compensation cannot ask for another undo");
    }
    const Value end = draft.notes[i].keyword == "compensate" ? Value() : EndOf(draft.notes[i].task);
    if (end) {
      diagnostics.Error(
          end.place(), end.pointer(),
          "'end' would complete the saga, which a compensation cannot do; 'exit' ends "
          "the list");
    }
    if (!CallsFunction(draft, i)) continue;
    if (reach.HasEnd(draft.node(i).callee)) {
      diagnostics.Error(call.place(), call.pointer(),
                        absl::StrCat("'", draft.node(i).function,
                                     "' is called to undo, but something in it says 'then: end', "
                                     "which would complete the saga; 'exit' ends its list"));
    }
    const FunctionDraft* callee = draft.FindFunction(draft.node(i).function);
    const bool own = callee != nullptr && callee->compensation.has_value();
    if (!own && !reach.Undoes(draft.node(i).callee)) continue;
    diagnostics.Error(call.place(), call.pointer(),
                      absl::StrCat("'", draft.node(i).function, "' is called to undo, but ",
                                   own ? "has a compensation of its own"
                                       : "something in it has a compensation or asks for one"));
  }
}

void ListWorkers(Draft& draft) {
  std::set<NodeIndex> functions;
  std::vector<NodeIndex> nodes;
  FollowCalls(draft, 0, true, functions, nodes);
  std::map<std::string, Value> calls;
  for (const NodeIndex index : nodes) {
    const Node& node = draft.node(index);
    if (node.kind != NodeKind::kCallWorker || node.function.empty()) continue;
    const Value call = CallOf(draft, index);
    const auto [first, added] = calls.try_emplace(node.function, call);
    if (!added && call.place() < first->second.place()) first->second = call;
  }
  for (const auto& [name, call] : calls) {
    draft.program->worker_functions.push_back(name);
    const Place place = call.place();
    draft.worker_calls.push_back({name, place.line, place.column, call.pointer()});
  }
}

}  // namespace

bool LinkFunctions(Draft& draft, const DefinitionLimits& limits, DiagnosticSink& diagnostics) {
  if (!CallOrder(draft, limits.depth_max, diagnostics).Check()) return false;
  InheritUndos(draft);
  CheckHandlers(draft, diagnostics);
  ListWorkers(draft);
  return true;
}

}  // namespace skald::definition
