// Goal: what a model hands to SQLite (ranges, orders, keys alone) changes no answer. Method: random
// statements over a model and over a plain table of SQLite with the same rows; a failure prints its
// seed and statement.
#include <algorithm>
#include <random>

#include <sqlite3.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/query/sql.h"
#include "engine/query/sql_memory.h"
#include "gtest/gtest.h"
#include "tests/support/memory_models.h"

namespace skald::query {
namespace {

using projection::ColumnType;
using ::skald::testing::MemoryModels;

projection::ModelSchema Schema() {
  projection::ModelSchema schema;
  schema.name = "m";
  for (const auto& [name, type] : {std::pair{"k", ColumnType::kText},
                                   {"n", ColumnType::kInteger},
                                   {"s", ColumnType::kText},
                                   {"x", ColumnType::kNumber},
                                   {"b", ColumnType::kBoolean},
                                   {"j", ColumnType::kJson}}) {
    schema.columns.push_back({.name = name, .type = type, .description = "", .path = {}});
  }
  schema.key_columns = 2;
  schema.indexes = {{.name = "s", .columns = {"s", "x"}},
                    {.name = "x", .columns = {"x"}},
                    {.name = "b", .columns = {"b", "s"}},
                    {.name = "n", .columns = {"n", "s"}}};
  return schema;
}

std::string Literal(std::mt19937_64& random, ColumnType type) {
  static const char* const kTexts[] = {"'a'", "'ab'", "''", "'b'", "'B'", "'5'", "'\xC3\xA4'"};
  if (random() % 15 == 0) return "null";
  if (random() % 12 == 0) return kTexts[random() % 7];
  if (random() % 12 == 0) return "2";
  switch (type) {
    case ColumnType::kText:
    case ColumnType::kTime:
      return kTexts[random() % 7];
    case ColumnType::kInteger:
      return absl::StrCat(static_cast<int>(random() % 6) - 1);
    case ColumnType::kNumber:
      return absl::StrCat(static_cast<double>(random() % 9) / 2 - 1);
    case ColumnType::kBoolean:
      return absl::StrCat(random() % 3);
    case ColumnType::kJson:
      return random() % 2 == 0 ? "'[1]'" : "'{}'";
  }
  return "null";
}

std::string Predicate(std::mt19937_64& random, const projection::ModelSchema& schema,
                      const std::string& table, int depth) {
  if (depth > 0 && random() % 3 == 0) {
    return absl::StrCat("(", Predicate(random, schema, table, depth - 1),
                        random() % 3 == 0 ? " or " : " and ",
                        Predicate(random, schema, table, depth - 1), ")");
  }
  const projection::Column& column = schema.columns[random() % schema.columns.size()];
  const std::string name = absl::StrCat(table, ".", column.name);
  static const char* const kSigns[] = {"=", "=", "=", "<", "<=", ">", ">=", "<>", "is"};
  switch (random() % 10) {
    case 0:
      return absl::StrCat(name, random() % 2 == 0 ? " is null" : " is not null");
    case 1:
      return absl::StrCat(name, " in (", Literal(random, column.type), ", ",
                          Literal(random, column.type), ")");
    case 2:
      return absl::StrCat(name, " glob 'a*'");
    case 3:
      return absl::StrCat(name, " like 'a%'");
    case 4:
      return absl::StrCat(name, " = ", Literal(random, column.type), " collate nocase");
    case 5:
      return absl::StrCat(name, " between ", Literal(random, column.type), " and ",
                          Literal(random, column.type));
    default:
      return absl::StrCat(name, " ", kSigns[random() % 9], " ", Literal(random, column.type));
  }
}

std::string Statement(std::mt19937_64& random, const projection::ModelSchema& schema,
                      bool* is_ordered) {
  const auto column = [&] { return schema.columns[random() % schema.columns.size()].name; };
  *is_ordered = false;
  switch (random() % 6) {
    case 0:
      return absl::StrCat("select count(*) from m t where ", Predicate(random, schema, "t", 2));
    case 1: {
      const std::string by = column();
      return absl::StrCat("select ", by, ", count(*) from m t where ",
                          Predicate(random, schema, "t", 1), " group by ", by);
    }
    case 2:
      return absl::StrCat("select distinct ", column(), ", ", column(), " from m t where ",
                          Predicate(random, schema, "t", 1));
    case 3:
      return absl::StrCat("select t.k, t.n, u.k, u.n from m t join m u on t.", column(), " = u.",
                          column(), " where ", Predicate(random, schema, "t", 1), " and ",
                          Predicate(random, schema, "u", 1));
    case 4:
      return absl::StrCat("select * from m t where ", Predicate(random, schema, "t", 2));
    default: {
      // All columns last, so that the order is whole.
      *is_ordered = true;
      const std::string direction = random() % 2 == 0 ? "" : " desc";
      std::string text = absl::StrCat("select * from m t where ", Predicate(random, schema, "t", 1),
                                      " order by ", column(), direction, ", ", column(), direction,
                                      ", k", direction, ", n", direction);
      if (random() % 2 == 0) absl::StrAppend(&text, " limit ", 1 + random() % 5);
      return text;
    }
  }
}

std::string TextOf(const Json& value) {
  return value.is_bool() ? (value.AsBool() ? "1" : "0") : value.ToText();
}

std::vector<std::string> RunOnModel(MemoryModels& models, const std::string& text) {
  SqlOptions options;
  options.text = text;
  absl::StatusOr<std::unique_ptr<SqlStatement>> statement =
      SqlStatement::Prepare(models, std::move(options));
  if (!statement.ok()) return {statement.status().ToString()};
  std::vector<std::string> rows;
  while (true) {
    absl::StatusOr<std::optional<std::vector<Json>>> row = (*statement)->Next();
    if (!row.ok()) return {row.status().ToString()};
    if (!row->has_value()) return rows;
    std::vector<std::string> values;
    for (const Json& value : **row) values.push_back(TextOf(value));
    rows.push_back(absl::StrJoin(values, "|"));
  }
}

std::vector<std::string> RunOnTable(sqlite3* table, const std::string& text) {
  std::vector<std::string> rows;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(table, text.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
    return {sqlite3_errmsg(table)};
  }
  while (sqlite3_step(statement) == SQLITE_ROW) {
    std::vector<std::string> values;
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      const char* declared = sqlite3_column_decltype(statement, i);
      const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
      switch (sqlite3_column_type(statement, i)) {
        case SQLITE_NULL:
          values.emplace_back("null");
          break;
        case SQLITE_TEXT:
          values.push_back(declared != nullptr && absl::string_view(declared) == "JSON TEXT"
                               ? bytes
                               : Json::String(bytes).ToText());
          break;
        case SQLITE_FLOAT:
          values.push_back(Json::Double(sqlite3_column_double(statement, i)).ToText());
          break;
        default:
          values.emplace_back(bytes);
      }
    }
    rows.push_back(absl::StrJoin(values, "|"));
  }
  sqlite3_finalize(statement);
  return rows;
}

// Fills both with the same rows.
void Fill(std::mt19937_64& random, const projection::ModelSchema& schema, MemoryModels& models,
          sqlite3* table) {
  static const char* const kTexts[] = {"", "a", "ab", "b", "B", "5", "\xC3\xA4"};
  std::vector<Json> rows;
  for (size_t i = random() % 40; i > 0; --i) {
    Json::ObjectBuilder row;
    row.Add("k", Json::String(kTexts[random() % 7]))
        .Add("n", Json::Int(static_cast<int64_t>(random() % 20)));
    if (random() % 4 != 0) row.Add("s", Json::String(kTexts[random() % 7]));
    if (random() % 4 != 0) row.Add("x", Json::Double(static_cast<double>(random() % 9) / 2 - 1));
    if (random() % 4 != 0) row.Add("b", Json::Bool(random() % 2 == 0));
    if (random() % 4 != 0) {
      row.Add("j", random() % 2 == 0 ? Json::EmptyObject() : Json::Array({Json::Int(1)}));
    }
    rows.push_back(std::move(row).Build());
  }
  models.PutAll("m", rows);
  const auto opened = models.Open("m", {}).value();
  ASSERT_TRUE(
      opened
          ->Scan(
              {},
              [&](const projection::Row& row) {
                std::vector<std::string> values;
                for (const projection::Column& column : schema.columns) {
                  const Json& value = projection::ModelSchema::ValueOf(column, row.value);
                  if (value.is_null()) {
                    values.emplace_back("null");
                  } else if (value.is_string()) {
                    values.push_back(absl::StrCat("'", std::string(value.AsString()), "'"));
                  } else if (column.type == ColumnType::kJson) {
                    values.push_back(absl::StrCat("'", value.ToText(), "'"));
                  } else {
                    values.push_back(TextOf(value));
                  }
                }
                const std::string insert =
                    absl::StrCat("insert into m values (", absl::StrJoin(values, ","), ")");
                EXPECT_EQ(sqlite3_exec(table, insert.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
                    << insert;
                return true;
              })
          .ok());
}

void RunOne(uint64_t seed) {
  std::mt19937_64 random(seed);
  const projection::ModelSchema schema = Schema();
  MemoryModels models;
  models.Add(schema);
  sqlite3* table = nullptr;
  ASSERT_EQ(sqlite3_open(":memory:", &table), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(table,
                         "create table m(k TEXT, n INTEGER, s TEXT, x NUMERIC, b BOOLEAN, "
                         "j \"JSON TEXT\", primary key (k, n)) without rowid",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  Fill(random, schema, models, table);
  for (int i = 0; i < 30; ++i) {
    bool is_ordered = false;
    const std::string text = Statement(random, schema, &is_ordered);
    std::vector<std::string> found = RunOnModel(models, text);
    std::vector<std::string> expected = RunOnTable(table, text);
    if (!is_ordered) {
      std::sort(found.begin(), found.end());
      std::sort(expected.begin(), expected.end());
    }
    EXPECT_EQ(found, expected) << "seed " << seed << ": " << text;
  }
  sqlite3_close(table);
}

TEST(SqlPropertyTest, AModelAnswersAsATableDoes) {
  InitializeSqlite();
  for (uint64_t seed = 1; seed <= 150 && !HasFailure(); ++seed) RunOne(seed);
}

}  // namespace
}  // namespace skald::query
