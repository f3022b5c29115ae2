#include <algorithm>
#include <iostream>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tools/skald/read_flags.h"
#include "tools/skald/render.h"
#include "tools/skald/table.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

using Stub = v1::ReadModelService::Stub;

// "started:desc", "status,started".
std::optional<std::string> SetOrder(const std::string& text, v1::RowOrder& order) {
  if (text.empty()) return std::nullopt;
  int descending = 0;
  for (absl::string_view column : absl::StrSplit(text, ',')) {
    if (absl::ConsumeSuffix(&column, ":desc")) {
      ++descending;
    } else {
      absl::ConsumeSuffix(&column, ":asc");
    }
    if (column.empty()) return "--order expects COLUMN[:desc][,COLUMN...]";
    order.add_columns(std::string(column));
  }
  // "status,started:desc" turns the whole order round.
  order.set_descending(descending > 0);
  if (descending > 0 && descending < order.columns_size() && !absl::EndsWith(text, ":desc")) {
    return "--order goes one way for all columns: put :desc after the last";
  }
  return std::nullopt;
}

// The model's description; nothing when there is none of that name, or the call fails.
std::optional<v1::ReadModel> FindModel(const Invocation& call, Stub& stub,
                                       const std::string& name) {
  v1::ListReadModelsRequest request;
  request.set_page_size(1'000);
  do {
    grpc::ClientContext context;
    call.Prepare(context);
    v1::ListReadModelsResponse response;
    if (!stub.ListReadModels(&context, request, &response).ok()) return std::nullopt;
    for (const v1::ReadModel& model : response.models()) {
      if (model.name() == name) return model;
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return std::nullopt;
}

Json ValueOf(const v1::ReadModel::Column& column, const Json& row) {
  const Json* value = &row;
  for (const std::string& member : column.path()) value = &value->Get(member);
  return *value;
}

// Rows as a table under the model's columns, or as JSON.
class RowPrinter {
 public:
  RowPrinter(const Invocation& call, std::optional<v1::ReadModel> model)
      : call_(call), model_(std::move(model)) {
    if (call.json() || !model_) return;
    std::vector<std::string> names;
    for (const auto& column : model_->columns()) names.push_back(column.name());
    table_ = std::make_unique<Table>(std::move(names), std::cout);
  }

  void Print(const std::string& text) {
    const Json row = ParseOrText(text);
    if (table_ == nullptr) return call_.PrintJson(row);
    std::vector<Json> values;
    for (const auto& column : model_->columns()) values.push_back(ValueOf(column, row));
    table_->Add(values);
  }

  void Finish() {
    if (table_ != nullptr) table_->Finish();
  }

 private:
  const Invocation& call_;
  const std::optional<v1::ReadModel> model_;
  std::unique_ptr<Table> table_;
};

int RunRows(Invocation& call) {
  v1::ListRowsRequest request;
  std::vector<std::string> wheres;
  std::string order;
  int64_t limit = 100;
  ReadFlags read;
  call.flags()
      .Add("where", &wheres, "CONDITION",
           "Only rows of which this holds, as status=running; may be repeated.")
      .Add("order", &order, "COLUMN[:desc]", "The order: of the key or an index.")
      .Add("limit", &limit, "COUNT", "At most this many; 0: all.");
  read.AddTo(call.flags());
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  request.set_model(call.words()[0]);
  for (const std::string& where : wheres) request.mutable_filter()->add_where(where);
  if (auto wrong = SetOrder(order, *request.mutable_order())) return call.BadUsage(*wrong);
  if (auto wrong = read.Set(*request.mutable_options())) return call.BadUsage(*wrong);

  const auto stub = v1::ReadModelService::NewStub(call.channel());
  RowPrinter printer(call, call.json() ? std::nullopt : FindModel(call, *stub, request.model()));
  int64_t shown = 0;
  do {
    request.set_page_size(
        static_cast<uint32_t>(limit > 0 ? std::min<int64_t>(1'000, limit - shown) : 1'000));
    grpc::ClientContext context;
    call.Prepare(context);
    v1::ListRowsResponse response;
    const grpc::Status status = stub->ListRows(&context, request, &response);
    if (!status.ok()) {
      if (shown > 0) printer.Finish();
      return call.Fail(status);
    }
    for (const std::string& row : response.rows()) printer.Print(row);
    shown += response.rows_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && (limit == 0 || shown < limit));
  printer.Finish();
  if (!request.page_token().empty() && !call.json()) {
    call.Note(absl::StrCat("There are more: raise --limit (now ", limit, ")."));
  }
  return kExitOk;
}

int RunRow(Invocation& call) {
  constexpr size_t kKeyColumnsMax = 16;
  ReadFlags read;
  read.AddTo(call.flags());
  if (auto exit = call.Parse({.words_min = 2, .words_max = 1 + kKeyColumnsMax})) return *exit;
  v1::GetRowRequest request;
  request.set_model(call.words()[0]);
  for (size_t i = 1; i < call.words().size(); ++i) request.add_key(call.words()[i]);
  if (auto wrong = read.Set(*request.mutable_options())) return call.BadUsage(*wrong);
  grpc::ClientContext context;
  call.Prepare(context);
  v1::GetRowResponse response;
  const grpc::Status status =
      v1::ReadModelService::NewStub(call.channel())->GetRow(&context, request, &response);
  if (!status.ok()) return call.Fail(status);
  const Json row = ParseOrText(response.row());
  if (call.json()) {
    call.PrintJson(row);
  } else {
    call.PrintLine(row.ToPrettyText());
  }
  return kExitOk;
}

int RunCount(Invocation& call) {
  std::vector<std::string> wheres;
  ReadFlags read;
  call.flags().Add("where", &wheres, "CONDITION",
                   "Only rows of which this holds, as status=running; may be repeated.");
  read.AddTo(call.flags());
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  v1::CountRowsRequest request;
  request.set_model(call.words()[0]);
  for (const std::string& where : wheres) request.mutable_filter()->add_where(where);
  if (auto wrong = read.Set(*request.mutable_options())) return call.BadUsage(*wrong);
  grpc::ClientContext context;
  call.Prepare(context);
  v1::CountRowsResponse response;
  const grpc::Status status =
      v1::ReadModelService::NewStub(call.channel())->CountRows(&context, request, &response);
  if (!status.ok()) return call.Fail(status);
  if (call.json()) {
    Json::ObjectBuilder object;
    object.Add("count", Json::Int(static_cast<int64_t>(response.count())))
        .Add("cut", CutToJson(response.cut()));
    call.PrintJson(std::move(object).Build());
  } else {
    call.PrintLine(absl::StrCat(response.count()));
  }
  return kExitOk;
}

}  // namespace

const Verb kRowsVerb = {
    "rows", "list rows of a read model", "MODEL",
    "Lists rows that match all conditions, in the order of the model's key or of an index, as of "
    "one\n"
    "cut a thousand rows. A row is as new as all that was acknowledged before the call.\n\n"
    "Conditions: COLUMN = != < <= > >= VALUE, COLUMN^=TEXT (begins with), COLUMN in A, B,\n"
    "COLUMN is null, COLUMN is not null. Times are RFC 3339 or a date.\n\n"
    "Examples:\n"
    "  skald rows sagas --where status=running --order started:desc --limit 20\n"
    "  skald rows sagas --where 'started>=2026-01-01' --where 'saga_id^=ord-' --json\n"
    "  skald rows order-totals --as-of 2026-01-31T12:00:00Z",
    RunRows};

const Verb kRowVerb = {
    "row", "show one row of a read model", "MODEL KEY...",
    "Shows the row of that key, as JSON: one word for each column of the key.\n\n"
    "Example:\n"
    "  skald row sagas shop o-17",
    RunRow};

const Verb kCountVerb = {"count", "count rows of a read model", "MODEL",
                         "Counts the rows that match all conditions, exactly. Fast without "
                         "conditions, and where an index\n"
                         "answers them. Conditions: see skald help rows.\n\n"
                         "Example:\n"
                         "  skald count sagas --where status=faulted",
                         RunCount};

}  // namespace skald::tools
