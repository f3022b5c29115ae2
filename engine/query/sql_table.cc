#include "engine/query/sql_table.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "engine/query/page.h"

namespace skald::query {
namespace {

using projection::ColumnType;
using projection::ModelRows;
using projection::ModelSchema;
using projection::Row;

// Conditions of SQL that are made use of; the rest SQLite checks by itself.
constexpr size_t kPushedMax = 16;
// Rows fetched at once: few at first, since a LIMIT may want no more.
constexpr size_t kBatchRowsMin = 8;
constexpr size_t kBatchRowsMax = 512;
constexpr size_t kBatchBytesMax = 256 << 10;
constexpr size_t kRowsBetweenChecks = 256;
// Stands for a number of rows that is not known.
constexpr uint64_t kRowsUnknown = 100'000;
// How much narrower a path must be to be worth a sort.
constexpr double kSortIsWorth = 4;

// A condition that SQLite offers: its right side comes with each Filter, in this order.
struct Pushed {
  size_t column;
  Operator op;
};

// What BestIndex chose.
struct Choice {
  std::vector<Pushed> pushed;
  Order order;
  bool is_ordered = false;     // SQLite relies on the order
  bool reads_nothing = false;  // no column is used
  std::vector<size_t> used;    // columns, where it is known that they are few
  bool may_read_keys = false;  // every used column may be held to one value
};

struct Table : sqlite3_vtab {
  SqlModel* model = nullptr;
  std::deque<Choice> choices;  // by idxNum
};

// The right side of a condition.
struct Side {
  // kAbout: a number that lies between `value` and `high`, whichever way it is compared.
  enum class Kind { kValue, kAbout, kNever, kUnusable };
  Kind kind = Kind::kUnusable;
  Json value;
  Json high = Json();
};

int Fail(sqlite3_vtab* table, SqlSession& session, const absl::Status& status) {
  session.Fail(status);
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = sqlite3_mprintf("%s", std::string(status.message()).c_str());
  return SQLITE_ERROR;
}

// The texts that a GLOB pattern lets through begin with this.
std::string GlobPrefix(absl::string_view pattern) {
  return std::string(pattern.substr(0, pattern.find_first_of("*?[")));
}

// The model orders numbers by their exact decimals, and SQLite sees those that are neither int64
// nor double as the nearest double: what it takes for this one lies between its neighbours.
Side AboutDouble(double number) {
  const double low = std::nextafter(number, -HUGE_VAL);
  const double high = std::nextafter(number, HUGE_VAL);
  if (!std::isfinite(low) || !std::isfinite(high)) return {};
  return {Side::Kind::kAbout, Json::Double(low), Json::Double(high)};
}

// A value of SQL as one of the column, if comparing it in the model's order lets through all that
// SQLite would.
Side ToSide(ColumnType type, Operator op, sqlite3_value* value) {
  const Side unusable;
  if (op == Operator::kIsNull || op == Operator::kIsNotNull) return {Side::Kind::kValue, Json()};
  const bool is_number = type == ColumnType::kInteger || type == ColumnType::kNumber ||
                         type == ColumnType::kBoolean;
  const int kind = is_number ? sqlite3_value_numeric_type(value) : sqlite3_value_type(value);
  if (kind == SQLITE_NULL) return {Side::Kind::kNever, Json()};
  switch (type) {
    case ColumnType::kText:
    case ColumnType::kTime: {
      if (kind != SQLITE_TEXT) return unusable;
      const auto* bytes = reinterpret_cast<const char*>(sqlite3_value_text(value));
      if (bytes == nullptr) return unusable;
      std::string text(bytes, static_cast<size_t>(sqlite3_value_bytes(value)));
      if (op == Operator::kPrefix) text = GlobPrefix(text);
      if (!IsValidUtf8(text)) return unusable;
      Json wanted = Json::String(text);
      if (wanted.ToText().size() > kValueBytesMax) return unusable;
      return {Side::Kind::kValue, std::move(wanted)};
    }
    case ColumnType::kInteger:
    case ColumnType::kNumber:
      // No integer past int64 comes near one in it. A long decimal does.
      if (kind == SQLITE_INTEGER && type == ColumnType::kInteger) {
        return {Side::Kind::kValue, Json::Int(sqlite3_value_int64(value))};
      }
      if (kind != SQLITE_INTEGER && kind != SQLITE_FLOAT) return unusable;
      return AboutDouble(sqlite3_value_double(value));
    case ColumnType::kBoolean: {
      if (kind != SQLITE_INTEGER) return unusable;
      const int64_t number = sqlite3_value_int64(value);
      if (number != 0 && number != 1) return {Side::Kind::kNever, Json()};
      return {Side::Kind::kValue, Json::Bool(number == 1)};
    }
    case ColumnType::kJson: {
      // SQLite compares texts, and a column's text is the one way to write its value.
      if (kind != SQLITE_TEXT) return unusable;
      const absl::string_view text(reinterpret_cast<const char*>(sqlite3_value_text(value)),
                                   static_cast<size_t>(sqlite3_value_bytes(value)));
      if (text.size() > kValueBytesMax) return unusable;
      absl::StatusOr<Json> wanted = Json::Parse(text);
      if (!wanted.ok() || wanted->is_null() || wanted->ToText() != text) {
        return {Side::Kind::kNever, Json()};
      }
      const projection::Column any{.name = "", .type = type, .description = "", .path = {}};
      if (!CheckValue(any, *wanted).ok()) return unusable;
      return {Side::Kind::kValue, *std::move(wanted)};
    }
  }
  return unusable;
}

std::optional<Operator> OperatorOf(unsigned char op) {
  switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
      return Operator::kEqual;
    case SQLITE_INDEX_CONSTRAINT_LT:
      return Operator::kLess;
    case SQLITE_INDEX_CONSTRAINT_LE:
      return Operator::kLessOrEqual;
    case SQLITE_INDEX_CONSTRAINT_GT:
      return Operator::kGreater;
    case SQLITE_INDEX_CONSTRAINT_GE:
      return Operator::kGreaterOrEqual;
    case SQLITE_INDEX_CONSTRAINT_GLOB:
      return Operator::kPrefix;
    case SQLITE_INDEX_CONSTRAINT_ISNULL:
      return Operator::kIsNull;
    case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
      return Operator::kIsNotNull;
    default:
      return std::nullopt;
  }
}

bool IsPushable(ColumnType type, Operator op, const char* collation) {
  switch (type) {
    case ColumnType::kText:
    case ColumnType::kTime:
      return op == Operator::kIsNull || op == Operator::kIsNotNull || op == Operator::kPrefix ||
             sqlite3_stricmp(collation, "BINARY") == 0;
    case ColumnType::kInteger:
    case ColumnType::kNumber:
      return op != Operator::kPrefix;
    case ColumnType::kBoolean:
      return op == Operator::kEqual || op == Operator::kIsNull || op == Operator::kIsNotNull;
    case ColumnType::kJson:
      return op == Operator::kIsNull || op == Operator::kIsNotNull ||
             (op == Operator::kEqual && sqlite3_stricmp(collation, "BINARY") == 0);
  }
  return false;
}

// Stands for a value that is not known yet.
Json AnyValue(ColumnType type) {
  if (type == ColumnType::kText || type == ColumnType::kTime) return Json::String("?");
  return type == ColumnType::kBoolean ? Json::Bool(true) : Json::Int(0);
}

Condition ToCondition(const ModelSchema& schema, const Pushed& pushed, Json value) {
  Condition condition{.column = schema.columns[pushed.column].name, .op = pushed.op, .values = {}};
  if (pushed.op != Operator::kIsNull && pushed.op != Operator::kIsNotNull) {
    condition.values.push_back(std::move(value));
  }
  return condition;
}

// Adds what a side comes to. Precondition: it is kValue or kAbout.
void AddConditions(const ModelSchema& schema, const Pushed& pushed, Side side,
                   std::vector<Condition>& conditions) {
  const auto add = [&](Operator op, Json value) {
    conditions.push_back(ToCondition(schema, {pushed.column, op}, std::move(value)));
  };
  if (side.kind == Side::Kind::kValue) return add(pushed.op, std::move(side.value));
  const bool is_less = pushed.op == Operator::kLess || pushed.op == Operator::kLessOrEqual;
  const bool is_more = pushed.op == Operator::kGreater || pushed.op == Operator::kGreaterOrEqual;
  if (!is_less) add(Operator::kGreaterOrEqual, std::move(side.value));
  if (!is_more) add(Operator::kLessOrEqual, std::move(side.high));
}

// ---- Choosing ----

// What SQLite asks of a table, in our words.
struct Asked {
  std::vector<Pushed> pushed;
  std::vector<Condition> likely;   // with a value that stands for those that come later
  std::vector<Condition> certain;  // known already: an order may rest on them
  std::optional<Order> order;      // nothing when it is none that the model could have
  bool has_limit = false;
};

Asked ReadQuestion(const ModelSchema& schema, sqlite3_index_info* info) {
  Asked asked;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    if (constraint.op == SQLITE_INDEX_CONSTRAINT_LIMIT) asked.has_limit = true;
    const std::optional<Operator> op = OperatorOf(constraint.op);
    if (!constraint.usable || constraint.iColumn < 0 || !op) continue;
    const Pushed pushed{static_cast<size_t>(constraint.iColumn), *op};
    const ColumnType type = schema.columns[pushed.column].type;
    if (asked.pushed.size() == kPushedMax ||
        !IsPushable(type, *op, sqlite3_vtab_collation(info, i))) {
      continue;
    }
    asked.pushed.push_back(pushed);
    info->aConstraintUsage[i].argvIndex = static_cast<int>(asked.pushed.size());
    sqlite3_value* known = nullptr;
    if (sqlite3_vtab_rhs_value(info, i, &known) == SQLITE_OK && known != nullptr) {
      Side side = ToSide(type, *op, known);
      if (side.kind == Side::Kind::kValue || side.kind == Side::Kind::kAbout) {
        AddConditions(schema, pushed, side, asked.certain);
        AddConditions(schema, pushed, std::move(side), asked.likely);
        continue;
      }
      if (side.kind == Side::Kind::kUnusable) continue;
    } else if (*op == Operator::kIsNull || *op == Operator::kIsNotNull) {
      asked.certain.push_back(ToCondition(schema, pushed, Json()));
      asked.likely.push_back(asked.certain.back());
      continue;
    }
    asked.likely.push_back(ToCondition(schema, pushed, AnyValue(type)));
  }
  Order order;
  bool possible = info->nOrderBy > 0 && static_cast<size_t>(info->nOrderBy) <= kOrderColumnsMax;
  for (int i = 0; i < info->nOrderBy && possible; ++i) {
    const auto& term = info->aOrderBy[i];
    possible = term.iColumn >= 0 && (term.desc != 0) == (info->aOrderBy[0].desc != 0) &&
               schema.columns[static_cast<size_t>(term.iColumn)].type != ColumnType::kJson;
    if (possible) order.columns.push_back(schema.columns[static_cast<size_t>(term.iColumn)].name);
  }
  if (possible) {
    order.descending = info->aOrderBy[0].desc != 0;
    asked.order = std::move(order);
  }
  return asked;
}

// About how many rows of `count` a plan goes through.
double RowsOfPlan(const ModelSchema& schema, const Plan& plan, double count) {
  constexpr double kEqualPart = 0.02;
  constexpr double kRangePart = 0.25;
  size_t keys = 0;
  for (const size_t column : plan.equal_columns) keys += column < schema.key_columns ? 1 : 0;
  if (keys == schema.key_columns && plan.parts[0].index.empty()) return 1;
  double rows = count;
  for (size_t i = 0; i < plan.equal_columns.size(); ++i) rows *= kEqualPart;
  if (plan.range_column) rows *= kRangePart;
  return std::max(rows, 1.0);
}

void NoteColumns(const ModelSchema& schema, uint64_t used, Choice& choice) {
  choice.reads_nothing = used == 0;
  choice.may_read_keys = true;
  // The last bit stands for all columns from there on.
  constexpr size_t kBits = 63;
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    if ((used >> std::min(i, kBits) & 1) == 0) continue;
    choice.used.push_back(i);
    // Of JSON, {a, b} and {b, a} have one place and two texts.
    choice.may_read_keys =
        choice.may_read_keys && schema.columns[i].type != ColumnType::kJson &&
        std::any_of(choice.pushed.begin(), choice.pushed.end(), [i](const Pushed& pushed) {
          return pushed.column == i && pushed.op == Operator::kEqual;
        });
  }
}

int BestIndex(sqlite3_vtab* base, sqlite3_index_info* info) {
  Table& table = *static_cast<Table*>(base);
  SqlSession& session = table.model->session;
  const ModelSchema& schema = table.model->sql_schema;
  absl::StatusOr<const ModelRows*> rows = session.RowsOf(table.model->schema);
  if (!rows.ok()) return Fail(base, session, rows.status());
  if (const absl::Status status = session.Check(); !status.ok()) return Fail(base, session, status);
  const PlanOptions options = session.plan_options();
  // Of the past it would have to be counted; of one saga nobody knows yet of which.
  absl::StatusOr<uint64_t> total = kRowsUnknown;
  const bool is_known =
      !options.key_order_only && schema.kind != projection::ModelKind::kOfSaga;
  if (is_known) total = (*rows)->Count();
  if (!total.ok()) return Fail(base, session, total.status());
  const auto count = static_cast<double>(*total);

  const Asked asked = ReadQuestion(schema, info);
  const auto plan_for = [&](const std::vector<Condition>& conditions,
                            const Order& order) -> absl::StatusOr<Plan> {
    SKALD_ASSIGN_OR_RETURN(const Filter filter, Filter::Make(schema, conditions));
    return MakePlan(schema, filter, order, options);
  };
  absl::StatusOr<Plan> plan = plan_for(asked.likely, Order{});
  if (!plan.ok()) return Fail(base, session, plan.status());
  Choice choice;
  choice.pushed = asked.pushed;
  if (asked.order && plan_for(asked.certain, *asked.order).ok()) {
    absl::StatusOr<Plan> ordered = plan_for(asked.likely, *asked.order);
    if (ordered.ok() && (asked.has_limit || RowsOfPlan(schema, *ordered, count) <=
                                                kSortIsWorth * RowsOfPlan(schema, *plan, count))) {
      choice.order = *asked.order;
      choice.is_ordered = true;
      plan = std::move(ordered);
    }
  }
  NoteColumns(schema, info->colUsed, choice);
  const double looked_at = RowsOfPlan(schema, *plan, count);
  info->estimatedRows = static_cast<sqlite3_int64>(looked_at);
  // A row of an index is found by two reads; a look costs something by itself.
  info->estimatedCost = 10 + looked_at * (plan->parts[0].index.empty() ? 1 : 2);
  info->orderByConsumed = choice.is_ordered ? 1 : 0;
  info->idxNum = static_cast<int>(table.choices.size());
  table.choices.push_back(std::move(choice));
  return SQLITE_OK;
}

// ---- Going through ----

class Cursor : public sqlite3_vtab_cursor {
 public:
  explicit Cursor(Table& table) : table_(table), session_(table.model->session) {}

  absl::Status Start(const Choice& choice, int argc, sqlite3_value** argv);
  absl::Status Advance();
  bool AtEnd() const { return at_ >= available_ && is_over_; }
  void SetResult(sqlite3_context* context, size_t column) const;

 private:
  absl::Status Fetch();

  Table& table_;
  SqlSession& session_;
  const ModelRows* rows_ = nullptr;
  Filter filter_;
  Plan plan_;
  std::optional<PlanScan> scan_;
  bool reads_values_ = true;
  std::vector<std::pair<size_t, Json>> constants_;  // columns held to a value

  // The batch: its rows, unless only their number counts.
  std::vector<Json> batch_;
  uint64_t available_ = 0;
  uint64_t at_ = 0;
  size_t batch_rows_ = kBatchRowsMin;
  bool is_over_ = false;
};

absl::Status Cursor::Start(const Choice& choice, int argc, sqlite3_value** argv) {
  const ModelSchema& schema = table_.model->sql_schema;
  scan_.reset();
  batch_.clear();
  constants_.clear();
  available_ = at_ = 0;
  batch_rows_ = kBatchRowsMin;
  is_over_ = false;
  SKALD_ASSIGN_OR_RETURN(rows_, session_.RowsOf(table_.model->schema));
  std::vector<Condition> conditions;
  for (int i = 0; i < argc; ++i) {
    const Pushed& pushed = choice.pushed[static_cast<size_t>(i)];
    Side side = ToSide(schema.columns[pushed.column].type, pushed.op, argv[i]);
    if (side.kind == Side::Kind::kNever) {
      is_over_ = true;
      return absl::OkStatus();
    }
    if (side.kind == Side::Kind::kUnusable) continue;
    if (pushed.op == Operator::kEqual && side.kind == Side::Kind::kValue) {
      constants_.emplace_back(pushed.column, side.value);
    }
    AddConditions(schema, pushed, std::move(side), conditions);
  }
  const PlanOptions options = session_.plan_options();
  if (choice.reads_nothing && choice.pushed.empty() && !options.key_order_only) {
    // Only their number counts.
    reads_values_ = false;
    SKALD_ASSIGN_OR_RETURN(available_, rows_->Count());
    is_over_ = true;
    return absl::OkStatus();
  }
  SKALD_ASSIGN_OR_RETURN(filter_, Filter::Make(schema, std::move(conditions)));
  SKALD_ASSIGN_OR_RETURN(plan_, MakePlan(schema, filter_, choice.order, options));
  const bool all_held = std::all_of(choice.used.begin(), choice.used.end(), [&](size_t column) {
    return std::any_of(constants_.begin(), constants_.end(),
                       [column](const auto& held) { return held.first == column; });
  });
  reads_values_ = !(choice.may_read_keys && all_held && plan_.is_exact);
  scan_.emplace(*rows_, plan_, reads_values_);
  return Fetch();
}

absl::Status Cursor::Advance() {
  ++at_;
  if (at_ < available_ || is_over_) return absl::OkStatus();
  return Fetch();
}

absl::Status Cursor::Fetch() {
  batch_.clear();
  available_ = at_ = 0;
  size_t bytes = 0;
  uint64_t looked_at = 0;
  absl::Status stopped;
  const auto take = [&](const Row& row) {
    session_.CountRow();
    if (++looked_at % kRowsBetweenChecks == 0) stopped = session_.Check();
    if (!stopped.ok()) return false;
    if (!reads_values_) {
      ++available_;
    } else if (row.value.is_object() && filter_.Matches(row.value)) {
      batch_.push_back(row.value);
      bytes += row.value.ApproximateBytes();
      ++available_;
    }
    return available_ < batch_rows_ && bytes < kBatchBytesMax;
  };
  SKALD_ASSIGN_OR_RETURN(is_over_, scan_->Run(take));
  batch_rows_ = std::min(batch_rows_ * 4, kBatchRowsMax);
  SKALD_RETURN_IF_ERROR(stopped);
  return session_.Check();
}

void SetText(sqlite3_context* context, absl::string_view text) {
  sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void Cursor::SetResult(sqlite3_context* context, size_t column) const {
  const projection::Column& facts = table_.model->schema.columns[column];
  const Json* value = nullptr;
  if (reads_values_) {
    value = &ModelSchema::ValueOf(facts, batch_[at_]);
  } else {
    for (const auto& [held, constant] : constants_) {
      if (held == column) value = &constant;
    }
  }
  if (value == nullptr || value->is_null()) return sqlite3_result_null(context);
  if (facts.type == ColumnType::kJson) return SetText(context, value->ToText());
  if (value->IsInt()) return sqlite3_result_int64(context, value->AsInt());
  if (value->is_number()) return sqlite3_result_double(context, value->AsDouble());
  if (value->is_bool()) return sqlite3_result_int(context, value->AsBool() ? 1 : 0);
  if (value->is_string()) return SetText(context, value->AsString());
  SetText(context, value->ToText());
}

// ---- SQLite's side ----

std::string Quoted(absl::string_view name) {
  return absl::StrCat("\"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\"");
}

int Connect(sqlite3* connection, void* data, int, const char* const*, sqlite3_vtab** table,
            char** error) {
  auto& model = *static_cast<SqlModel*>(data);
  std::string text = "CREATE TABLE m(";
  for (const projection::Column& column : model.schema.columns) {
    absl::StrAppend(&text, Quoted(column.name), " ", SqlTypeOf(column.type), ", ");
  }
  absl::StrAppend(&text, "PRIMARY KEY(");
  for (size_t i = 0; i < model.schema.key_columns; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", Quoted(model.schema.columns[i].name));
  }
  absl::StrAppend(&text, ")) WITHOUT ROWID");
  // The authorizer is asked about the declaration too.
  model.rules.is_declaring = true;
  const int code = sqlite3_declare_vtab(connection, text.c_str());
  model.rules.is_declaring = false;
  if (code != SQLITE_OK) {
    *error = sqlite3_mprintf("model '%s' cannot be a table: %s", model.schema.name.c_str(),
                             sqlite3_errmsg(connection));
    return code;
  }
  auto* made = new Table();
  made->model = &model;
  *table = made;
  return SQLITE_OK;
}

int Disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}

int Open(sqlite3_vtab* table, sqlite3_vtab_cursor** cursor) {
  *cursor = new Cursor(*static_cast<Table*>(table));
  return SQLITE_OK;
}

int Close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

int Finish(sqlite3_vtab_cursor* cursor, const absl::Status& status) {
  if (status.ok()) return SQLITE_OK;
  return Fail(cursor->pVtab, static_cast<Table*>(cursor->pVtab)->model->session, status);
}

int FilterRows(sqlite3_vtab_cursor* cursor, int choice, const char*, int argc,
               sqlite3_value** argv) {
  const Table& table = *static_cast<Table*>(cursor->pVtab);
  return Finish(cursor, static_cast<Cursor*>(cursor)->Start(
                            table.choices[static_cast<size_t>(choice)], argc, argv));
}

int Next(sqlite3_vtab_cursor* cursor) {
  return Finish(cursor, static_cast<Cursor*>(cursor)->Advance());
}

int AtEnd(sqlite3_vtab_cursor* cursor) { return static_cast<Cursor*>(cursor)->AtEnd() ? 1 : 0; }

int SetColumn(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int column) {
  static_cast<Cursor*>(cursor)->SetResult(context, static_cast<size_t>(column));
  return SQLITE_OK;
}

// Tables without row ids have none.
int SetRowId(sqlite3_vtab_cursor*, sqlite3_int64*) { return SQLITE_ERROR; }

sqlite3_module MakeModule() {
  sqlite3_module module{};
  module.iVersion = 1;
  // Without xCreate the table is there under the module's name, and cannot be made anew.
  module.xConnect = Connect;
  module.xBestIndex = BestIndex;
  module.xDisconnect = Disconnect;
  module.xDestroy = Disconnect;
  module.xOpen = Open;
  module.xClose = Close;
  module.xFilter = FilterRows;
  module.xNext = Next;
  module.xEof = AtEnd;
  module.xColumn = SetColumn;
  module.xRowid = SetRowId;
  return module;
}

}  // namespace

ModelSchema ToSqlSchema(ModelSchema schema) {
  for (projection::Column& column : schema.columns) {
    if (column.type == ColumnType::kTime) column.type = ColumnType::kText;
  }
  return schema;
}

const char* SqlTypeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kText:
      return "TEXT";
    case ColumnType::kInteger:
      return "INTEGER";
    case ColumnType::kNumber:
      return "NUMERIC";
    case ColumnType::kBoolean:
      return "BOOLEAN";
    case ColumnType::kTime:
      return "TIME TEXT";
    case ColumnType::kJson:
      return "JSON TEXT";
  }
  return "TEXT";
}

int AddSqlTable(sqlite3* connection, const std::string& name, SqlModel& model) {
  static const sqlite3_module module = MakeModule();
  return sqlite3_create_module_v2(connection, name.c_str(), &module, &model, nullptr);
}

}  // namespace skald::query
