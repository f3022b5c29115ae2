#include "engine/runtime/timeline_model.h"

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/json_order.h"
#include "base/status_macros.h"
#include "engine/projection/listed_rows.h"
#include "engine/projection/time_text.h"
#include "engine/saga/event_text.h"

namespace skald::runtime {
namespace {

using projection::Cut;
using projection::ListedRows;
using projection::ModelRows;
using projection::ModelSchema;
using projection::Row;
using projection::ScanRange;

// More than these are read by `skald history` or ReadHistory, which hold none in memory.
constexpr size_t kEventsMax = 100'000;

std::shared_ptr<const ModelSchema> Schema() {
  using enum projection::ColumnType;
  auto schema = std::make_shared<ModelSchema>();
  schema->name = "timeline";
  schema->description = "The events of one saga; a filter has to name it";
  schema->kind = projection::ModelKind::kOfSaga;
  schema->columns = {
      {"namespace", kText, "Of the saga", {}},
      {"saga_id", kText, "Of the saga", {}},
      {"revision", kInteger, "Place in its stream, from 0", {}},
      {"time", kTime, "When it was decided", {}},
      {"type", kText, "What happened: SagaStarted, TaskCompleted, ...", {}},
      {"task", kText, "JSON pointer of the task it is about", {}},
      {"partition", kInteger, "Where it stands in the log", {}},
      {"position", kInteger, "Where it stands in the log", {}},
      {"command", kText, "What it was decided by: StartSaga, AnswerTask, ...", {}},
      {"actor", kText, "Who asked", {}},
      {"request_id", kText, "The request that led to it", {}},
      {"data", kJson, "Its facts, with user data in place", {}},
  };
  schema->key_columns = 3;
  return schema;
}

Json RowOf(const SagaKey& saga, const RecordedEvent& event) {
  const log::v1::CommitHeader& header = *event.header;
  Json::ObjectBuilder row;
  const auto add_text = [&](absl::string_view name, absl::string_view text) {
    if (!text.empty()) row.Add(name, Json::String(text));
  };
  row.Add("namespace", Json::String(saga.namespace_name));
  row.Add("saga_id", Json::String(saga.saga_id));
  row.Add("revision", Json::Int(static_cast<int64_t>(event.revision.value())));
  row.Add("time", projection::TimeJson(Timestamp(header.time_us())));
  row.Add("type", Json::String(saga::EventTypeName(*event.event)));
  add_text("task", saga::TaskOf(*event.event));
  row.Add("partition", Json::Int(event.partition.value()));
  row.Add("position", Json::Int(static_cast<int64_t>(event.position.value())));
  add_text("command", header.cause().command());
  add_text("actor", header.actor());
  add_text("request_id", header.request_id());
  std::string data;
  saga::AppendEventData(*event.event, event.slots, data);
  row.Add("data", Json::Parse(data, kStoredJson).value_or(Json()));
  return std::move(row).Build();
}

class TimelineRows final : public ModelRows {
 public:
  TimelineRows(Engine& engine, std::shared_ptr<const ModelSchema> schema, Cut cut)
      : engine_(engine), schema_(std::move(schema)), cut_(std::move(cut)) {}

  const ModelSchema& schema() const override { return *schema_; }
  uint64_t generation() const override { return 0; }
  const Cut& cut() const override { return cut_; }
  absl::StatusOr<uint64_t> Count() const override { return Unnamed(); }
  absl::StatusOr<std::optional<Json>> Get(absl::string_view key) const override {
    SKALD_ASSIGN_OR_RETURN(const std::unique_ptr<ListedRows> rows, Read(key));
    return rows->Get(key);
  }
  absl::Status Scan(const ScanRange& range,
                    absl::FunctionRef<bool(const Row&)> row) const override {
    SKALD_ASSIGN_OR_RETURN(const std::unique_ptr<ListedRows> rows, Read(range.begin));
    return rows->Scan(range, row);
  }

 private:
  static absl::Status Unnamed() {
    return BadRequestError("filter",
                           "has to name one saga: give namespace and saga_id with '='");
  }

  // All events of the saga that the key begins with.
  absl::StatusOr<std::unique_ptr<ListedRows>> Read(absl::string_view key) const {
    SagaKey saga;
    if (!TakeOrderedString(key, &saga.namespace_name) || !TakeOrderedString(key, &saga.saga_id)) {
      return Unnamed();
    }
    std::vector<Json> rows;
    std::promise<absl::Status> end;
    engine_.ReadHistory(
        saga, Revision(0),
        [&](const RecordedEvent& event) {
          rows.push_back(RowOf(saga, event));
          return rows.size() <= kEventsMax;
        },
        [&](absl::Status status) { end.set_value(std::move(status)); });
    const absl::Status status = end.get_future().get();
    if (!status.ok() && !HasReason(status, ErrorReason::kSagaNotFound)) return status;
    if (rows.size() > kEventsMax) {
      return QueryTooLargeError(
          absl::StrCat("The saga has more than ", kEventsMax,
                       " events; read them with ReadHistory or `skald history`"),
          "timeline events");
    }
    return std::make_unique<ListedRows>(schema_, cut_, rows);
  }

  Engine& engine_;
  const std::shared_ptr<const ModelSchema> schema_;
  const Cut cut_;
};

}  // namespace

projection::ComputedModel TimelineModel(Engine& engine) {
  const std::shared_ptr<const ModelSchema> schema = Schema();
  return {*schema, [&engine, schema](const Cut& cut) -> absl::StatusOr<std::unique_ptr<ModelRows>> {
            return std::make_unique<TimelineRows>(engine, schema, cut);
          }};
}

}  // namespace skald::runtime
