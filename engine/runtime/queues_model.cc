#include "engine/runtime/queues_model.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/json_order.h"
#include "base/status_macros.h"
#include "engine/projection/listed_rows.h"
#include "engine/projection/time_text.h"
#include "storage/keys.h"

namespace skald::runtime {
namespace {

using projection::ColumnType;
using projection::Cut;
using projection::ListedRows;
using projection::ModelRows;
using projection::ModelSchema;

std::shared_ptr<const ModelSchema> Schema() {
  using enum ColumnType;
  auto schema = std::make_shared<ModelSchema>();
  schema->name = "queues";
  schema->description = "Task queues of worker functions, as they are now";
  schema->kind = projection::ModelKind::kLive;
  schema->columns = {
      {"function", kText, "The worker function", {}},
      {"ready", kInteger, "Tasks that wait for a worker, as far as they are in memory", {}},
      {"more_ready", kBoolean, "More wait on disk than `ready` says", {}},
      {"leased", kInteger, "Tasks that a worker has", {}},
      {"workers", kInteger, "Workers that serve it", {}},
      {"oldest", kTime, "When the oldest waiting task became ready", {}},
      {"completed_last_minute", kInteger, "Calls that ended well in the last whole minute", {}},
      {"faulted_last_minute", kInteger, "Calls that failed in the last whole minute", {}},
      {"p99_ms_last_minute", kNumber, "99 of 100 of them took at most about so long", {}},
  };
  return schema;
}

struct Rate {
  Json completed = Json::Int(0), faulted = Json::Int(0), p99_ms;
};

// Of the last whole minute before the cut, from the throughput model.
absl::StatusOr<absl::flat_hash_map<std::string, Rate>> RatesAt(projection::Projector& projector,
                                                               const Cut& cut) {
  absl::flat_hash_map<std::string, Rate> rates;
  SKALD_ASSIGN_OR_RETURN(const std::unique_ptr<ModelRows> rows,
                         projector.Open("throughput", {.allow_stale = true}));
  const Timestamp minute(std::max<int64_t>(0, cut.time.value() / kMinute - 1) * kMinute);
  projection::ScanRange range;
  for (const Json& part : {projection::TimeJson(minute), Json::String("function")}) {
    AppendOrdered(part, range.begin);
  }
  range.end = storage::PrefixEnd(range.begin);
  SKALD_RETURN_IF_ERROR(rows->Scan(range, [&](const projection::Row& row) {
    rates[std::string(row.value.Get("name").AsString())] = {
        row.value.Get("completed"), row.value.Get("faulted"), row.value.Get("p99_ms")};
    return true;
  }));
  return rates;
}

}  // namespace

projection::ComputedModel QueuesModel(const task::Broker& broker,
                                      const std::unique_ptr<projection::Projector>& projector) {
  const std::shared_ptr<const ModelSchema> schema = Schema();
  const auto open = [&broker, &projector,
                     schema](const Cut& cut) -> absl::StatusOr<std::unique_ptr<ModelRows>> {
    SKALD_ASSIGN_OR_RETURN(auto rates, RatesAt(*projector, cut));
    std::vector<Json> rows;
    for (const task::QueueStats& queue : broker.Queues()) {
      const Rate& rate = rates[queue.function];
      Json::ObjectBuilder row;
      row.Add("function", Json::String(queue.function));
      row.Add("ready", Json::Int(static_cast<int64_t>(queue.ready)));
      row.Add("more_ready", Json::Bool(queue.more));
      row.Add("leased", Json::Int(static_cast<int64_t>(queue.leased)));
      row.Add("workers", Json::Int(static_cast<int64_t>(queue.workers)));
      if (queue.oldest != kNever) row.Add("oldest", projection::TimeJson(queue.oldest));
      row.Add("completed_last_minute", rate.completed);
      row.Add("faulted_last_minute", rate.faulted);
      row.Add("p99_ms_last_minute", rate.p99_ms);
      rows.push_back(std::move(row).Build());
    }
    return std::make_unique<ListedRows>(schema, cut, rows);
  };
  return {*schema, open};
}

}  // namespace skald::runtime
