#include "engine/projection/models/saga_attributes.h"

#include <utility>

#include "absl/functional/function_ref.h"
#include "base/json_written.h"
#include "engine/expression/expression.h"

namespace skald::projection {
namespace {

constexpr size_t kAttributeBytesMax = 1'024;
constexpr expression::Budget kAttributeBudget = {.steps_max = 100'000, .bytes_max = 8 << 20};

}  // namespace

Json SagaAttributes::Of(const saga::SagaState& state) {
  const definition::Program* const program = ProgramOf(state.definition_hash);
  if (program == nullptr || program->attributes.empty()) return Json();
  const auto bind = [&](absl::string_view name) {
    if (name == "input") return state.input;
    if (name == "context") return state.context;
    if (name == "output") return state.output;
    return Json::Object({{"namespace", Json::String(state.key.namespace_name)},
                         {"id", Json::String(state.key.saga_id)},
                         {"definition", Json::String(state.definition_name)},
                         {"version", Json::String(state.definition_version)}});
  };
  const absl::FunctionRef<Json(absl::string_view)> variable = bind;
  const expression::Environment environment{
      .now = state.updated, .variable = &variable, .budget = kAttributeBudget};
  Json::ObjectBuilder attributes;
  for (const definition::Attribute& attribute : program->attributes) {
    absl::StatusOr<Json> value = attribute.value.Evaluate(state.input, environment);
    const bool is_usable = value.ok() && value->ToText().size() <= kAttributeBytesMax;
    attributes.Add(attribute.name, is_usable ? AsWritten(*std::move(value)) : Json());
  }
  return std::move(attributes).Build();
}

bool SagaAttributes::MayHaveAny(const std::string& definition_hash) {
  const definition::Program* const program = ProgramOf(definition_hash);
  // One that is not known now may be later.
  return program == nullptr || !program->attributes.empty();
}

const definition::Program* SagaAttributes::ProgramOf(const std::string& hash) {
  const auto found = programs_.find(hash);
  if (found != programs_.end()) return found->second.get();
  // Null when it is not known or does not compile any more.
  std::shared_ptr<const definition::Program> program = find_program_(hash);
  if (program == nullptr) return nullptr;
  return programs_.emplace(hash, std::move(program)).first->second.get();
}

}  // namespace skald::projection
