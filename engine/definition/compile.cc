#include "engine/definition/compile.h"

#include <utility>

#include "base/sha256.h"
#include "engine/definition/analysis.h"
#include "engine/definition/builder.h"
#include "engine/definition/diagnostics.h"
#include "engine/definition/document.h"
#include "engine/definition/grammar.h"
#include "engine/definition/yaml_reader.h"

namespace skald::definition {
namespace {

// Everything past the text. The draft's program is whole only when no error was added.
std::shared_ptr<Program> CompileDocument(const Value& root, const DefinitionLimits& limits,
                                         DiagnosticSink& diagnostics,
                                         std::vector<WorkerCall>& worker_calls) {
  CheckGrammar(root, diagnostics);
  if (!root.is_object()) return nullptr;
  Draft draft = Builder(root, limits, diagnostics).Build();
  if (LinkFunctions(draft, limits, diagnostics)) {
    MarkScopes(draft, diagnostics);
    CheckScopes(draft, diagnostics);
  }
  for (NodeIndex i = 0; i < draft.program->nodes.size(); ++i) {
    draft.program->by_reference.try_emplace(draft.program->nodes[i].reference, i);
  }
  worker_calls = std::move(draft.worker_calls);
  return std::move(draft.program);
}

}  // namespace

CompileResult Compile(absl::string_view text, const DefinitionLimits& limits) {
  DiagnosticSink diagnostics(limits.diagnostics_max);
  Document document;
  CompileResult result;
  if (ReadDocument(text, limits, diagnostics, document)) {
    std::shared_ptr<Program> program =
        CompileDocument(Value(*document.root), limits, diagnostics, result.worker_calls);
    if (diagnostics.can_run() && program != nullptr) {
      program->hash = Sha256(text);
      result.program = std::move(program);
    }
  }
  result.diagnostics = std::move(diagnostics).Take();
  return result;
}

}  // namespace skald::definition
