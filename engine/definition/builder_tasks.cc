// Task lists and the tasks that the engine runs.
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/definition/builder.h"
#include "engine/definition/grammar.h"
#include "engine/definition/names.h"
#include "engine/definition/suggest.h"
#include "engine/definition/unsupported.h"

namespace skald::definition {
namespace {

std::optional<std::string> OptionalText(const Value& value) {
  if (!value.is_string()) return std::nullopt;
  return std::string(value.text());
}

bool IsFlowWord(absl::string_view text) {
  return text == "continue" || text == "exit" || text == "end";
}

std::string WithoutDigits(absl::string_view text) {
  std::string rest;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) rest += c;
  }
  return rest;
}

}  // namespace

bool Builder::HasRoomFor(size_t count, const Value& at) {
  // The root is no task.
  if (draft_.program->nodes.size() + count <= limits_.tasks_max + 1) return true;
  diagnostics_.Error(at.place(), at.pointer(),
                     absl::StrCat("the definition has more than ", limits_.tasks_max, " tasks"));
  return false;
}

std::vector<NodeIndex> Builder::BuildList(const Value& list, const Surroundings& around) {
  struct Item {
    std::string name;
    Value task;
  };
  std::vector<Item> items;
  for (size_t i = 0; i < list.size(); ++i) {
    Item item;
    item.task = SingleMember(list.At(i), &item.name);
    if (item.task) items.push_back(std::move(item));
  }
  if (!HasRoomFor(items.size(), list)) return {};
  const NodeIndex first = draft_.Allocate(items.size());
  std::vector<NodeIndex> indexes;
  TaskNames names;
  absl::flat_hash_map<std::string, Place> places;
  for (size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    const auto index = static_cast<NodeIndex>(first + i);
    indexes.push_back(index);
    names.try_emplace(item.name, index);
    const auto [it, inserted] = places.try_emplace(item.name, item.task.key_place());
    if (!inserted) {
      diagnostics_.Error(item.task.key_place(), item.task.pointer(),
                         absl::StrCat("a task '", item.name, "' is in this list already, at ",
                                      it->second.ToString(), "; 'then' needs names that differ"));
    }
    if (const std::string problem = ProblemOfName(item.name); !problem.empty()) {
      diagnostics_.Error(item.task.key_place(), item.task.pointer(),
                         absl::StrCat("the name of a task ", problem));
    }
    if (IsFlowWord(item.name)) {
      diagnostics_.Error(
          item.task.key_place(), item.task.pointer(),
          absl::StrCat("'", item.name, "' is a word of 'then' and cannot name a task"));
    }
  }
  for (size_t i = 0; i < items.size(); ++i) {
    BuildTask(indexes[i], items[i].name, items[i].task, around, names);
    if (i + 1 < items.size()) draft_.node(indexes[i]).next = indexes[i + 1];
  }
  return indexes;
}

void Builder::BuildTask(NodeIndex index, const std::string& name, const Value& task,
                        const Surroundings& around, const TaskNames& siblings) {
  NodeNote note;
  note.task = task;
  note.keyword = std::string(TaskKeyword(task).value_or(""));
  note.function = around.function;
  note.in_catch = around.in_catch;
  note.in_handler = around.in_handler;
  note.is_branch = around.is_branch;
  draft_.notes[index] = std::move(note);
  // Filled aside: the vector of nodes grows while the tasks inside are built.
  Node node;
  node.name = name;
  node.reference = task.pointer();
  node.parent = around.parent;
  node.definition = task.json();
  BuildCommon(node, task, around, siblings);
  BuildBody(index, node, task, around, siblings);
  BuildSaga(index, node, around);
  draft_.node(index) = std::move(node);
}

void Builder::BuildCommon(Node& node, const Value& task, const Surroundings& around,
                          const TaskNames& siblings) {
  const Locals& locals = around.locals;
  node.condition = parts_.Expression(task.Get("if"), {Site::kTaskIf, locals});
  const Value input = task.Get("input"), output = task.Get("output"), exported = task.Get("export");
  node.input_schema = parts_.Schema(input);
  node.output_schema = parts_.Schema(output);
  node.export_schema = parts_.Schema(exported);
  node.input_from = parts_.Expression(input.Get("from"), {Site::kTaskInput, locals});
  node.output_as = parts_.Expression(output.Get("as"), {Site::kTaskOutput, locals});
  node.export_as = parts_.Expression(exported.Get("as"), {Site::kTaskExport, locals});
  node.timeout = parts_.Timeout(task.Get("timeout"), {Site::kTaskBody, locals});
  node.then = BuildFlow(task.Get("then"), siblings, around.is_branch);
}

void Builder::BuildBody(NodeIndex index, Node& node, const Value& task, const Surroundings& around,
                        const TaskNames& siblings) {
  const std::string keyword = draft_.notes[index].keyword;
  const Standpoint body{Site::kTaskBody, around.locals};
  Surroundings inside = around;
  inside.parent = index;
  inside.in_catch = inside.is_branch = false;
  if (keyword == "do") {
    node.kind = NodeKind::kDo;
    node.body = BuildList(task.Get("do"), inside);
    draft_.notes[index].children = node.body;
  } else if (keyword == "set") {
    node.kind = NodeKind::kSet;
    node.value = parts_.Data(task.Get("set"), body).value_or(Template());
  } else if (keyword == "switch") {
    node.kind = NodeKind::kSwitch;
    BuildSwitch(node, task, body, siblings);
  } else if (keyword == "call") {
    BuildCall(index, node, task, body);
  } else if (keyword == "try") {
    node.kind = NodeKind::kTry;
    BuildTry(index, node, task, around, siblings);
  } else if (keyword == "raise") {
    node.kind = NodeKind::kRaise;
    node.error = parts_.Error(task.Get("raise").Get("error"), body);
  } else if (keyword == "wait") {
    node.kind = NodeKind::kWait;
    node.wait = parts_.Duration(task.Get("wait"), body).value_or(DurationTemplate());
  } else if (!keyword.empty()) {
    BuildUnsupported(index, task, inside);
  }
}

void Builder::BuildCall(NodeIndex index, Node& node, const Value& task, const Standpoint& body) {
  const Value call = task.Get("call");
  const absl::string_view callee = call.text();
  node.kind = NodeKind::kCallWorker;
  if (!call.is_string()) return;
  if (callee == kCompensateCall) {
    node.kind = NodeKind::kCompensate;
    const Value with = task.Get("with");
    for (const auto& [key, kind] : {std::pair("scope", CompensateTarget::Kind::kScope),
                                    std::pair("task", CompensateTarget::Kind::kTask)}) {
      const Value name = with.Get(key);
      if (name.is_string()) node.compensate_target = {kind, std::string(name.text())};
    }
    return;
  }
  if (IsBuiltInCall(callee) || callee.find_first_of(":@") != absl::string_view::npos) {
    return BuildUnsupportedCall(task, body);
  }
  node.with = parts_.Data(task.Get("with"), body);
  BuildCallee(node, call, draft_.notes[index].function);
}

void Builder::BuildCallee(Node& node, const Value& callee, const std::string& function) {
  node.function = std::string(callee.text());
  node.kind = NodeKind::kCallWorker;
  if (node.function.empty()) {
    diagnostics_.Error(callee.place(), callee.pointer(), "the name of a function is missing");
    return;
  }
  if (const std::string problem = ProblemOfName(node.function); !problem.empty()) {
    diagnostics_.Error(callee.place(), callee.pointer(),
                       absl::StrCat("the name of a function ", problem));
    return;
  }
  // Inside the body of an entry its own name means the worker function.
  const FunctionDraft* entry =
      node.function == function ? nullptr : draft_.FindFunction(node.function);
  if (entry != nullptr) {
    node.kind = NodeKind::kCallFunction;
    node.callee = entry->node;
    return;
  }
  if (node.function != function) WarnOfNearMiss(callee);
}

void Builder::WarnOfNearMiss(const Value& callee) {
  const std::string name(callee.text());
  if (name == "compensate") {
    diagnostics_.Warning(callee.place(), callee.pointer(),
                         absl::StrCat("'compensate' is a worker function; an explicit undo is '",
                                      kCompensateCall, "'"));
    return;
  }
  // Short names and numbered ones (charge1, charge2) are near each other without being slips.
  constexpr size_t kShort = 5;
  if (name.size() < kShort) return;
  const std::optional<std::string> nearest = NearestName(name, function_names_);
  if (!nearest || WithoutDigits(*nearest) == WithoutDigits(name)) return;
  diagnostics_.Warning(
      callee.place(), callee.pointer(),
      absl::StrCat("use.functions has no '", name, "', so it is a worker function; did you mean '",
                   *nearest, "'?"));
}

void Builder::BuildSwitch(Node& node, const Value& task, const Standpoint& body,
                          const TaskNames& siblings) {
  const Value list = task.Get("switch");
  absl::flat_hash_map<std::string, Place> names;
  std::optional<Place> default_place;
  for (size_t i = 0; i < list.size(); ++i) {
    SwitchCase branch;
    const Value written = SingleMember(list.At(i), &branch.name);
    if (!written.is_object()) continue;
    const auto [it, inserted] = names.try_emplace(branch.name, written.key_place());
    if (!inserted) {
      diagnostics_.Error(written.key_place(), written.pointer(),
                         absl::StrCat("a case '", branch.name, "' is in this list already, at ",
                                      it->second.ToString()));
    }
    branch.when = parts_.Expression(written.Get("when"), body);
    if (!written.Has("when")) {
      if (default_place) {
        diagnostics_.Error(written.key_place(), written.pointer(),
                           absl::StrCat("a second case without 'when', the default is at ",
                                        default_place->ToString()));
      }
      default_place = written.key_place();
    }
    branch.then = BuildFlow(written.Get("then"), siblings, false);
    node.cases.push_back(std::move(branch));
  }
}

void Builder::BuildTry(NodeIndex index, Node& node, const Value& task, const Surroundings& around,
                       const TaskNames& siblings) {
  Surroundings inside = around;
  inside.parent = index;
  inside.in_catch = inside.is_branch = false;
  node.body = BuildList(task.Get("try"), inside);
  draft_.notes[index].children = node.body;

  const Value written = task.Get("catch");
  CatchClause clause;
  clause.filter = BuildErrorFilter(written.Get("errors").Get("with"));
  clause.as = LocalName(written.Get("as"), "error");
  const Standpoint with_error = Standpoint{Site::kTaskBody, around.locals}.With(clause.as);
  clause.when = parts_.Expression(written.Get("when"), with_error);
  clause.except_when = parts_.Expression(written.Get("exceptWhen"), with_error);
  clause.retry = parts_.Retry(written.Get("retry"), with_error);
  clause.has_body = written.Get("do").is_array();
  if (clause.has_body) {
    inside.locals = with_error.locals;
    inside.in_catch = true;
    clause.body = BuildList(written.Get("do"), inside);
    std::vector<NodeIndex>& children = draft_.notes[index].children;
    children.insert(children.end(), clause.body.begin(), clause.body.end());
  }
  if (written.Has("then")) clause.then = BuildFlow(written.Get("then"), siblings, around.is_branch);
  node.catch_clause = std::move(clause);
}

ErrorFilter Builder::BuildErrorFilter(const Value& with) {
  ErrorFilter filter;
  filter.type = OptionalText(with.Get("type"));
  filter.instance = OptionalText(with.Get("instance"));
  filter.title = OptionalText(with.Get("title"));
  filter.detail = OptionalText(with.Get("detail"));
  const Json& status = with.Get("status").json();
  if (status.is_number() && status.IsInt()) filter.status = status.AsInt();
  return filter;
}

std::string Builder::LocalName(const Value& value, absl::string_view otherwise) {
  if (!value.is_string()) return std::string(otherwise);
  if (!IsVariableName(value.text())) {
    diagnostics_.Error(value.place(), value.pointer(),
                       absl::StrCat("'", value.text(),
                                    "' cannot name a variable: letters, digits and "
                                    "underscores, no digit first"));
    return std::string(otherwise);
  }
  if (IsReservedVariable(value.text())) {
    diagnostics_.Error(
        value.place(), value.pointer(),
        absl::StrCat("'$", value.text(), "' is a variable of the language; choose another name"));
    return std::string(otherwise);
  }
  return std::string(value.text());
}

Flow Builder::BuildFlow(const Value& then, const TaskNames& siblings, bool is_branch) {
  if (!then.is_string() || then.text() == "continue") return {};
  if (then.text() == "exit") return {Flow::Kind::kExit, kNoNode};
  if (then.text() == "end") return {Flow::Kind::kEnd, kNoNode};
  if (is_branch) {
    diagnostics_.Error(
        then.place(), then.pointer(),
        "a branch of a fork has no task after it; 'then' may be continue, exit or end");
    return {};
  }
  const auto it = siblings.find(then.text());
  if (it != siblings.end()) return {Flow::Kind::kTask, it->second};
  std::vector<std::string> names = {"continue", "exit", "end"};
  // When no more findings are kept, none is worth a long search.
  if (!diagnostics_.full()) {
    for (const auto& [name, index] : siblings) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  diagnostics_.Error(
      then.place(), then.pointer(),
      absl::StrCat("no task '", then.text(), "' in this list ('then' cannot leave its list)",
                   DidYouMean(then.text(), names)));
  return {};
}

}  // namespace skald::definition
