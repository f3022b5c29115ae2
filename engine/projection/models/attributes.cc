// Sagas by the search attributes of their definitions.
#include <utility>

#include "engine/projection/models/built_in.h"
#include "engine/projection/models/saga_attributes.h"
#include "engine/projection/time_text.h"

namespace skald::projection {
namespace {

ModelSchema Schema() {
  using enum ColumnType;
  ModelSchema schema;
  schema.name = "attributes";
  schema.description = "Sagas by what their definitions' metadata.skald.attributes give";
  schema.columns = {
      {"namespace", kText, "Of the saga", {}},
      {"saga_id", kText, "Of the saga", {}},
      {"attribute", kText, "Name of the attribute", {}},
      {"value", kJson, "What it gives for the saga; an attribute that gives null has no row", {}},
      {"definition", kText, "Name of the saga's definition", {}},
      {"started", kTime, "When the saga was started", {}},
  };
  schema.key_columns = 3;
  schema.indexes = {{"value", {"attribute", "value", "started"}}};
  return schema;
}

class AttributesFold final : public ModelFold {
 public:
  explicit AttributesFold(ProgramFinder find_program) : attributes_(std::move(find_program)) {}

  Payloads Reads(const std::string& definition_hash) override {
    return attributes_.MayHaveAny(definition_hash) ? Payloads::kAll : Payloads::kNone;
  }

  absl::Status EndRound(absl::Span<const TouchedSaga> touched, Timestamp,
                        RowWriter& rows) override {
    for (const TouchedSaga& saga : touched) {
      const Json attributes = attributes_.Of(saga.state);
      if (!attributes.is_object()) continue;
      for (const Json::Member& attribute : attributes.AsObject()) {
        PutAttribute(saga, attribute, rows);
      }
    }
    return absl::OkStatus();
  }

 private:
  void PutAttribute(const TouchedSaga& saga, const Json::Member& attribute, RowWriter& rows) {
    const bool is_new = !saga.status_before.has_value();
    Json::ObjectBuilder builder;
    builder.Add("namespace", Json::String(saga.state.key.namespace_name));
    builder.Add("saga_id", Json::String(saga.state.key.saga_id));
    builder.Add("attribute", attribute.name);
    builder.Add("value", attribute.value);
    builder.Add("definition", Json::String(saga.state.definition_name));
    builder.Add("started", TimeJson(saga.state.started));
    Json row = std::move(builder).Build();
    if (attribute.value.is_null()) {
      if (!is_new) rows.Delete(EncodeRowKey(schema_, row));
    } else if (is_new) {
      rows.Put(std::move(row), {.is_new = true});
    } else {
      rows.Put(std::move(row));
    }
  }

  const ModelSchema schema_ = Schema();
  SagaAttributes attributes_;
};

}  // namespace

Model AttributesModel(ProgramFinder find_program) {
  return {.schema = Schema(),
          .version = "1",
          .on_poison = PoisonPolicy::kStop,
          .by_saga = true,
          .make_fold = [find_program = std::move(find_program)] {
            return std::make_unique<AttributesFold>(find_program);
          }};
}

}  // namespace skald::projection
