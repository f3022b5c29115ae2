// Every saga, with what it is doing now.
#include <utility>
#include <vector>

#include "engine/projection/models/built_in.h"
#include "engine/projection/models/saga_attributes.h"
#include "engine/projection/time_text.h"

namespace skald::projection {
namespace {

ModelSchema Schema() {
  using enum ColumnType;
  ModelSchema schema;
  schema.name = "sagas";
  schema.description = "Every saga, with what it is doing now";
  schema.columns = {
      {"namespace", kText, "Namespace of its definition", {}},
      {"saga_id", kText, "Unique in its namespace", {}},
      {"definition", kText, "Name of its definition", {}},
      {"version", kText, "Version of its definition", {}},
      {"status", kText, "pending, running, waiting, suspended, cancelled, faulted, completed", {}},
      {"suspend_reason", kText, "operator or parked; null while it is not suspended", {}},
      {"started", kTime, "When it was started", {}},
      {"updated", kTime, "When its last event was recorded", {}},
      {"ended", kTime, "When it ended; null while it has not", {}},
      {"duration_ms", kNumber, "From start to end; null while it has not ended", {}},
      {"tasks", kJson, "Names of the tasks that run, wait or are parked now", {}},
      {"error_type", kText, "Of the error it ended by or is undone for", {}},
      {"error_title", kText, "Of the error it ended by or is undone for", {}},
      {"compensation", kText,
       "none, running, compensated, partial, failed, parked; null when nothing is undone", {}},
      {"incidents", kInteger, "How many wait for an operator", {}},
      {"correlation_id", kText, "The business conversation; null: the saga itself", {}},
      {"attributes", kJson, "What the definition's metadata.skald.attributes give", {}},
      {"revision", kInteger, "Of its last event, from 0", {}},
      {"partition", kInteger, "Where it lives", {}},
  };
  schema.key_columns = 2;
  schema.indexes = {{"status", {"status", "started"}}, {"started", {"started"}}};
  return schema;
}

void AddText(absl::string_view name, absl::string_view text, Json::ObjectBuilder& row) {
  if (!text.empty()) row.Add(name, Json::String(text));
}

Json TaskNames(const std::vector<saga::ActiveTask>& tasks) {
  Json::ArrayBuilder names;
  for (const saga::ActiveTask& task : tasks) names.Add(Json::String(task.name));
  return std::move(names).Build();
}

void AddStatus(const saga::SagaState& state, Json::ObjectBuilder& row) {
  row.Add("status", Json::String(saga::StatusName(saga::StatusOf(state))));
  switch (saga::SuspendReasonOf(state)) {
    case saga::SuspendReason::kNone:
      return;
    case saga::SuspendReason::kOperator:
      row.Add("suspend_reason", Json::String("operator"));
      return;
    case saga::SuspendReason::kParked:
      row.Add("suspend_reason", Json::String("parked"));
      return;
  }
}

void AddError(const Json& error, Json::ObjectBuilder& row) {
  if (!error.is_object()) return;
  const Json& type = error.Get("type");
  const Json& title = error.Get("title");
  if (type.is_string()) row.Add("error_type", type);
  if (title.is_string()) row.Add("error_title", title);
}

class SagasFold final : public ModelFold {
 public:
  explicit SagasFold(ProgramFinder find_program) : attributes_(std::move(find_program)) {}

  Payloads Reads(const std::string& definition_hash) override {
    return attributes_.MayHaveAny(definition_hash) ? Payloads::kAll : Payloads::kErrors;
  }

  absl::Status EndRound(absl::Span<const TouchedSaga> touched, Timestamp,
                        RowWriter& rows) override {
    for (const TouchedSaga& saga : touched) {
      rows.Put(RowOf(saga), {.is_new = !saga.status_before, .is_last = saga.state.is_ended()});
    }
    return absl::OkStatus();
  }

 private:
  Json RowOf(const TouchedSaga& saga) {
    const saga::SagaState& state = saga.state;
    Json::ObjectBuilder row;
    row.Add("namespace", Json::String(state.key.namespace_name));
    row.Add("saga_id", Json::String(state.key.saga_id));
    row.Add("definition", Json::String(state.definition_name));
    row.Add("version", Json::String(state.definition_version));
    AddStatus(state, row);
    row.Add("started", TimeJson(state.started));
    row.Add("updated", TimeJson(state.updated));
    if (state.is_ended()) {
      row.Add("ended", TimeJson(state.ended));
      row.Add("duration_ms",
              Json::Double(static_cast<double>(state.ended.value() - state.started.value()) /
                           kMillisecond));
    }
    const std::vector<saga::ActiveTask> active = saga::ActiveTasksOf(state);
    if (!active.empty()) row.Add("tasks", TaskNames(active));
    AddError(saga::ErrorOf(state), row);
    if (const auto compensation = saga::CompensationOf(state)) {
      row.Add("compensation", Json::String(compensation->outcome));
    }
    row.Add("incidents", Json::Int(static_cast<int64_t>(saga::IncidentsOf(state).size())));
    AddText("correlation_id", state.correlation_id, row);
    Json attributes = attributes_.Of(state);
    if (!attributes.is_null()) row.Add("attributes", std::move(attributes));
    row.Add("revision", Json::Int(static_cast<int64_t>(state.events) - 1));
    row.Add("partition", Json::Int(saga.partition.value()));
    return std::move(row).Build();
  }

  SagaAttributes attributes_;
};

}  // namespace

Model SagasModel(ProgramFinder find_program) {
  return {.schema = Schema(),
          .version = "1",
          .on_poison = PoisonPolicy::kStop,
          .by_saga = true,
          .make_fold = [find_program = std::move(find_program)] {
            return std::make_unique<SagasFold>(find_program);
          }};
}

}  // namespace skald::projection
