#include "engine/projection/declared_fold.h"

#include <cmath>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/errors.h"
#include "base/json_written.h"
#include "base/status_macros.h"
#include "engine/saga/event_text.h"
#include "engine/saga/view.h"

namespace skald::projection {
namespace {

// How many bytes of text one byte of a string can become: \u0001.
constexpr size_t kGrowthMax = 6;

// A row that an event touches.
struct Touched {
  std::string encoded;  // its key
  Json key;
  Json value;  // null: to be deleted
  bool exists = false;
};

// An undo is named by where its handler stands ("compensate"), not by the task that it undoes: its
// calls are not that task's.
std::string NameOfTask(absl::string_view pointer) {
  const absl::string_view name = pointer.substr(pointer.rfind('/') + 1);
  return absl::StrReplaceAll(name, {{"~1", "/"}, {"~0", "~"}});
}

bool FitsTask(const EventFilter& filter, const log::v1::Event& event) {
  if (filter.task.empty()) return true;
  const std::string task = saga::TaskOf(event);
  if (filter.task[0] == '/') return task == filter.task;
  return !task.empty() && NameOfTask(task) == filter.task;
}

bool Fits(const EventFilter& filter, const FoldedEvent& event) {
  if (!filter.TakesType(event.event.kind_case())) return false;
  if (!filter.namespace_name.empty() && event.header.namespace_() != filter.namespace_name) {
    return false;
  }
  if (!filter.definition.empty() &&
      (event.saga == nullptr || event.saga->definition_name != filter.definition)) {
    return false;
  }
  return FitsTask(filter, event.event);
}

// One event on its way through the expressions.
class Evaluation {
 public:
  Evaluation(const Declaration& declaration, const FoldedEvent& event)
      : declaration_(declaration), event_(event) {}

  absl::StatusOr<bool> Wanted();
  // The keys it gives, each once, in the order in which it gives them.
  absl::StatusOr<std::vector<Touched>> Keys();
  // Fills in `touched.value` from the row that is there.
  absl::Status Reduce(const std::optional<Json>& row, Touched& touched);

 private:
  // How an expression failed, or what it made that cannot be used.
  absl::Status Poison(const ModelExpression& expression, absl::string_view why) const;
  absl::Status AddKey(Json key, std::vector<Touched>& keys);
  absl::Status Run(const ModelExpression& expression, const Json& input,
                   absl::FunctionRef<bool(Json)> result);
  Json Variable(absl::string_view name);
  const Json& EventValue();
  const Json& SagaValue();
  // What `where` and `key` take as their input.
  const Json& Input();

  const Declaration& declaration_;
  const FoldedEvent& event_;
  std::optional<Json> event_value_, saga_value_, input_;
  Json key_;
  absl::flat_hash_set<std::string> seen_;
};

absl::Status Evaluation::Poison(const ModelExpression& expression, absl::string_view why) const {
  const log::v1::CommitHeader& header = event_.header;
  std::string at = absl::StrCat("partition ", event_.partition.value(), ", position ",
                                event_.position.value());
  if (!header.saga_id().empty()) {
    absl::StrAppend(&at, " (", header.namespace_(), "/", header.saga_id(), ", revision ",
                    event_.revision.value(), ")");
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "'", expression.name, "' (", expression.place.ToString(), " of the declaration) fails on ",
      saga::EventTypeName(event_.event), " at ", at, ": ", why));
}

const Json& Evaluation::EventValue() {
  if (!event_value_) {
    event_value_ = saga::EventToJson(event_.event,
                                     {.header = event_.header,
                                      .revision = event_.revision,
                                      .position = event_.position,
                                      .slots = event_.slots},
                                     event_.saga);
  }
  return *event_value_;
}

const Json& Evaluation::SagaValue() {
  if (!saga_value_) saga_value_ = event_.saga == nullptr ? Json() : SagaToJson(*event_.saga);
  return *saga_value_;
}

const Json& Evaluation::Input() {
  if (!input_) input_ = EventValue().With("saga", SagaValue());
  return *input_;
}

Json Evaluation::Variable(absl::string_view name) {
  if (name == "event") return EventValue();
  if (name == "saga") return SagaValue();
  if (name == "key") return key_;
  if (name == "model") return Json::String(declaration_.schema.name);
  return Json();
}

absl::Status Evaluation::Run(const ModelExpression& expression, const Json& input,
                             absl::FunctionRef<bool(Json)> result) {
  const auto bind = [this](absl::string_view name) { return Variable(name); };
  const absl::FunctionRef<Json(absl::string_view)> variable = bind;
  const absl::Status status = expression.expression.ForEach(
      input,
      {.now = Timestamp(event_.header.time_us()), .variable = &variable, .budget = kModelBudget},
      result);
  return status.ok() ? status : Poison(expression, status.message());
}

absl::StatusOr<bool> Evaluation::Wanted() {
  if (!declaration_.where) return true;
  bool wanted = false;
  // The first result decides; none is no.
  SKALD_RETURN_IF_ERROR(Run(*declaration_.where, Input(), [&](Json value) {
    wanted = value.Truthy();
    return false;
  }));
  return wanted;
}

absl::Status Evaluation::AddKey(Json key, std::vector<Touched>& keys) {
  const ModelExpression& expression = *declaration_.key;
  const bool is_scalar = key.is_string() || key.is_bool() || key.is_number();
  if (!is_scalar || (key.is_number() && std::isnan(key.AsDouble()))) {
    return Poison(expression,
                  absl::StrCat("it gives ", key.is_number() ? "not-a-number" : key.KindName(),
                               ", and a key is a string, number or boolean. To leave such events "
                               "out, give `empty` for them"));
  }
  // What the row says is what the next round reads.
  key = AsWritten(std::move(key));
  Touched touched;
  touched.encoded = EncodeRowKey(declaration_.schema, Json::Object({{"key", key}}));
  if (touched.encoded.size() > kKeyBytesMax) {
    return Poison(expression, absl::StrCat("it gives a key of more than ", kKeyBytesMax, " bytes"));
  }
  if (!seen_.insert(touched.encoded).second) return absl::OkStatus();
  if (keys.size() == kKeysAnEventMax) {
    return Poison(expression, absl::StrCat("it gives more than ", kKeysAnEventMax,
                                           " keys for one event"));
  }
  touched.key = std::move(key);
  keys.push_back(std::move(touched));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Touched>> Evaluation::Keys() {
  std::vector<Touched> keys;
  absl::Status bad;
  SKALD_RETURN_IF_ERROR(Run(*declaration_.key, Input(), [&](Json key) {
    bad = AddKey(std::move(key), keys);
    return bad.ok();
  }));
  SKALD_RETURN_IF_ERROR(bad);
  return keys;
}

absl::Status Evaluation::Reduce(const std::optional<Json>& row, Touched& touched) {
  const ModelExpression& expression = *declaration_.reduce;
  key_ = touched.key;
  touched.exists = row.has_value();
  const Json& before = row ? row->Get("value") : declaration_.init;
  std::optional<Json> after;
  SKALD_RETURN_IF_ERROR(Run(expression, before, [&](Json value) {
    after = std::move(value);
    return false;
  }));
  if (!after) {
    return Poison(expression,
                  "it gives nothing. Give the row's new value, `.` to leave it as it is, or null "
                  "to delete it");
  }
  // Counted roughly first: the exact text of every value would cost more than the fold.
  if (after->ApproximateBytes() > kRowValueBytesMax / kGrowthMax &&
      after->ToText().size() > kRowValueBytesMax) {
    return Poison(expression,
                  absl::StrCat("the row of key ", touched.key.ToText(), " would be larger than ",
                               kRowValueBytesMax, " bytes"));
  }
  // As it will be read: rows follow from the log, not from what is still in memory.
  touched.value = AsWritten(*std::move(after));
  return absl::OkStatus();
}

}  // namespace

absl::Status DeclaredFold::Fold(const FoldedEvent& event, RowWriter& rows) {
  const Declaration& declaration = *declaration_;
  bool fits = false;
  for (const EventFilter& filter : declaration.events) fits = fits || Fits(filter, event);
  if (!fits) return absl::OkStatus();
  Evaluation evaluation(declaration, event);
  SKALD_ASSIGN_OR_RETURN(const bool wanted, evaluation.Wanted());
  if (!wanted) return absl::OkStatus();
  SKALD_ASSIGN_OR_RETURN(std::vector<Touched> touched, evaluation.Keys());
  for (Touched& each : touched) {
    SKALD_ASSIGN_OR_RETURN(const std::optional<Json> row, rows.Get(each.encoded));
    SKALD_RETURN_IF_ERROR(evaluation.Reduce(row, each));
  }
  for (Touched& each : touched) {
    if (each.value.is_null()) {
      if (each.exists) rows.Delete(each.encoded);
      continue;
    }
    Json row = Json::Object({{"key", std::move(each.key)}, {"value", std::move(each.value)}});
    if (each.exists) {
      rows.Put(std::move(row));
    } else {
      rows.Put(std::move(row), {.is_new = true});
    }
  }
  return absl::OkStatus();
}

Json SagaToJson(const saga::SagaState& saga) {
  Json::ObjectBuilder object;
  object.Add("namespace", Json::String(saga.key.namespace_name))
      .Add("id", Json::String(saga.key.saga_id))
      .Add("definition", Json::String(saga.definition_name))
      .Add("version", Json::String(saga.definition_version))
      .Add("status", Json::String(saga::StatusName(saga::StatusOf(saga))))
      .Add("input", saga.input)
      .Add("context", saga.context)
      .Add("output", saga.output)
      .Add("error", saga.error)
      .Add("started", Json::String(saga::TimeText(saga.started)))
      .Add("updated", Json::String(saga::TimeText(saga.updated)))
      .Add("correlationId", Json::String(saga.correlation_id))
      .Add("revision", Json::Int(static_cast<int64_t>(saga.events) - 1));
  return std::move(object).Build();
}

}  // namespace skald::projection
