// A model as the built-in one of sagas, and rows of it, for tests of queries.
#pragma once

#include <string>

#include "base/json.h"
#include "engine/projection/model.h"

namespace skald::query {

inline projection::ModelSchema SagasSchema() {
  using projection::ColumnType;
  projection::ModelSchema schema;
  schema.name = "sagas";
  schema.columns = {
      {.name = "namespace", .type = ColumnType::kText, .description = "", .path = {}},
      {.name = "id", .type = ColumnType::kText, .description = "", .path = {}},
      {.name = "status", .type = ColumnType::kText, .description = "", .path = {}},
      {.name = "started", .type = ColumnType::kTime, .description = "", .path = {}},
      {.name = "ended", .type = ColumnType::kTime, .description = "", .path = {}},
      {.name = "attempts", .type = ColumnType::kInteger, .description = "", .path = {}},
      {.name = "total", .type = ColumnType::kNumber, .description = "", .path = {"order", "total"}},
      {.name = "parked", .type = ColumnType::kBoolean, .description = "", .path = {}},
      {.name = "order", .type = ColumnType::kJson, .description = "", .path = {}},
  };
  schema.key_columns = 2;
  schema.indexes = {{.name = "status", .columns = {"status", "started"}},
                    {.name = "started", .columns = {"started"}},
                    {.name = "ended", .columns = {"ended"}},
                    {.name = "total", .columns = {"total"}}};
  schema.history = true;
  return schema;
}

// A row of the namespace "shop".
inline Json SagaRow(absl::string_view id, absl::string_view status, absl::string_view started,
                    Json ended = Json::Null(), int64_t attempts = 1, double total = 0) {
  Json::ObjectBuilder order;
  order.Add("total", Json::Double(total));
  Json::ObjectBuilder row;
  row.Add("namespace", Json::String("shop"))
      .Add("id", Json::String(id))
      .Add("status", Json::String(status))
      .Add("started", Json::String(started))
      .Add("ended", std::move(ended))
      .Add("attempts", Json::Int(attempts))
      .Add("parked", Json::Bool(status == "suspended"))
      .Add("order", std::move(order).Build());
  return std::move(row).Build();
}

}  // namespace skald::query
