#include "engine/schema/schema.h"

#include <utility>

#include "base/status_macros.h"
#include "engine/schema/compiler.h"
#include "engine/schema/evaluator.h"
#include "engine/schema/graph.h"

namespace skald::schema {

struct Schema::Code {
  Graph graph;
};

absl::StatusOr<Schema> Schema::Compile(const Json& schema, const Options& options) {
  SKALD_ASSIGN_OR_RETURN(Graph graph, Compiler(schema, options).Compile());
  Schema result;
  result.code_ = std::make_shared<const Code>(Code{.graph = std::move(graph)});
  return result;
}

bool Schema::IsValid(const Json& value) const {
  return code_ == nullptr || Evaluator(code_->graph).Run(value);
}

std::vector<Violation> Schema::Validate(const Json& value, size_t max) const {
  if (IsValid(value) || max == 0) return {};
  return Evaluator(code_->graph).Explain(value, max);
}

}  // namespace skald::schema
