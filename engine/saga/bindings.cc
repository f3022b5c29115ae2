// What expressions may see, and evaluating them: the standard's variables, bound lazily.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/json_written.h"
#include "engine/saga/execution.h"
#include "engine/saga/problem.h"

namespace skald::saga {
namespace {

// A character takes as many bytes at most in a text: "\u0001".
constexpr size_t kEscapedBytesMax = 6;

// The standard's dateTime descriptor.
Json DateTime(Timestamp time) {
  const absl::Time at = absl::FromUnixMicros(time.value());
  Json::ObjectBuilder epoch;
  epoch.Add("seconds", Json::Int(time.value() / kSecond));
  epoch.Add("milliseconds", Json::Int(time.value() / kMillisecond));
  Json::ObjectBuilder result;
  result.Add("iso8601",
             Json::String(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", at, absl::UTCTimeZone())));
  result.Add("epoch", std::move(epoch).Build());
  return std::move(result).Build();
}

absl::string_view CauseName(CompensationCause cause) {
  switch (cause) {
    case log::v1::COMPENSATION_CAUSE_CANCEL:
      return "cancel";
    case log::v1::COMPENSATION_CAUSE_TIMEOUT:
      return "timeout";
    case log::v1::COMPENSATION_CAUSE_EXPLICIT:
      return "explicit";
    case log::v1::COMPENSATION_CAUSE_RETRY:
      return "retry";
    default:
      return "fault";
  }
}

absl::string_view OutcomeName(Entry::Outcome outcome) {
  switch (outcome) {
    case Entry::Outcome::kCompleted:
      return "completed";
    case Entry::Outcome::kFailed:
      return "failed";
    case Entry::Outcome::kOpen:
    case Entry::Outcome::kUnknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace

OrProblem<Json> Execution::Evaluate(const Template& expression, const Json& dot,
                                    const Place& place) {
  OrProblem<Json> value = Compute(expression, dot, place);
  // What is decided now, and what a replay finds in the log, is one value.
  if (value.ok() && !expression.is_constant()) *value = AsWritten(*std::move(value));
  return value;
}

OrProblem<Json> Execution::Compute(const Template& expression, const Json& dot,
                                   const Place& place) {
  const DecideLimits& limits = context_.limits;
  // No constant is larger than a definition, which may take less than a value.
  const bool fits = slot_bytes_ - move_begin_ + limits.value_bytes_max <= limits.bytes_per_move;
  if (expression.is_constant() && fits) return expression.source();
  const auto bind = [&](absl::string_view name) { return Variable(name, place); };
  const absl::FunctionRef<Json(absl::string_view)> variable = bind;
  const expression::Environment environment{.now = context_.now, .variable = &variable};
  absl::StatusOr<Json> result = expression.Evaluate(dot, environment);
  const std::string instance = place.node ? place.node->reference : "/";
  if (!result.ok()) {
    return OrProblem<Json>::Failed(MakeProblem(Problem::kExpression, "Expression failed",
                                               result.status().message(), instance));
  }
  const Json::Extent extent = result->Measure();
  if (extent.depth > limits.depth_of_value_max) {
    return OrProblem<Json>::Failed(
        MakeProblem(Problem::kExpression, "Value nested too deep",
                    absl::StrCat("More than ", limits.depth_of_value_max,
                                 " arrays and objects stand in each other"),
                    instance));
  }
  if (IsTooLarge(*result, extent.bytes)) {
    return OrProblem<Json>::Failed(
        MakeProblem(Problem::kExpression, "Value too large",
                    absl::StrCat("A value may take ", limits.value_bytes_max,
                                 " bytes, and all that a task takes in or gives out at once ",
                                 limits.bytes_per_move,
                                 ". Store large data elsewhere and keep a reference to it"),
                    instance));
  }
  return *std::move(result);
}

// A start that does not fit is refused as a whole.
bool Execution::IsTooLarge(const Json& value, size_t bytes) const {
  const DecideLimits& limits = context_.limits;
  if (bytes > limits.value_bytes_max) return true;
  const size_t taken = state_.exists() ? slot_bytes_ - move_begin_ : 0;
  const size_t room = std::min(limits.value_bytes_max,
                               limits.bytes_per_move - std::min(limits.bytes_per_move, taken));
  return bytes > room / kEscapedBytesMax && value.ToText().size() > room;
}

OrProblem<bool> Execution::Holds(const Template& expression, const Json& dot, const Place& place) {
  OrProblem<Json> value = Compute(expression, dot, place);
  if (!value.ok()) return OrProblem<bool>::Failed(value.problem());
  return value->Truthy();
}

OrProblem<definition::Duration> Execution::EvaluateDuration(
    const definition::DurationTemplate& duration, const Json& dot, const Place& place) {
  if (!duration.computed) return duration.constant;
  OrProblem<Json> value = Evaluate(*duration.computed, dot, place);
  if (!value.ok()) return OrProblem<definition::Duration>::Failed(value.problem());
  absl::StatusOr<definition::Duration> parsed = definition::Duration::FromJson(*value);
  if (!parsed.ok()) {
    return OrProblem<definition::Duration>::Failed(
        MakeProblem(Problem::kExpression, "Not a duration", parsed.status().message(),
                    place.node ? place.node->reference : "/"));
  }
  return *parsed;
}

OrProblem<Timestamp> Execution::Deadline(
    const std::optional<definition::DurationTemplate>& duration, const Json& dot,
    const Place& place) {
  if (!duration) return kNever;
  OrProblem<definition::Duration> span = EvaluateDuration(*duration, dot, place);
  if (!span.ok()) return OrProblem<Timestamp>::Failed(span.problem());
  return span->From(context_.now);
}

std::optional<Json> Execution::Violation(const std::optional<schema::Schema>& schema,
                                         const Json& value, absl::string_view what,
                                         absl::string_view instance) {
  if (!schema || schema->IsValid(value)) return std::nullopt;
  std::string detail;
  for (const schema::Violation& violation : schema->Validate(value, 5)) {
    absl::StrAppend(&detail, detail.empty() ? "" : "; ",
                    violation.instance_pointer.empty() ? "/" : violation.instance_pointer, ": ",
                    violation.message);
  }
  return MakeProblem(Problem::kValidation, absl::StrCat(what, " does not fit its schema"), detail,
                     instance);
}

Json Execution::Variable(absl::string_view name, const Place& place) const {
  if (!place.error_name.empty() && name == place.error_name) return place.error;
  // A catch's variable hides a standard one of the same name, as any inner binding does.
  for (const Frame* at = state_.Find(place.frame); at != nullptr;) {
    if (at->kind == FrameKind::kTry && at->in_catch) {
      const Node& node = NodeOf(*at);
      if (node.catch_clause && node.catch_clause->as == name) return at->error;
    }
    if (at->id == kRootFrame) break;
    at = state_.Find(at->parent);
  }
  if (name == "context") return state_.context;
  if (name == "input") return place.input.value_or(Json());
  if (name == "output") return place.output.value_or(Json());
  if (name == "task") return TaskDescriptor(place);
  if (name == "workflow") return WorkflowDescriptor();
  if (name == "compensation") return CompensationVariable(place);
  if (name == "runtime") {
    Json::ObjectBuilder runtime;
    runtime.Add("name", Json::String("skald")).Add("version", Json::String("0.1.0"));
    runtime.Add("metadata", Json::EmptyObject());
    return std::move(runtime).Build();
  }
  return Json();
}

Json Execution::TaskDescriptor(const Place& place) const {
  if (place.node == nullptr) return Json();
  Json::ObjectBuilder task;
  task.Add("name", Json::String(place.node->name));
  task.Add("reference", Json::String(place.node->reference));
  task.Add("definition", place.node->definition);
  task.Add("input", place.raw_input.value_or(Json()));
  task.Add("output", place.raw_output.value_or(Json()));
  task.Add("startedAt", DateTime(place.started));
  return std::move(task).Build();
}

Json Execution::WorkflowDescriptor() const {
  Json::ObjectBuilder workflow;
  workflow.Add("id", Json::String(command_.saga.saga_id));
  workflow.Add("definition", program().document);
  workflow.Add("input", state_.input);
  workflow.Add("startedAt", DateTime(state_.exists() ? state_.started : context_.now));
  return std::move(workflow).Build();
}

Json Execution::CompensationVariable(const Place& place) const {
  const Entry* entry = place.undo;
  const Scope* scope = place.undo_scope;
  FrameId scope_frame = kRootFrame;
  for (const Frame* at = state_.Find(place.frame);
       entry == nullptr && at != nullptr && at->id != kRootFrame; at = state_.Find(at->parent)) {
    if (at->kind != FrameKind::kUndo) continue;
    scope_frame = at->undo_scope;
    scope = &*frame(scope_frame).scope;
    entry = FindEntry(scope->entries, at->undo_seq);
  }
  if (entry == nullptr || scope == nullptr) return Json();
  const Frame* holder = nullptr;
  for (const Frame& candidate : state_.frames) {
    if (candidate.scope && &*candidate.scope == scope) holder = &candidate;
  }
  Json::ObjectBuilder task;
  task.Add("name", Json::String(TaskName(entry->task)));
  task.Add("reference", Json::String(entry->task));
  task.Add("iteration", Json());
  task.Add("input", entry->input);
  task.Add("output", entry->has_output ? entry->raw_output : Json());
  task.Add("outcome", Json::String(OutcomeName(entry->outcome)));
  task.Add("startedAt", DateTime(entry->started));
  task.Add("completedAt", entry->completed.value() ? DateTime(entry->completed) : Json());
  Json::ObjectBuilder result;
  result.Add("task", std::move(task).Build());
  result.Add("context", entry->context);
  result.Add("error", holder && holder->fault ? holder->fault->error : Json());
  result.Add("cause", Json::String(CauseName(scope->cause)));
  result.Add("scope", Json::String(holder ? ScopeName(*holder) : ""));
  result.Add("attempt", Json::Int(std::max<int64_t>(entry->attempts, 1)));
  return std::move(result).Build();
}

Execution::Place Execution::PlaceOf(const Frame& frame) const {
  Place place;
  place.frame = frame.id;
  place.node = &NodeOf(frame);
  place.started = frame.started;
  place.raw_input = frame.raw_input;
  place.input = frame.input;
  return place;
}

}  // namespace skald::saga
