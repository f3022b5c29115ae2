#include "engine/query/sql.h"

#include <deque>
#include <set>
#include <utility>

#include <sqlite3.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "engine/definition/suggest.h"
#include "engine/query/sql_memory.h"
#include "engine/query/sql_rules.h"
#include "engine/query/sql_session.h"
#include "engine/query/sql_table.h"

namespace skald::query {
namespace {

// Instructions of SQLite between two looks at whether to stop: some tens of microseconds.
constexpr int kInstructionsBetweenChecks = 2'000;

absl::Status Refuse(absl::string_view problem) { return BadRequestError("statement", problem); }

// "at line 2, column 5", of a byte of the text.
std::string PlaceText(absl::string_view text, int offset) {
  if (offset < 0 || static_cast<size_t>(offset) > text.size()) return "";
  const absl::string_view before = text.substr(0, static_cast<size_t>(offset));
  size_t line = 1;
  size_t column = 1;
  for (const char c : before) {
    if (c == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++column;
    }
  }
  return absl::StrCat(" at line ", line, ", column ", column);
}

// Well-formed in any case: SQLite lets statements cut texts anywhere.
Json ToText(absl::string_view bytes) {
  return IsValidUtf8(bytes) ? Json::String(bytes) : Json::String(ToValidUtf8(bytes));
}

struct Closer {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

class Statement final : public SqlStatement {
 public:
  Statement(projection::ModelReader& reader, SqlOptions options)
      : options_(std::move(options)),
        memory_(options_.memory_bytes_max),
        session_(reader, options_),
        schemas_(reader.Schemas()) {}
  ~Statement() override {
    const SqlMemory::Scope scope(memory_);
    statement_.reset();
    connection_.reset();
  }

  absl::Status Prepare();

  const std::vector<SqlColumn>& columns() const override { return columns_; }
  absl::StatusOr<std::optional<std::vector<Json>>> Next() override;
  bool truncated() const override { return truncated_; }
  uint64_t rows_looked_at() const override { return session_.rows_looked_at(); }
  std::vector<SqlSource> sources() const override { return session_.Sources(); }

 private:
  absl::Status Connect();
  absl::Status AddTables();
  absl::Status Compile();
  absl::Status Bind();
  void ReadColumns();
  Json ValueAt(int column) const;
  absl::Status ErrorOf(int code) const;
  std::string UnknownTable(absl::string_view message) const;

  // Constant after Prepare.
  const SqlOptions options_;
  SqlMemory memory_;
  SqlSession session_;
  const std::vector<projection::ModelSchema> schemas_;
  std::deque<SqlModel> models_;
  SqlRules rules_;
  std::unique_ptr<sqlite3, Closer> connection_;
  std::unique_ptr<sqlite3_stmt, Closer> statement_;
  std::vector<SqlColumn> columns_;

  uint64_t rows_ = 0;
  bool over_ = false;
  bool truncated_ = false;
};

absl::Status Statement::Prepare() {
  if (options_.text.size() > kSqlTextBytesMax) {
    return Refuse(absl::StrCat("has ", options_.text.size(), " bytes; at most ", kSqlTextBytesMax,
                               " are allowed"));
  }
  if (!IsValidUtf8(options_.text) || absl::StrContains(options_.text, absl::string_view("\0", 1))) {
    return Refuse("must be UTF-8 without zero bytes");
  }
  InitializeSqlite();
  const SqlMemory::Scope scope(memory_);
  SKALD_RETURN_IF_ERROR(Connect());
  SKALD_RETURN_IF_ERROR(AddTables());
  ApplySqlRules(connection_.get(), rules_);
  SKALD_RETURN_IF_ERROR(Compile());
  SKALD_RETURN_IF_ERROR(Bind());
  ReadColumns();
  return absl::OkStatus();
}

absl::Status Statement::Connect() {
  sqlite3* connection = nullptr;
  const int code = sqlite3_open_v2(
      ":memory:", &connection,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX,
      nullptr);
  connection_.reset(connection);
  if (code != SQLITE_OK) return ErrorOf(code);
  sqlite3_progress_handler(
      connection, kInstructionsBetweenChecks,
      [](void* session) { return static_cast<SqlSession*>(session)->Check().ok() ? 0 : 1; },
      &session_);
  return absl::OkStatus();
}

absl::Status Statement::AddTables() {
  std::set<std::string> names;
  for (const projection::ModelSchema& schema : schemas_) {
    names.insert(absl::AsciiStrToLower(schema.name));
  }
  for (const projection::ModelSchema& schema : schemas_) {
    SqlModel& model = models_.emplace_back(SqlModel{session_, rules_, schema, ToSqlSchema(schema)});
    std::vector<std::string> known_as = {schema.name};
    const std::string plain = absl::StrReplaceAll(schema.name, {{"-", "_"}});
    if (names.count(absl::AsciiStrToLower(plain)) == 0) known_as.push_back(plain);
    for (const std::string& name : known_as) {
      const int code = AddSqlTable(connection_.get(), name, model);
      if (code != SQLITE_OK) return ErrorOf(code);
      rules_.tables.insert(absl::AsciiStrToLower(name));
    }
  }
  return absl::OkStatus();
}

absl::Status Statement::Compile() {
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  int code = sqlite3_prepare_v2(connection_.get(), options_.text.data(),
                                static_cast<int>(options_.text.size()), &statement, &tail);
  statement_.reset(statement);
  if (code != SQLITE_OK) return ErrorOf(code);
  if (statement == nullptr) return Refuse("is empty");
  // What follows may be blanks and comments.
  sqlite3_stmt* second = nullptr;
  const auto rest = static_cast<int>(options_.text.data() + options_.text.size() - tail);
  code = sqlite3_prepare_v2(connection_.get(), tail, rest, &second, nullptr);
  const std::unique_ptr<sqlite3_stmt, Closer> owned(second);
  if (code != SQLITE_OK || second != nullptr) {
    return Refuse(
        absl::StrCat("has more than one statement; the second begins",
                     PlaceText(options_.text, static_cast<int>(tail - options_.text.data()))));
  }
  const bool is_query =
      sqlite3_stmt_readonly(statement) != 0 && sqlite3_column_count(statement) > 0;
  if (!is_query) return Refuse("only SELECT can be run here");
  return absl::OkStatus();
}

absl::Status Statement::Bind() {
  const auto wanted = static_cast<size_t>(sqlite3_bind_parameter_count(statement_.get()));
  if (wanted != options_.parameters.size()) {
    return BadRequestError("parameters", absl::StrCat("has ", options_.parameters.size(),
                                                      " values; the statement takes ", wanted));
  }
  for (size_t i = 0; i < wanted; ++i) {
    const Json& value = options_.parameters[i];
    const int at = static_cast<int>(i) + 1;
    int code = SQLITE_OK;
    if (value.is_bool()) {
      code = sqlite3_bind_int(statement_.get(), at, value.AsBool() ? 1 : 0);
    } else if (value.is_number() && value.IsInt()) {
      code = sqlite3_bind_int64(statement_.get(), at, value.AsInt());
    } else if (value.is_number()) {
      code = sqlite3_bind_double(statement_.get(), at, value.AsDouble());
    } else if (!value.is_null()) {
      const std::string text = value.is_string() ? std::string(value.AsString()) : value.ToText();
      code = sqlite3_bind_text64(statement_.get(), at, text.data(), text.size(), SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
    }
    if (code != SQLITE_OK) return ErrorOf(code);
  }
  return absl::OkStatus();
}

void Statement::ReadColumns() {
  const int count = sqlite3_column_count(statement_.get());
  for (int i = 0; i < count; ++i) {
    const char* name = sqlite3_column_name(statement_.get(), i);
    const char* declared = sqlite3_column_decltype(statement_.get(), i);
    SqlColumn column{.name = name == nullptr ? "" : name, .type = "any"};
    for (int type = 0; type <= static_cast<int>(projection::ColumnType::kJson); ++type) {
      const auto candidate = static_cast<projection::ColumnType>(type);
      if (declared != nullptr && absl::string_view(declared) == SqlTypeOf(candidate)) {
        column.type = std::string(projection::ColumnTypeName(candidate));
      }
    }
    columns_.push_back(std::move(column));
  }
}

absl::StatusOr<std::optional<std::vector<Json>>> Statement::Next() {
  if (over_) return std::nullopt;
  const SqlMemory::Scope scope(memory_);
  SKALD_RETURN_IF_ERROR(session_.Check());
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_DONE || (code == SQLITE_ROW && rows_ == options_.rows_max)) {
    over_ = true;
    truncated_ = code == SQLITE_ROW;
    return std::nullopt;
  }
  if (code != SQLITE_ROW) {
    over_ = true;
    return ErrorOf(code);
  }
  ++rows_;
  std::vector<Json> row;
  size_t bytes = 0;
  for (size_t i = 0; i < columns_.size(); ++i) {
    row.push_back(ValueAt(static_cast<int>(i)));
    bytes += row.back().ApproximateBytes();
  }
  // Each value is bounded; many of them are not yet.
  if (bytes > 2 * kSqlValueBytesMax) return ErrorOf(SQLITE_TOOBIG);
  return row;
}

Json Statement::ValueAt(int column) const {
  sqlite3_stmt* statement = statement_.get();
  const std::string& type = columns_[static_cast<size_t>(column)].type;
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: {
      const int64_t value = sqlite3_column_int64(statement, column);
      return type == "boolean" && (value == 0 || value == 1) ? Json::Bool(value == 1)
                                                             : Json::Int(value);
    }
    case SQLITE_FLOAT:
      return Json::Double(sqlite3_column_double(statement, column));
    case SQLITE_TEXT: {
      const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      const absl::string_view text(
          bytes,
          bytes == nullptr ? 0 : static_cast<size_t>(sqlite3_column_bytes(statement, column)));
      if (type == "json") {
        absl::StatusOr<Json> value = Json::Parse(text);
        if (value.ok()) return *std::move(value);
      }
      return ToText(text);
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
      const absl::string_view blob(
          bytes,
          bytes == nullptr ? 0 : static_cast<size_t>(sqlite3_column_bytes(statement, column)));
      return Json::String(absl::BytesToHexString(blob));
    }
    default:
      return Json::Null();
  }
}

absl::Status Statement::ErrorOf(int code) const {
  if (!session_.failure().ok()) return session_.failure();
  if (code == SQLITE_NOMEM) {
    return QueryTooLargeError(
        absl::StrCat("The statement needs more than ", options_.memory_bytes_max >> 20,
                     " MiB of memory; sort, group or join fewer rows"),
        "memory");
  }
  if (code == SQLITE_TOOBIG) {
    return QueryTooLargeError(absl::StrCat("A value or a row of the statement has more than ",
                                           kSqlValueBytesMax >> 20, " MiB"),
                              "value");
  }
  if (code == SQLITE_AUTH) return Refuse(rules_.refusal);
  const absl::string_view message = sqlite3_errmsg(connection_.get());
  return Refuse(absl::StrCat(ToText(message).AsString(),
                             PlaceText(options_.text, sqlite3_error_offset(connection_.get())),
                             UnknownTable(message)));
}

// The tables there are, for one that there is not.
std::string Statement::UnknownTable(absl::string_view message) const {
  if (!absl::ConsumePrefix(&message, "no such table: ")) return "";
  absl::ConsumePrefix(&message, "main.");
  std::vector<std::string> known;
  for (const projection::ModelSchema& schema : schemas_) {
    known.push_back(absl::StrReplaceAll(schema.name, {{"-", "_"}}));
  }
  std::string text = definition::DidYouMean(message, known);
  if (text.empty()) text = ".";
  absl::StrAppend(&text, known.empty() ? " There are no read models" : " The read models:");
  for (size_t i = 0; i < known.size() && i < 50; ++i) {
    absl::StrAppend(&text, i == 0 ? " " : ", ", known[i]);
  }
  return text;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqlStatement>> SqlStatement::Prepare(projection::ModelReader& reader,
                                                                    SqlOptions options) {
  auto statement = std::make_unique<Statement>(reader, std::move(options));
  SKALD_RETURN_IF_ERROR(statement->Prepare());
  return std::unique_ptr<SqlStatement>(std::move(statement));
}

}  // namespace skald::query
