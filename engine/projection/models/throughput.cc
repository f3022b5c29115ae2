// What was done in each minute, and how long it took: by definition and by worker function.
#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/container/btree_map.h"
#include "base/json_order.h"
#include "base/status_macros.h"
#include "engine/projection/models/built_in.h"
#include "engine/projection/time_text.h"

namespace skald::projection {
namespace {

// Minutes are kept for a week, judged by the time of the last commit.
constexpr Micros kKept = 7 * kDay;
// Latencies are counted in buckets whose upper bounds double: 64 us, 128 us, ... 2^40 us (12 days).
constexpr int kBuckets = 35;
constexpr int kFirstBound = 6;

ModelSchema Schema() {
  using enum ColumnType;
  ModelSchema schema;
  schema.name = "throughput";
  schema.description =
      "What was done in each minute of the last week, by definition and by worker function";
  schema.columns = {
      {"minute", kTime, "When the minute began", {}},
      {"kind", kText, "definition or function", {}},
      {"namespace", kText, "Of a definition; empty for a function", {}},
      {"name", kText, "Of the definition or the function", {}},
      {"version", kText, "Of a definition; empty for a function", {}},
      {"started", kInteger, "Sagas started, calls made", {}},
      {"completed", kInteger, "Sagas and calls that ended well", {}},
      {"faulted", kInteger, "Sagas and calls that ended by an error or a timeout", {}},
      {"cancelled", kInteger, "Sagas that ended by request, calls that were given up", {}},
      {"mean_ms", kNumber, "From start to end, of what ended in this minute", {}},
      {"max_ms", kNumber, "The longest of them", {}},
      {"p50_ms", kNumber, "Half of them took at most so long, rounded up to a bucket's bound", {}},
      {"p99_ms", kNumber, "99 of 100 of them took at most so long, rounded up likewise", {}},
      {"total_us", kInteger, "Sum of all of them", {}},
      {"max_us", kInteger, "The longest of them", {}},
      {"buckets", kJson, "How many took at most 64 us, 128 us, and so on", {}},
  };
  schema.key_columns = 5;
  return schema;
}

struct Name {
  Timestamp minute;
  bool is_function = false;
  std::string namespace_name, name, version;

  friend auto operator<=>(const Name&, const Name&) = default;
};

struct Counts {
  int64_t started = 0, completed = 0, faulted = 0, cancelled = 0;
  int64_t total_us = 0, max_us = 0;
  std::array<int64_t, kBuckets> buckets{};

  void AddLatency(Micros took) {
    took = std::max<Micros>(took, 0);
    total_us += took;
    max_us = std::max(max_us, took);
    const auto width = static_cast<int>(std::bit_width(static_cast<uint64_t>(took > 0 ? took - 1 : 0)));
    ++buckets[static_cast<size_t>(std::clamp(width - kFirstBound, 0, kBuckets - 1))];
  }
};

Timestamp MinuteOf(Timestamp time) { return Timestamp(time.value() / kMinute * kMinute); }

// The upper bound of the bucket in which that share of all lies.
Json Quantile(const Counts& counts, int64_t ended, double share) {
  int64_t left = static_cast<int64_t>(static_cast<double>(ended) * share);
  for (int i = 0; i < kBuckets; ++i) {
    left -= counts.buckets[static_cast<size_t>(i)];
    if (left >= 0) continue;
    const auto bound = std::min(int64_t{1} << (kFirstBound + i), counts.max_us);
    return Json::Double(static_cast<double>(bound) / kMillisecond);
  }
  return Json::Double(static_cast<double>(counts.max_us) / kMillisecond);
}

class ThroughputFold final : public ModelFold {
 public:
  explicit ThroughputFold(ModelSchema schema) : schema_(std::move(schema)) {}

  Payloads Reads(const std::string&) override { return Payloads::kNone; }

  void Before(const FoldedEvent& event) override {
    call_.reset();
    if (event.saga == nullptr) return;
    const std::optional<uint32_t> frame_id = FrameThatEnds(event.event);
    if (!frame_id) return;
    const saga::Frame* const frame = event.saga->Find(saga::FrameId(*frame_id));
    if (frame == nullptr || frame->kind != saga::FrameKind::kWorker || !frame->call ||
        frame->phase != saga::Frame::Phase::kRunning) {
      return;
    }
    call_ = {frame->call->function, frame->since};
  }

  absl::Status Fold(const FoldedEvent& event, RowWriter&) override {
    if (event.saga == nullptr) return absl::OkStatus();
    const Timestamp now(event.header.time_us());
    switch (event.event.kind_case()) {
      case log::v1::Event::kSagaStarted:
        ++OfDefinition(event).started;
        break;
      case log::v1::Event::kSagaCompleted:
        EndSaga(event, &Counts::completed);
        break;
      case log::v1::Event::kSagaFaulted:
        EndSaga(event, &Counts::faulted);
        break;
      case log::v1::Event::kSagaCancelled:
        EndSaga(event, &Counts::cancelled);
        break;
      case log::v1::Event::kTaskStarted:
        if (event.event.task_started().has_call()) {
          ++OfFunction(now, event.event.task_started().call().function()).started;
        }
        break;
      case log::v1::Event::kTaskRetried:
        if (event.event.task_retried().has_call()) {
          ++OfFunction(now, event.event.task_retried().call().function()).started;
        }
        break;
      case log::v1::Event::kTaskCompleted:
        EndCall(now, &Counts::completed);
        break;
      case log::v1::Event::kTaskCancelled:
        EndCall(now, &Counts::cancelled);
        break;
      case log::v1::Event::kTaskFaulted:
      case log::v1::Event::kTaskRetryScheduled:
      case log::v1::Event::kTaskParked:
        EndCall(now, &Counts::faulted);
        break;
      default:
        break;
    }
    return absl::OkStatus();
  }

  absl::Status EndRound(absl::Span<const TouchedSaga>, Timestamp time, RowWriter& rows) override {
    for (const auto& [name, counts] : std::exchange(counts_, {})) {
      SKALD_RETURN_IF_ERROR(Merge(name, counts, rows));
    }
    return Expire(time, rows);
  }

 private:
  struct Call {
    std::string function;
    Timestamp since;
  };

  static std::optional<uint32_t> FrameThatEnds(const log::v1::Event& event) {
    switch (event.kind_case()) {
      case log::v1::Event::kTaskCompleted:
        return event.task_completed().frame();
      case log::v1::Event::kTaskFaulted:
        return event.task_faulted().frame();
      case log::v1::Event::kTaskCancelled:
        return event.task_cancelled().frame();
      case log::v1::Event::kTaskRetryScheduled:
        return event.task_retry_scheduled().frame();
      case log::v1::Event::kTaskParked:
        return event.task_parked().frame();
      default:
        return std::nullopt;
    }
  }

  Counts& OfDefinition(const FoldedEvent& event) {
    const saga::SagaState& state = *event.saga;
    return counts_[{MinuteOf(Timestamp(event.header.time_us())), false, state.key.namespace_name,
                    state.definition_name, state.definition_version}];
  }
  Counts& OfFunction(Timestamp now, const std::string& function) {
    return counts_[{MinuteOf(now), true, "", function, ""}];
  }
  void EndSaga(const FoldedEvent& event, int64_t Counts::* how) {
    Counts& counts = OfDefinition(event);
    ++(counts.*how);
    counts.AddLatency(event.header.time_us() - event.saga->started.value());
  }
  void EndCall(Timestamp now, int64_t Counts::* how) {
    if (!call_) return;
    Counts& counts = OfFunction(now, call_->function);
    ++(counts.*how);
    counts.AddLatency(now.value() - call_->since.value());
  }

  absl::Status Merge(const Name& name, Counts counts, RowWriter& rows) const {
    Json::ObjectBuilder row;
    row.Add("minute", TimeJson(name.minute));
    row.Add("kind", Json::String(name.is_function ? "function" : "definition"));
    row.Add("namespace", Json::String(name.namespace_name));
    row.Add("name", Json::String(name.name));
    row.Add("version", Json::String(name.version));
    Json key = std::move(row).Build();
    SKALD_ASSIGN_OR_RETURN(const std::optional<Json> old, rows.Get(EncodeRowKey(schema_, key)));
    if (old) {
      counts.started += old->Get("started").AsInt();
      counts.completed += old->Get("completed").AsInt();
      counts.faulted += old->Get("faulted").AsInt();
      counts.cancelled += old->Get("cancelled").AsInt();
      counts.total_us += old->Get("total_us").AsInt();
      counts.max_us = std::max(counts.max_us, old->Get("max_us").AsInt());
      const Json& buckets = old->Get("buckets");
      for (size_t i = 0; i < buckets.Size(); ++i) counts.buckets[i] += buckets.At(i).AsInt();
    }
    rows.Put(RowOf(std::move(key), counts));
    return absl::OkStatus();
  }

  static Json RowOf(Json row, const Counts& counts) {
    const auto add = [&](absl::string_view name, Json value) {
      row = std::move(row).With(name, std::move(value));
    };
    const int64_t ended = counts.completed + counts.faulted + counts.cancelled;
    add("started", Json::Int(counts.started));
    add("completed", Json::Int(counts.completed));
    add("faulted", Json::Int(counts.faulted));
    add("cancelled", Json::Int(counts.cancelled));
    if (ended > 0) {
      const double mean = static_cast<double>(counts.total_us / ended) / kMillisecond;
      add("mean_ms", Json::Double(mean));
      add("max_ms", Json::Double(static_cast<double>(counts.max_us) / kMillisecond));
      add("p50_ms", Quantile(counts, ended, 0.5));
      add("p99_ms", Quantile(counts, ended, 0.99));
    }
    add("total_us", Json::Int(counts.total_us));
    add("max_us", Json::Int(counts.max_us));
    Json::ArrayBuilder buckets;
    size_t used = kBuckets;
    while (used > 0 && counts.buckets[used - 1] == 0) --used;
    for (size_t i = 0; i < used; ++i) buckets.Add(Json::Int(counts.buckets[i]));
    add("buckets", std::move(buckets).Build());
    return row;
  }

  absl::Status Expire(Timestamp time, RowWriter& rows) {
    const Timestamp minute = MinuteOf(time);
    if (minute <= expired_at_) return absl::OkStatus();
    expired_at_ = minute;
    std::string end;
    AppendOrdered(TimeJson(After(minute, -kKept)), end);
    std::vector<std::string> gone;
    SKALD_RETURN_IF_ERROR(rows.Scan("", end, [&](absl::string_view key, const Json&) {
      gone.emplace_back(key);
      return true;
    }));
    for (const std::string& key : gone) rows.Delete(key);
    return absl::OkStatus();
  }

  const ModelSchema schema_;
  // Of the present event: the worker's call that it ends.
  std::optional<Call> call_;
  // Of the present round.
  absl::btree_map<Name, Counts> counts_;
  // Only saves looking: after a restart it is looked at once more.
  Timestamp expired_at_;
};

}  // namespace

Model ThroughputModel() {
  return {.schema = Schema(),
          .version = "1",
          .on_poison = PoisonPolicy::kStop,
          .make_fold = [] { return std::make_unique<ThroughputFold>(Schema()); }};
}

}  // namespace skald::projection
