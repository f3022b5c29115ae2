#include "engine/definition/variables.h"

#include "absl/algorithm/container.h"

namespace skald::definition {

std::vector<std::string> VariablesAt(Site site, const Locals& locals) {
  if (site == Site::kAttribute) return {"input", "context", "output", "saga"};
  std::vector<std::string> names = {"workflow", "runtime"};
  if (site == Site::kWorkflowInput) return names;
  names.emplace_back("context");
  if (site == Site::kWorkflowOutput) return names;
  names.emplace_back("task");
  // Bound in handlers, null elsewhere.
  names.emplace_back("compensation");
  names.insert(names.end(), locals.begin(), locals.end());
  if (site == Site::kTaskIf || site == Site::kTaskInput || site == Site::kUndoIf) return names;
  names.emplace_back("input");
  names.emplace_back("authorization");
  if (site == Site::kTaskExport) names.emplace_back("output");
  return names;
}

std::vector<std::string> AllVariables(const Locals& locals) {
  std::vector<std::string> names = VariablesAt(Site::kTaskExport, locals);
  names.emplace_back("secret");
  names.emplace_back("secrets");
  return names;
}

bool MayReadSecrets(Site site) {
  return site == Site::kWorkflowInput || site == Site::kTaskInput ||
         site == Site::kBuiltInArguments;
}

bool IsSecretVariable(absl::string_view name) { return name == "secret" || name == "secrets"; }

bool IsReservedVariable(absl::string_view name) {
  constexpr absl::string_view kReserved[] = {"workflow", "runtime", "context",       "task",
                                             "input",    "output",  "authorization", "compensation",
                                             "secret",   "secrets", "ENV",           "__loc__"};
  return absl::c_linear_search(kReserved, name);
}

}  // namespace skald::definition
