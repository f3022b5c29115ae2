// Deployed definitions, with how many sagas of each stand where.
#include <array>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/projection/models/built_in.h"
#include "engine/projection/time_text.h"

namespace skald::projection {
namespace {

constexpr size_t kStatusCount = static_cast<size_t>(saga::Status::kCompleted) + 1;

ModelSchema Schema() {
  using enum ColumnType;
  ModelSchema schema;
  schema.name = "definitions";
  schema.description = "Deployed definitions, with how many sagas of each stand where";
  schema.columns = {
      {"namespace", kText, "", {}},
      {"name", kText, "", {}},
      {"version", kText, "", {}},
      {"hash", kText, "SHA-256 of its text, hexadecimal", {}},
      {"deployed", kTime, "When it was deployed first", {}},
      {"total", kInteger, "How many sagas were started of it", {}},
  };
  for (size_t i = 0; i < kStatusCount; ++i) {
    const absl::string_view name = saga::StatusName(static_cast<saga::Status>(i));
    schema.columns.push_back(
        {std::string(name), kInteger, absl::StrCat("How many are ", name, " now"), {}});
  }
  schema.key_columns = 3;
  return schema;
}

class DefinitionsFold final : public ModelFold {
 public:
  explicit DefinitionsFold(ModelSchema schema) : schema_(std::move(schema)) {}

  Payloads Reads(const std::string&) override { return Payloads::kNone; }

  absl::Status Fold(const FoldedEvent& event, RowWriter& rows) override {
    // Every partition learns every definition; the first to know it is partition 0.
    if (!event.event.has_definition_deployed() || event.partition != PartitionId(0)) {
      return absl::OkStatus();
    }
    const log::v1::DefinitionDeployed& deployed = event.event.definition_deployed();
    Json::ObjectBuilder row;
    row.Add("namespace", Json::String(deployed.namespace_()));
    row.Add("name", Json::String(deployed.name()));
    row.Add("version", Json::String(deployed.version()));
    row.Add("hash", Json::String(absl::BytesToHexString(deployed.hash())));
    row.Add("deployed", TimeJson(Timestamp(event.header.time_us())));
    row.Add("total", Json::Int(0));
    for (size_t i = 0; i < kStatusCount; ++i) row.Add(schema_.columns[6 + i].name, Json::Int(0));
    rows.Put(std::move(row).Build(), {.is_new = true});
    return absl::OkStatus();
  }

  absl::Status EndRound(absl::Span<const TouchedSaga> touched, Timestamp,
                        RowWriter& rows) override {
    absl::btree_map<std::string, Change> changes;
    for (const TouchedSaga& saga : touched) {
      const saga::Status now = saga::StatusOf(saga.state);
      if (saga.status_before == now) continue;
      Change& change = changes[KeyOf(saga.state)];
      ++change.by_status[static_cast<size_t>(now)];
      if (saga.status_before) {
        --change.by_status[static_cast<size_t>(*saga.status_before)];
      } else {
        ++change.total;
      }
    }
    for (const auto& [key, change] : changes) {
      SKALD_ASSIGN_OR_RETURN(std::optional<Json> found, rows.Get(key));
      // A saga's partition knows its definition later than partition 0.
      if (!found) return absl::InternalError("a saga's definition was never deployed");
      Json row = *std::move(found);
      const auto add = [&](absl::string_view name, int64_t count) {
        if (count != 0) row = std::move(row).With(name, Json::Int(row.Get(name).AsInt() + count));
      };
      add("total", change.total);
      for (size_t i = 0; i < kStatusCount; ++i) {
        add(schema_.columns[6 + i].name, change.by_status[i]);
      }
      rows.Put(std::move(row));
    }
    return absl::OkStatus();
  }

 private:
  struct Change {
    int64_t total = 0;
    std::array<int64_t, kStatusCount> by_status{};
  };

  std::string KeyOf(const saga::SagaState& state) const {
    return EncodeRowKey(schema_,
                        Json::Object({{"namespace", Json::String(state.key.namespace_name)},
                                      {"name", Json::String(state.definition_name)},
                                      {"version", Json::String(state.definition_version)}}));
  }

  const ModelSchema schema_;
};

}  // namespace

Model DefinitionsModel() {
  return {.schema = Schema(),
          .version = "1",
          .on_poison = PoisonPolicy::kStop,
          .make_fold = [] { return std::make_unique<DefinitionsFold>(Schema()); }};
}

}  // namespace skald::projection
