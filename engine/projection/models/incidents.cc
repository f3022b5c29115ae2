// Work that waits for an operator.
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_split.h"
#include "engine/projection/models/built_in.h"
#include "engine/projection/time_text.h"

namespace skald::projection {
namespace {

using saga::Incident;

ModelSchema Schema() {
  using enum ColumnType;
  ModelSchema schema;
  schema.name = "incidents";
  schema.description = "Work that waits for an operator: parked tasks, parked undos, late effects";
  schema.columns = {
      {"namespace", kText, "Of the saga", {}},
      {"saga_id", kText, "Of the saga", {}},
      {"kind", kText, "parked_task, parked_compensation, late_effect", {}},
      {"task", kText, "JSON pointer of the task; the verbs take it", {}},
      {"since", kTime, "Since when it waits", {}},
      {"name", kText, "Name of the task", {}},
      {"definition", kText, "Name of the saga's definition", {}},
      {"version", kText, "Version of the saga's definition", {}},
      {"error_type", kText, "Why it is parked", {}},
      {"error_title", kText, "Why it is parked", {}},
      {"error", kJson, "Why it is parked, in full", {}},
      {"verbs", kJson, "What can be done about it", {}},
  };
  schema.key_columns = 5;
  schema.indexes = {{"since", {"since"}}};
  return schema;
}

absl::string_view KindName(Incident::Kind kind) {
  switch (kind) {
    case Incident::Kind::kParkedCompensation:
      return "parked_compensation";
    case Incident::Kind::kParkedTask:
      return "parked_task";
    case Incident::Kind::kLateEffect:
      return "late_effect";
  }
  return "parked_task";
}

Json RowOf(const saga::SagaState& state, const Incident& incident) {
  Json::ObjectBuilder row;
  row.Add("namespace", Json::String(state.key.namespace_name));
  row.Add("saga_id", Json::String(state.key.saga_id));
  row.Add("kind", Json::String(KindName(incident.kind)));
  row.Add("task", Json::String(incident.task));
  row.Add("since", TimeJson(incident.since));
  row.Add("name", Json::String(incident.name));
  row.Add("definition", Json::String(state.definition_name));
  row.Add("version", Json::String(state.definition_version));
  if (incident.error.is_object()) {
    const Json& type = incident.error.Get("type");
    const Json& title = incident.error.Get("title");
    if (type.is_string()) row.Add("error_type", type);
    if (title.is_string()) row.Add("error_title", title);
    row.Add("error", incident.error);
  }
  Json::ArrayBuilder verbs;
  for (const absl::string_view verb : absl::StrSplit(incident.verbs, ", ")) {
    verbs.Add(Json::String(verb));
  }
  row.Add("verbs", std::move(verbs).Build());
  return std::move(row).Build();
}

class IncidentsFold final : public ModelFold {
 public:
  explicit IncidentsFold(ModelSchema schema) : schema_(std::move(schema)) {}

  Payloads Reads(const std::string&) override { return Payloads::kErrors; }

  absl::Status EndRound(absl::Span<const TouchedSaga> touched, Timestamp,
                        RowWriter& rows) override {
    for (const TouchedSaga& saga : touched) {
      const std::vector<Incident> now = saga::IncidentsOf(saga.state);
      if (now.empty() && saga.incidents_before.empty()) continue;
      absl::flat_hash_set<std::string> keys;
      for (const Incident& incident : now) {
        Json row = RowOf(saga.state, incident);
        keys.insert(EncodeRowKey(schema_, row));
        rows.Put(std::move(row));
      }
      for (const Incident& incident : saga.incidents_before) {
        const std::string key = EncodeRowKey(schema_, RowOf(saga.state, incident));
        if (!keys.contains(key)) rows.Delete(key);
      }
    }
    return absl::OkStatus();
  }

 private:
  const ModelSchema schema_;
};

}  // namespace

Model IncidentsModel() {
  return {.schema = Schema(),
          .version = "1",
          .on_poison = PoisonPolicy::kStop,
          .by_saga = true,
          .make_fold = [] { return std::make_unique<IncidentsFold>(Schema()); }};
}

}  // namespace skald::projection
