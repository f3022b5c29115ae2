// `metadata.saga`: compensations with their handlers, options of scopes.
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/definition/builder.h"

namespace skald::definition {
namespace {

CompensationOrder OrderOf(const Value& value) {
  if (value.text() == "mirror") return CompensationOrder::kMirror;
  return value.text() == "parallel" ? CompensationOrder::kParallel : CompensationOrder::kReverse;
}

OnExhausted OnExhaustedOf(const Value& value) {
  if (value.text() == "continue") return OnExhausted::kContinue;
  return value.text() == "fault" ? OnExhausted::kFault : OnExhausted::kPark;
}

}  // namespace

void Builder::BuildSaga(NodeIndex index, Node& node, const Surroundings& around) {
  const Value saga = draft_.notes[index].saga();
  if (!saga.is_object()) return;
  if (around.in_handler) return RefuseInHandler(saga);
  if (saga.Has("compensate")) node.compensation = BuildCompensation(saga, around);
  node.forward =
      parts_.Retry(saga.Get("forward"), Standpoint{Site::kTaskBody, around.locals}.With("error"));
  const Json& pivot = saga.Get("pivot").json();
  node.pivot = pivot.is_bool() && pivot.AsBool();
  const Value scope = saga.Get("scope");
  const bool wanted = scope.is_object() || (scope.json().is_bool() && scope.json().AsBool());
  if (wanted) node.scope = BuildScope(scope, around.locals);
}

void Builder::RefuseInHandler(const Value& saga) {
  for (const DocumentMember& member : saga.members()) {
    const Value found = saga.Of(member);
    diagnostics_.Error(
        found.key_place(), found.pointer(),
        member.key == "compensate"
            ? "a compensation cannot have a compensation of its own"
            : absl::StrCat("'", member.key, "' has no meaning inside a compensation"));
  }
}

Compensation Builder::BuildCompensation(const Value& saga, const Surroundings& around) {
  const Value written = saga.Get("compensate");
  // When an undo runs, the errors that catches had bound are gone; a loop's item and index are not.
  const Locals& locals = around.loop_locals;
  Compensation compensation;
  compensation.reference = written.pointer();
  compensation.handler = BuildHandler(written, around);
  compensation.with = parts_.Data(written.Get("with"), {Site::kUndoBody, locals});
  compensation.condition = parts_.Expression(written.Get("if"), {Site::kUndoIf, locals});
  compensation.retry =
      parts_.Retry(written.Get("retry"), Standpoint{Site::kUndoBody, locals}.With("error"));
  compensation.timeout = parts_.Timeout(written.Get("timeout"), {Site::kUndoBody, locals});
  compensation.on_exhausted = OnExhaustedOf(written.Get("onExhausted"));
  compensation.register_attempt = saga.Get("register").text() == "attempt";
  return compensation;
}

NodeIndex Builder::BuildHandler(const Value& compensate, const Surroundings& around) {
  if (!HasRoomFor(1, compensate)) return kNoNode;
  const NodeIndex index = draft_.Allocate(1);
  const Value list = compensate.Get("do");
  const Value callee = compensate.is_string() ? compensate : compensate.Get("use");
  NodeNote note;
  note.task = list ? list : compensate;
  note.keyword = "compensate";
  note.function = around.function;
  note.in_handler = true;
  draft_.notes[index] = std::move(note);
  Node node;
  node.name = "compensate";
  node.reference = list ? list.pointer() : compensate.pointer();
  node.definition = compensate.json();
  if (list) {
    Surroundings inside;
    inside.parent = index;
    inside.function = around.function;
    inside.in_handler = true;
    inside.locals = inside.loop_locals = around.loop_locals;
    node.kind = NodeKind::kDo;
    node.body = BuildList(list, inside);
    draft_.notes[index].children = node.body;
  } else if (callee.is_string()) {
    BuildCallee(node, callee, around.function);
  }
  draft_.node(index) = std::move(node);
  return index;
}

ScopeOptions Builder::BuildScope(const Value& options, const Locals& locals) {
  ScopeOptions scope;
  scope.name = std::string(options.Get("name").text());
  scope.order = OrderOf(options.Get("order"));
  scope.compensate_on_fault = options.Get("onFault").text() != "none";
  scope.compensate_on_timeout = options.Get("onTimeout").text() != "none";
  scope.compensate_on_cancel = options.Get("onCancel").text() != "abandon";
  scope.compensate_on_retry = options.Get("onRetry").text() != "keep";
  scope.timeout = parts_.Timeout(options.Get("timeout"), {Site::kUndoBody, locals});
  scope.forward =
      parts_.Retry(options.Get("forward"), Standpoint{Site::kTaskBody, locals}.With("error"));
  return scope;
}

}  // namespace skald::definition
