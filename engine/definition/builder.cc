#include "engine/definition/builder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/definition/grammar.h"
#include "engine/definition/unsupported.h"

namespace skald::definition {

Builder::Builder(const Value& root, const DefinitionLimits& limits, DiagnosticSink& diagnostics)
    : root_(root), limits_(limits), diagnostics_(diagnostics), parts_(root, diagnostics) {}

Draft Builder::Build() && {
  draft_.Allocate(1);  // the root stands first
  BuildDocument();
  RefuseUnsupportedParts();
  BuildFunctions();
  BuildWorkflow();
  parts_.CheckUnused();
  return std::move(draft_);
}

void Builder::BuildDocument() {
  Program& program = *draft_.program;
  const Value document = root_.Get("document");
  program.namespace_name = std::string(document.Get("namespace").text());
  program.name = std::string(document.Get("name").text());
  program.version = std::string(document.Get("version").text());
  program.title = std::string(document.Get("title").text());
  program.summary = std::string(document.Get("summary").text());
  program.document = root_.json();
  program.input_schema = parts_.Schema(root_.Get("input"));
  program.output_schema = parts_.Schema(root_.Get("output"));
  program.input_from =
      parts_.Expression(root_.Get("input").Get("from"), {Site::kWorkflowInput, {}});
  program.output_as = parts_.Expression(root_.Get("output").Get("as"), {Site::kWorkflowOutput, {}});
  program.timeout = parts_.Timeout(root_.Get("timeout"), {Site::kWorkflowOutput, {}});
  BuildAttributes();
}

void Builder::BuildAttributes() {
  const Value attributes =
      root_.Get("document").Get("metadata").Get("skald").Get("attributes");
  for (const DocumentMember& member : attributes.members()) {
    const Value value = attributes.Of(member);
    if (!IsWholeExpression(value.text())) continue;
    std::optional<Template> compiled = parts_.Data(value, {Site::kAttribute, {}});
    if (compiled) draft_.program->attributes.push_back({member.key, *std::move(compiled)});
  }
}

void Builder::RefuseUnsupportedParts() {
  const auto refuse = [&](const Value& value, Unsupported construct, absl::string_view name) {
    if (!value) return;
    diagnostics_.Unsupported(value.key_place(), value.pointer(), NotSupportedYet(construct, name));
  };
  refuse(root_.Get("schedule"), Unsupported::kSchedule, "schedule");
  const Value extensions = root_.Get("use").Get("extensions");
  if (extensions.size() > 0) refuse(extensions, Unsupported::kExtensions, "extensions");
}

void Builder::BuildFunctions() {
  const Value functions = root_.Get("use").Get("functions");
  const size_t count = functions.members().size();
  if (!HasRoomFor(count, functions)) return;
  const NodeIndex first = draft_.Allocate(count);
  // All are known before any body is built: bodies call each other.
  for (size_t i = 0; i < count; ++i) {
    const DocumentMember& member = functions.members()[i];
    function_names_.push_back(member.key);
    draft_.functions.push_back(
        {member.key, functions.Of(member), static_cast<NodeIndex>(first + i), std::nullopt});
  }
  for (size_t i = 0; i < count; ++i) {
    const FunctionDraft& function = draft_.functions[i];
    Surroundings around;
    around.function = function.name;
    const NodeIndex node = function.node;
    BuildTask(node, function.name, function.definition, around, {});
    // The undo in a function's definition belongs to its calls, not to what it does.
    draft_.functions[i].compensation = std::exchange(draft_.node(node).compensation, std::nullopt);
  }
}

void Builder::BuildWorkflow() {
  constexpr NodeIndex kRoot = 0;
  const Value list = root_.Get("do");
  Node root;
  root.kind = NodeKind::kDo;
  root.name = "do";
  root.reference = "/do";
  root.definition = list.json();
  Surroundings around;
  around.parent = kRoot;
  root.body = BuildList(list, around);
  root.scope = BuildScope(root_.Get("document").Get("metadata").Get("saga"), {});
  NodeNote& note = draft_.notes[kRoot];
  note.task = list;
  note.keyword = "do";
  note.children = root.body;
  draft_.node(kRoot) = std::move(root);
}

}  // namespace skald::definition
