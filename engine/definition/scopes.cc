// Which tasks are scopes, and what depends on it.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "engine/definition/analysis.h"
#include "engine/definition/suggest.h"

namespace skald::definition {
namespace {

constexpr NodeIndex kRoot = 0;

bool IsFalse(const Value& value) { return value.json().is_bool() && !value.json().AsBool(); }

bool RetriesAttempts(const Node& node) {
  return node.catch_clause && node.catch_clause->retry.has_value();
}

// Whether tasks in the list may be repeated by a `try` around it, up to where the node's parents
// end.
bool IsRetried(const Draft& draft, NodeIndex index) {
  for (NodeIndex at = index; draft.node(at).parent != kNoNode; at = draft.node(at).parent) {
    if (!draft.notes[at].in_catch && RetriesAttempts(draft.node(draft.node(at).parent)))
      return true;
  }
  return false;
}

class ScopeCheck {
 public:
  ScopeCheck(const Draft& draft, DiagnosticSink& diagnostics)
      : draft_(draft), diagnostics_(diagnostics), reach_(draft) {}

  void Run() {
    GatherTargets();
    for (NodeIndex i = 0; i < draft_.notes.size(); ++i) {
      CheckPivot(i);
      CheckForward(i);
      CheckScopeForward(i);
      CheckRegistration(i);
      CheckTarget(i);
    }
  }

 private:
  void Error(const Value& at, absl::string_view message) {
    diagnostics_.Error(at.key_place(), at.pointer(), message);
  }

  void CheckPivot(NodeIndex index);
  void CheckForward(NodeIndex index);
  void CheckScopeForward(NodeIndex index);
  void CheckRegistration(NodeIndex index);
  void CheckTarget(NodeIndex index);
  bool IsAfterPivot(NodeIndex index) const;
  void GatherTargets();
  const std::string& NameOf(NodeIndex scope) const;
  void CheckName(NodeIndex scope, NodeIndex earlier);

  const Draft& draft_;
  DiagnosticSink& diagnostics_;
  Reach reach_;
  // What explicit undos may name.
  std::vector<std::string> scope_names_, task_names_;
  absl::flat_hash_map<std::string, NodeIndex> scopes_;  // the first of each name
  absl::flat_hash_set<std::string> tasks_;
};

void ScopeCheck::CheckPivot(NodeIndex index) {
  const Node& node = draft_.node(index);
  const NodeNote& note = draft_.notes[index];
  if (node.kind == NodeKind::kCallFunction && node.callee != kNoNode &&
      reach_.HasPivot(node.callee) && IsRetried(draft_, index)) {
    Error(note.task.Get("call"),
          "a pivot is inside this function, and a 'try' with 'retry' would pass it again");
  }
  if (!node.pivot) return;
  const Value pivot = note.saga().Get("pivot");
  if (node.parent == kNoNode) {
    return Error(pivot,
                 "a pivot stands in its scope's list; the definition of a function is in none");
  }
  if (IsRetried(draft_, index)) {
    return Error(pivot, "a pivot cannot stand inside a 'try' with 'retry'");
  }
  if (note.in_catch || !draft_.node(node.parent).scope) {
    Error(pivot, absl::StrCat("a pivot stands in its scope's list; this list is of a '",
                              note.in_catch ? "catch" : draft_.notes[node.parent].keyword,
                              "' that is no scope"));
  }
}

bool ScopeCheck::IsAfterPivot(NodeIndex index) const {
  for (NodeIndex at = index; draft_.node(at).parent != kNoNode; at = draft_.node(at).parent) {
    const NodeNote& parent = draft_.notes[draft_.node(at).parent];
    for (const NodeIndex sibling : parent.children) {
      if (sibling == at) break;
      if (draft_.node(sibling).pivot && !draft_.notes[sibling].in_catch) return true;
    }
  }
  return false;
}

void ScopeCheck::CheckForward(NodeIndex index) {
  const NodeNote& note = draft_.notes[index];
  const Value forward = note.saga().Get("forward");
  // The body of a function may be called after a pivot.
  if (!forward || note.in_handler || !note.function.empty() || IsAfterPivot(index)) return;
  Error(forward, "'forward' has no meaning here: no pivot stands before this task");
}

void ScopeCheck::CheckScopeForward(NodeIndex index) {
  const NodeNote& note = draft_.notes[index];
  const Value forward = note.saga().Get("scope").Get("forward");
  if (!forward) return;
  for (const NodeIndex child : note.children) {
    if (draft_.node(child).pivot) return;
  }
  diagnostics_.Warning(forward.key_place(), forward.pointer(),
                       "'forward' has no effect: no task of this scope is a pivot");
}

void ScopeCheck::CheckRegistration(NodeIndex index) {
  const NodeNote& note = draft_.notes[index];
  const Value registration = note.saga().Get("register");
  if (!registration || note.in_handler) return;
  const bool of_function = note.saga().Has("compensate");
  if (!of_function && !draft_.node(index).compensation) {
    return Error(registration, "'register' has a meaning only with 'compensate'");
  }
  if (registration.text() != "attempt") return;
  if (!reach_.HasEffect(index)) {
    diagnostics_.Warning(
        registration.key_place(), registration.pointer(),
        "'register: attempt' on a task without outside effect: its outcome is never unknown");
  } else if (draft_.node(index).kind != NodeKind::kCallWorker) {
    diagnostics_.Warning(
        registration.key_place(), registration.pointer(),
        "'register: attempt' has no effect on a task that is more than one call: its undo is owed "
        "when it has completed. Write it, with 'compensate', at the calls inside");
  }
}

void ScopeCheck::GatherTargets() {
  for (NodeIndex i = 0; i < draft_.notes.size(); ++i) {
    const Node& node = draft_.node(i);
    if (node.compensation && tasks_.insert(node.name).second) task_names_.push_back(node.name);
    if (!node.scope) continue;
    const std::string& name = NameOf(i);
    const auto [known, inserted] = scopes_.try_emplace(name, i);
    if (inserted) {
      scope_names_.push_back(name);
    } else {
      CheckName(i, known->second);
    }
  }
}

const std::string& ScopeCheck::NameOf(NodeIndex scope) const {
  const Node& node = draft_.node(scope);
  if (!node.scope->name.empty()) return node.scope->name;
  return scope == kRoot ? draft_.program->name : node.name;
}

// Tasks in different lists may have one name, and so may the scopes that are called after them; a
// name that was given to a scope is there to tell it from the others.
void ScopeCheck::CheckName(NodeIndex index, NodeIndex earlier) {
  const ScopeOptions& scope = *draft_.node(index).scope;
  if (scope.name.empty() && draft_.node(earlier).scope->name.empty()) return;
  const Value& task = draft_.notes[index].task;
  const Value name = draft_.notes[index].saga().Get("scope").Get("name");
  Error(scope.name.empty() ? task : name,
        absl::StrCat("a scope '", NameOf(index), "' is in this definition already, at ",
                     earlier == kRoot ? "/document/metadata/saga" : draft_.node(earlier).reference,
                     "; an undo by that name could mean both: name one of them otherwise"));
}

void ScopeCheck::CheckTarget(NodeIndex index) {
  const CompensateTarget& target = draft_.node(index).compensate_target;
  if (target.kind == CompensateTarget::Kind::kInnermost) return;
  const bool scope = target.kind == CompensateTarget::Kind::kScope;
  if (scope ? scopes_.contains(target.name) : tasks_.contains(target.name)) return;
  const Value at = draft_.notes[index].task.Get("with").Get(scope ? "scope" : "task");
  diagnostics_.Error(
      at.place(), at.pointer(),
      absl::StrCat(scope ? "no scope is named '" : "no task with a compensation is named '",
                   target.name, "'", DidYouMean(target.name, scope ? scope_names_ : task_names_)));
}

}  // namespace

Reach::Reach(const Draft& draft) : draft_(draft) {
  undo_.holds = [](const Draft& d, NodeIndex i) { return d.node(i).compensation.has_value(); };
  undoes_.holds = [](const Draft& d, NodeIndex i) {
    return d.node(i).compensation.has_value() || d.node(i).kind == NodeKind::kCompensate;
  };
  pivot_.holds = [](const Draft& d, NodeIndex i) { return d.node(i).pivot; };
  effect_.holds = [](const Draft& d, NodeIndex i) {
    const NodeKind kind = d.node(i).kind;
    return kind == NodeKind::kCallWorker || kind == NodeKind::kCompensate ||
           d.notes[i].keyword == "run" || d.notes[i].keyword == "emit";
  };
  end_.holds = [](const Draft& d, NodeIndex i) {
    const Node& node = d.node(i);
    const auto ends = [](const Flow& flow) { return flow.kind == Flow::Kind::kEnd; };
    return ends(node.then) ||
           std::any_of(node.cases.begin(), node.cases.end(),
                       [&](const SwitchCase& branch) { return ends(branch.then); }) ||
           (node.catch_clause && node.catch_clause->then && ends(*node.catch_clause->then));
  };
  for (Fact* fact : {&undo_, &undoes_, &pivot_, &effect_, &end_}) {
    fact->known.assign(draft.notes.size(), Known::kNot);
  }
}

bool Reach::Any(NodeIndex index, Fact& fact) {
  if (fact.known[index] != Known::kNot) return fact.known[index] == Known::kYes;
  bool found = fact.holds(draft_, index);
  // The depth of this recursion is bounded: the document's times the longest chain of calls.
  for (const NodeIndex child : draft_.notes[index].children) found = found || Any(child, fact);
  const NodeIndex callee = draft_.node(index).callee;
  if (callee != kNoNode) found = found || Any(callee, fact);
  fact.known[index] = found ? Known::kYes : Known::kNo;
  return found;
}

bool Reach::HasUndoInside(NodeIndex index) {
  for (const NodeIndex child : draft_.notes[index].children) {
    if (HasUndo(child)) return true;
  }
  const NodeIndex callee = draft_.node(index).callee;
  return callee != kNoNode && HasUndo(callee);
}

void MarkScopes(Draft& draft, DiagnosticSink& diagnostics) {
  Reach reach(draft);
  for (NodeIndex i = 0; i < draft.notes.size(); ++i) {
    Node& node = draft.node(i);
    const NodeNote& note = draft.notes[i];
    if (i == kRoot || note.in_handler || node.scope) continue;
    const Value scope = note.saga().Get("scope");
    const bool composite = node.kind == NodeKind::kDo || node.kind == NodeKind::kTry;
    if (IsFalse(scope)) {
      // One undo of the whole and undos of its parts would both be owed.
      if (composite && node.compensation) {
        diagnostics.Error(scope.key_place(), scope.pointer(),
                          "a task with its own 'compensate' is a scope and cannot opt out");
      }
      continue;
    }
    const bool holds_parts = reach.HasUndoInside(i);
    const bool is_try = node.kind == NodeKind::kTry && holds_parts;
    const bool own_undo =
        node.compensation && (composite || (node.kind == NodeKind::kCallFunction && holds_parts));
    if (is_try || own_undo) node.scope.emplace();
  }
}

void CheckScopes(const Draft& draft, DiagnosticSink& diagnostics) {
  ScopeCheck(draft, diagnostics).Run();
}

}  // namespace skald::definition
