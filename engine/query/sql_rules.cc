#include "engine/query/sql_rules.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/utf8.h"
#include "engine/query/filter.h"
#include "engine/query/sql.h"

namespace skald::query {
namespace {

// Functions that compute from their arguments, with work in proportion to their size.
bool IsKnownFunction(absl::string_view name) {
  static const std::set<std::string>* const known = new std::set<std::string>{
      // scalar
      "abs", "char", "coalesce", "format", "glob", "hex", "ifnull", "iif", "instr", "length",
      "like", "likelihood", "likely", "lower", "ltrim", "max", "min", "nullif", "printf", "quote",
      "replace", "round", "rtrim", "sign", "substr", "substring", "trim", "typeof", "unicode",
      "unlikely", "upper", "utc", "zeroblob",
      // dates and times
      "date", "time", "datetime", "julianday", "unixepoch", "strftime", "current_date",
      "current_time", "current_timestamp",
      // aggregates and windows
      "avg", "count", "group_concat", "sum", "total", "row_number", "rank", "dense_rank",
      "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value", "last_value", "nth_value",
      // mathematics
      "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "ceiling", "cos", "cosh",
      "degrees", "exp", "floor", "ln", "log", "log10", "log2", "mod", "pi", "pow", "power",
      "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
      // JSON, but for json_patch, which looks for each member of the patch among all of the target
      "->", "->>", "json", "json_array", "json_array_length", "json_extract", "json_group_array",
      "json_group_object", "json_insert", "json_object", "json_quote", "json_remove",
      "json_replace", "json_set", "json_type", "json_valid"};
  return known->count(absl::AsciiStrToLower(name)) > 0;
}

absl::string_view ActionName(int action) {
  switch (action) {
    case SQLITE_ATTACH:
      return "ATTACH";
    case SQLITE_DETACH:
      return "DETACH";
    case SQLITE_PRAGMA:
      return "PRAGMA";
    case SQLITE_INSERT:
      return "INSERT";
    case SQLITE_UPDATE:
      return "UPDATE";
    case SQLITE_DELETE:
      return "DELETE";
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
      return "a transaction";
    case SQLITE_ANALYZE:
      return "ANALYZE";
    case SQLITE_REINDEX:
      return "REINDEX";
    default:
      return "changing the schema";
  }
}

// What comes with SQLite, so that nobody need ask which of it tells what.
bool IsSystemTable(absl::string_view table) {
  return absl::StartsWith(table, "sqlite") || absl::StartsWith(table, "pragma_") ||
         absl::StartsWith(table, "fts") || absl::StartsWith(table, "rtree") ||
         absl::StartsWith(table, "dbstat") || absl::StartsWith(table, "bytecode") ||
         absl::StartsWith(table, "tables_used");
}

int Authorize(void* data, int action, const char* first, const char* second, const char*,
              const char*) {
  auto& rules = *static_cast<SqlRules*>(data);
  if (rules.is_declaring) return SQLITE_OK;
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_READ: {
      const std::string table = absl::AsciiStrToLower(first == nullptr ? "" : first);
      if (table.empty() || rules.tables.count(table) > 0) return SQLITE_OK;
      // Without a column it may be the name of a common table expression.
      const bool is_named_only = second == nullptr || *second == '\0';
      if (is_named_only && !IsSystemTable(table)) return SQLITE_OK;
      rules.refusal = absl::StrCat("table '", table, "' is no read model");
      return SQLITE_DENY;
    }
    case SQLITE_FUNCTION:
      if (second != nullptr && IsKnownFunction(second)) return SQLITE_OK;
      rules.refusal =
          absl::StrCat("function '", second == nullptr ? "" : second, "' cannot be used here");
      return SQLITE_DENY;
    default:
      rules.refusal = absl::StrCat("only SELECT can be run here, not ", ActionName(action));
      return SQLITE_DENY;
  }
}

absl::string_view BytesOf(sqlite3_value* value) {
  const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));
  return {bytes, bytes == nullptr ? 0 : static_cast<size_t>(sqlite3_value_bytes(value))};
}

// SQLite's own instr, replace and trims with a set take time in proportion to the product of their
// arguments' sizes, which nothing can interrupt. These take the sum.
size_t Find(absl::string_view text, absl::string_view wanted, size_t from) {
  const void* found = memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  if (found == nullptr) return absl::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

// Of a character of UTF-8.
constexpr size_t kCharacterBytesMax = 4;

size_t CountCharacters(absl::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

void Instr(sqlite3_context* context, int, sqlite3_value** arguments) {
  if (sqlite3_value_type(arguments[0]) == SQLITE_NULL ||
      sqlite3_value_type(arguments[1]) == SQLITE_NULL) {
    return sqlite3_result_null(context);
  }
  const bool blobs = sqlite3_value_type(arguments[0]) == SQLITE_BLOB &&
                     sqlite3_value_type(arguments[1]) == SQLITE_BLOB;
  const absl::string_view text = BytesOf(arguments[0]);
  const absl::string_view wanted = BytesOf(arguments[1]);
  if (wanted.empty()) return sqlite3_result_int(context, 1);
  const size_t at = text.empty() ? absl::string_view::npos : Find(text, wanted, 0);
  if (at == absl::string_view::npos) return sqlite3_result_int(context, 0);
  const size_t before = blobs ? at : CountCharacters(text.substr(0, at));
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(before + 1));
}

void Replace(sqlite3_context* context, int, sqlite3_value** arguments) {
  for (int i = 0; i < 3; ++i) {
    if (sqlite3_value_type(arguments[i]) == SQLITE_NULL) return sqlite3_result_null(context);
  }
  const absl::string_view text = BytesOf(arguments[0]);
  const absl::string_view wanted = BytesOf(arguments[1]);
  const absl::string_view other = BytesOf(arguments[2]);
  if (wanted.empty() || text.empty()) return sqlite3_result_value(context, arguments[0]);
  std::string result;
  size_t from = 0;
  for (size_t at = Find(text, wanted, 0); at != absl::string_view::npos;
       at = from < text.size() ? Find(text, wanted, from) : absl::string_view::npos) {
    result.append(text.data() + from, at - from);
    result.append(other.data(), other.size());
    from = at + wanted.size();
    if (result.size() > kSqlValueBytesMax) return sqlite3_result_error_toobig(context);
  }
  result.append(text.data() + from, text.size() - from);
  sqlite3_result_text64(context, result.data(), result.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

// The characters of a set. Those of text that is no UTF-8 may be longer than any of text that is:
// these take away nothing.
absl::flat_hash_set<absl::string_view> CharactersOf(absl::string_view set) {
  absl::flat_hash_set<absl::string_view> characters;
  for (size_t begin = 0; begin < set.size();) {
    size_t end = begin + 1;
    if (static_cast<unsigned char>(set[begin]) >= 0xC0) {
      while (end < set.size() && (static_cast<unsigned char>(set[end]) & 0xC0) == 0x80) ++end;
    }
    if (end - begin <= kCharacterBytesMax) characters.insert(set.substr(begin, end - begin));
    begin = end;
  }
  return characters;
}

enum TrimSides { kLeft = 1, kRight = 2, kBoth = 3 };

void Trim(sqlite3_context* context, int, sqlite3_value** arguments) {
  if (sqlite3_value_type(arguments[0]) == SQLITE_NULL ||
      sqlite3_value_type(arguments[1]) == SQLITE_NULL) {
    return sqlite3_result_null(context);
  }
  absl::string_view text = BytesOf(arguments[0]);
  const absl::flat_hash_set<absl::string_view> characters = CharactersOf(BytesOf(arguments[1]));
  // How many bytes at one end are a character of the set; 0: none.
  const auto length_at = [&](bool is_left) -> size_t {
    for (size_t length = 1; length <= std::min(kCharacterBytesMax, text.size()); ++length) {
      const size_t begin = is_left ? 0 : text.size() - length;
      if (characters.contains(text.substr(begin, length))) return length;
    }
    return 0;
  };
  const auto sides = *static_cast<const TrimSides*>(sqlite3_user_data(context));
  if ((sides & kLeft) != 0) {
    while (const size_t length = length_at(true)) text.remove_prefix(length);
  }
  if ((sides & kRight) != 0) {
    while (const size_t length = length_at(false)) text.remove_suffix(length);
  }
  // Without a pointer it would be NULL.
  const char* begin = text.empty() ? "" : text.data();
  sqlite3_result_text64(context, begin, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

// A time or a date as times are stored, so that the two compare.
void Utc(sqlite3_context* context, int, sqlite3_value** arguments) {
  if (sqlite3_value_type(arguments[0]) == SQLITE_NULL) return sqlite3_result_null(context);
  const absl::string_view text = BytesOf(arguments[0]);
  const projection::Column column{
      .name = "utc", .type = projection::ColumnType::kTime, .description = "", .path = {}};
  absl::StatusOr<Json> time = absl::InvalidArgumentError("");
  if (IsValidUtf8(text)) time = CheckValue(column, Json::String(text));
  if (!time.ok()) {
    return sqlite3_result_error(
        context, "utc() takes a time of RFC 3339, as '2026-01-31T12:00:00Z', or a date", -1);
  }
  const absl::string_view stored = time->AsString();
  sqlite3_result_text64(context, stored.data(), stored.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void SetLimits(sqlite3* connection) {
  const std::pair<int, int> limits[] = {
      {SQLITE_LIMIT_LENGTH, static_cast<int>(kSqlValueBytesMax)},
      {SQLITE_LIMIT_SQL_LENGTH, static_cast<int>(kSqlTextBytesMax)},
      {SQLITE_LIMIT_COLUMN, 500},
      {SQLITE_LIMIT_EXPR_DEPTH, 200},
      {SQLITE_LIMIT_COMPOUND_SELECT, 50},
      {SQLITE_LIMIT_VDBE_OP, 200'000},
      {SQLITE_LIMIT_FUNCTION_ARG, 64},
      {SQLITE_LIMIT_ATTACHED, 0},
      {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256},
      {SQLITE_LIMIT_VARIABLE_NUMBER, static_cast<int>(kSqlParametersMax)},
      {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
      {SQLITE_LIMIT_WORKER_THREADS, 0},
  };
  for (const auto& [limit, value] : limits) sqlite3_limit(connection, limit, value);
}

}  // namespace

void ApplySqlRules(sqlite3* connection, SqlRules& rules) {
  const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  sqlite3_create_function_v2(connection, "instr", 2, flags, nullptr, Instr, nullptr, nullptr,
                             nullptr);
  sqlite3_create_function_v2(connection, "replace", 3, flags, nullptr, Replace, nullptr, nullptr,
                             nullptr);
  static constexpr std::pair<const char*, TrimSides> kTrims[] = {
      {"ltrim", kLeft}, {"rtrim", kRight}, {"trim", kBoth}};
  for (const auto& [name, sides] : kTrims) {
    sqlite3_create_function_v2(connection, name, 2, flags, const_cast<TrimSides*>(&sides), Trim,
                               nullptr, nullptr, nullptr);
  }
  sqlite3_create_function_v2(connection, "utc", 1, flags, nullptr, Utc, nullptr, nullptr, nullptr);
  // Sorts and temporary tables stay in memory, where they are counted.
  sqlite3_exec(connection, "PRAGMA temp_store = MEMORY", nullptr, nullptr, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  // "running" in double quotation marks is a column, never a text by mistake.
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  SetLimits(connection);
  rules.tables.insert("json_each");
  rules.tables.insert("json_tree");
  sqlite3_set_authorizer(connection, Authorize, &rules);
}

}  // namespace skald::query
