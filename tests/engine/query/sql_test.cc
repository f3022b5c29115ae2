// Goal: SQL over models answers as SQLite does over tables, from the ranges that a key or an index
// gives; and no statement can change anything, reach anything else, or outgrow its bounds. Method:
// statements over a model in memory that counts what is read of it.
#include "engine/query/sql.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/errors.h"
#include "gtest/gtest.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/memory_models.h"
#include "tests/support/status_matchers.h"

namespace skald::query {
namespace {

using ::skald::testing::MemoryModels;
using ::skald::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class SqlTest : public ::testing::Test {
 protected:
  SqlTest() {
    models_.Add(SagasSchema());
    projection::ModelSchema other = SagasSchema();
    other.name = "order-totals";
    models_.Add(other);
    std::vector<Json> rows;
    for (int i = 0; i < 40; ++i) {
      rows.push_back(SagaRow(absl::StrCat("s", 10 + i), i % 4 == 0 ? "faulted" : "running",
                             absl::StrCat("2026-01-", 10 + i % 20, "T00:00:00.000000Z"),
                             i % 2 == 0 ? Json::String("2026-02-01T00:00:00.000000Z") : Json(),
                             i % 3, i / 2.0));
    }
    models_.PutAll("sagas", rows);
    models_.PutAll("order-totals", rows);
    models_.SetCut({.time = Timestamp(1'000'000), .positions = {Position(7)}});
  }

  absl::StatusOr<std::unique_ptr<SqlStatement>> Prepare(absl::string_view text,
                                                        std::vector<Json> parameters = {}) {
    SqlOptions options;
    options.text = std::string(text);
    options.parameters = std::move(parameters);
    options.rows_max = rows_max_;
    options.open.as_of_time = as_of_;
    options.stop = stop_;
    return SqlStatement::Prepare(models_, std::move(options));
  }

  absl::StatusOr<std::vector<std::string>> Run(absl::string_view text,
                                               std::vector<Json> parameters = {}) {
    const uint64_t scanned = models_.scanned();
    const uint64_t values = models_.values_read();
    absl::StatusOr<std::unique_ptr<SqlStatement>> statement = Prepare(text, std::move(parameters));
    if (!statement.ok()) return statement.status();
    std::vector<std::string> rows;
    while (true) {
      absl::StatusOr<std::optional<std::vector<Json>>> row = (*statement)->Next();
      if (!row.ok()) return row.status();
      if (!row->has_value()) break;
      std::vector<std::string> values_text;
      for (const Json& value : **row) values_text.push_back(value.ToText());
      rows.push_back(absl::StrJoin(values_text, " "));
    }
    truncated_ = (*statement)->truncated();
    scanned_ = models_.scanned() - scanned;
    values_ = models_.values_read() - values;
    return rows;
  }

  // The rows, joined; or the error.
  std::string Say(absl::string_view text, std::vector<Json> parameters = {}) {
    const auto rows = Run(text, std::move(parameters));
    return rows.ok() ? absl::StrJoin(*rows, "; ") : std::string(rows.status().message());
  }

  MemoryModels models_;
  uint64_t rows_max_ = 1'000;
  std::optional<Timestamp> as_of_;
  StopCheck stop_;
  uint64_t scanned_ = 0;  // by the last Run
  uint64_t values_ = 0;
  bool truncated_ = false;
};

TEST_F(SqlTest, ValuesHaveTheirTypes) {
  EXPECT_EQ(Say("select id, status, started, ended, attempts, total, parked, \"order\" from sagas "
                "where namespace = 'shop' and id = 's11'"),
            R"("s11" "running" "2026-01-11T00:00:00.000000Z" null 1 0.5 false {"total":0.5})");
  EXPECT_EQ(Say("select \"order\" ->> 'total' from sagas where id = 's13'"), "1.5");
  EXPECT_EQ(Say("select 1, 2.5, 'x', null, x'ff'"), R"(1 2.5 "x" null "ff")");
  ASSERT_OK_AND_ASSIGN(
      const auto statement,
      Prepare("select id, started as t, total, parked, \"order\", 1+1 from sagas"));
  std::vector<std::string> types;
  for (const SqlColumn& column : statement->columns()) {
    types.push_back(absl::StrCat(column.name, ":", column.type));
  }
  EXPECT_EQ(absl::StrJoin(types, " "),
            "id:text t:time total:number parked:boolean order:json 1+1:any");
}

TEST_F(SqlTest, ReadsTheRangesThatKeyAndIndexesGive) {
  EXPECT_EQ(Say("select status from sagas where namespace = 'shop' and id = 's12'"), "\"running\"");
  EXPECT_EQ(scanned_, 1u);
  EXPECT_EQ(Say("select count(*) from sagas where status = 'faulted' and started >= '2026-01-26'"),
            "2");
  EXPECT_EQ(scanned_, 2u);
  EXPECT_EQ(Say("select count(*) from sagas where status in ('faulted', 'none')"), "10");
  EXPECT_EQ(scanned_, 10u);
  EXPECT_EQ(Say("select id from sagas where started glob '2026-01-11*'"), "\"s11\"; \"s31\"");
  EXPECT_EQ(scanned_, 2u);
  EXPECT_EQ(Say("select id from sagas where total > 18.5 and total <= 19"), "\"s48\"");
  EXPECT_EQ(scanned_, 2u);  // 18.5 too: a long decimal above it would be 18.5 to SQLite
  EXPECT_EQ(Say("select id from sagas order by total desc limit 2"), "\"s49\"; \"s48\"");
  EXPECT_LE(scanned_, 8u);
  EXPECT_EQ(Say("select id from sagas where status = 'faulted' order by started desc limit 1"),
            "\"s46\"");
  EXPECT_LE(scanned_, 8u);
  EXPECT_EQ(Say("select a.id from sagas a join sagas b on b.namespace = a.namespace and b.id = "
                "a.id where a.total = 3"),
            "\"s16\"");
  EXPECT_LE(scanned_, 2u);
}

TEST_F(SqlTest, CountsWithoutReadingRows) {
  EXPECT_EQ(Say("select count(*) from sagas"), "40");
  EXPECT_EQ(scanned_, 0u);
  EXPECT_EQ(Say("select count(*) from sagas where status = 'faulted'"), "10");
  EXPECT_EQ(scanned_, 10u);
  EXPECT_EQ(values_, 0u);
}

// Of numbers that are neither int64 nor double SQLite sees the nearest double, and so finds them by
// it.
TEST_F(SqlTest, NumbersThatAreNoDoublesAreFound) {
  projection::ModelSchema schema;
  schema.name = "numbers";
  schema.columns = {{"id", projection::ColumnType::kText, "", {}},
                    {"whole", projection::ColumnType::kInteger, "", {}},
                    {"number", projection::ColumnType::kNumber, "", {}}};
  schema.indexes = {{.name = "whole", .columns = {"whole"}},
                    {.name = "number", .columns = {"number"}}};
  models_.Add(schema);
  const auto put = [this](absl::string_view id, absl::string_view whole, absl::string_view number) {
    models_.Put("numbers", Json::Parse(absl::StrCat(R"({"id": ")", id, R"(", "whole": )", whole,
                                                    R"(, "number": )", number, "}"))
                               .value());
  };
  put("a", "18446744073709551615", "0.10000000000000000001");
  put("b", "1000000000000000128", "5.00000000000000000001");
  put("c", "1000000000000000110", "4.99999999999999999999");
  put("d", "7", "0.1");
  EXPECT_EQ(Say("select id from numbers where whole = 18446744073709551615"), "\"a\"");
  EXPECT_EQ(Say("select id from numbers where whole >= 18446744073709551616"), "\"a\"");
  EXPECT_EQ(Say("select id from numbers where whole = 1000000000000000128.0"), "\"b\"");
  EXPECT_EQ(Say("select id from numbers where whole < 1000000000000000128.0 order by id"),
            "\"c\"; \"d\"");
  EXPECT_EQ(Say("select id from numbers where whole = ?", {Json::Double(7)}), "\"d\"");
  EXPECT_EQ(scanned_, 1u);
  EXPECT_EQ(Say("select id from numbers where number = 0.1 order by id"), "\"a\"; \"d\"");
  EXPECT_EQ(Say("select id from numbers where number <= 0.1 order by id"), "\"a\"; \"d\"");
  EXPECT_EQ(Say("select id from numbers where number > 0.1 order by id"), "\"b\"; \"c\"");
  EXPECT_EQ(Say("select id from numbers where number = 5 order by id"), "\"b\"; \"c\"");
  EXPECT_EQ(Say("select id from numbers where number between 5 and 5.0"), "\"c\"; \"b\"");
  EXPECT_EQ(scanned_, 2u);
  EXPECT_EQ(Say("select count(*) from numbers where number < 5 or number > 5"), "2");
}

TEST_F(SqlTest, JsonIsFoundByItsText) {
  using enum projection::ColumnType;
  projection::ModelSchema schema;
  schema.name = "attributes";
  schema.columns = {{"id", kText, "", {}}, {"attribute", kText, "", {}}, {"value", kJson, "", {}}};
  schema.key_columns = 2;
  schema.indexes = {{"value", {"attribute", "value"}}};
  models_.Add(schema);
  std::vector<Json> rows;
  for (const absl::string_view value : {"1", "1.0", "\"1\"", "[1]", "null", "{\"b\":1,\"a\":2}"}) {
    rows.push_back(Json::Object({{"id", Json::String(absl::StrCat("s", rows.size()))},
                                 {"attribute", Json::String("n")},
                                 {"value", *Json::Parse(value)}}));
  }
  models_.PutAll("attributes", rows);
  EXPECT_EQ(Say("select id from attributes where attribute = 'n' and value = '[1]'"), "\"s3\"");
  EXPECT_EQ(scanned_, 1u);
  EXPECT_EQ(Say("select id from attributes where attribute = 'n' and value = ?",
                {Json::String("{\"b\":1,\"a\":2}")}),
            "\"s5\"");
  EXPECT_EQ(scanned_, 1u);
  EXPECT_EQ(Say("select id from attributes where attribute = 'n' and value = json_quote('1')"), "\"s2\"");
  EXPECT_EQ(scanned_, 1u);
  // Both are written so.
  EXPECT_EQ(Say("select id from attributes where attribute = 'n' and value = '1'"), "\"s0\"; \"s1\"");
  EXPECT_EQ(Say("select count(*) from attributes where attribute = 'n' and value = '1'"), "2");
  // No text of a value.
  for (const absl::string_view text : {" 1", "1 ", "1.0", "null", "", "{", "{\"a\":2,\"b\":1}"}) {
    EXPECT_EQ(Say("select id from attributes where attribute = 'n' and value = ?",
                  {Json::String(text)}),
              "");
    EXPECT_LE(scanned_, 1u) << text;
  }
  EXPECT_EQ(Say("select id from attributes where value is null"), "\"s4\"");
  EXPECT_EQ(Say("select count(*) from attributes where attribute = 'n' and value = 1"), "2");
}

TEST_F(SqlTest, NullsComeFirst) {
  EXPECT_EQ(Say("select id, ended from sagas order by ended limit 1"), "\"s11\" null");
  EXPECT_EQ(Say("select ended is null from sagas order by ended desc limit 1"), "0");
  EXPECT_EQ(Say("select count(*), count(ended) from sagas"), "40 20");
  EXPECT_EQ(Say("select id from sagas where ended = null"), "");
  EXPECT_EQ(Say("select count(*) from sagas where ended is null and status = 'running'"), "20");
}

TEST_F(SqlTest, KnowsModelsByBothNames) {
  EXPECT_EQ(Say("select count(*) from order_totals"), "40");
  EXPECT_EQ(Say("select count(*) from \"order-totals\" t where t.\"status\" = 'faulted'"), "10");
  EXPECT_EQ(Say("with f as (select * from sagas where status = 'faulted') select count(*) from f "
                "join order_totals t using (namespace, id)"),
            "10");
}

TEST_F(SqlTest, ConditionsOfBothSidesOfOrAreUnited) {
  EXPECT_EQ(Say("select count(*) from sagas where status = 'faulted' or total < 2"), "13");
  EXPECT_EQ(Say("select count(*) from sagas where (namespace = 'shop' and id = 's11') or "
                "started = '2026-01-11T00:00:00.000000Z'"),
            "2");
}

TEST_F(SqlTest, ParametersAreBound) {
  EXPECT_EQ(Say("select count(*) from sagas where status = ? and total < ?",
                {Json::String("faulted"), Json::Double(4.5)}),
            "3");
  EXPECT_THAT(Say("select ?"), HasSubstr("parameters: has 0 values; the statement takes 1"));
  EXPECT_EQ(Say("select ?, ?, ?", {Json::Bool(true), Json::Null(), Json::EmptyArray()}),
            R"(1 null "[]")");
}

TEST_F(SqlTest, TimesCanBeWrittenInAnyZone) {
  EXPECT_EQ(Say("select id from sagas where started = utc('2026-01-11T02:00:00+02:00')"),
            "\"s11\"; \"s31\"");
  EXPECT_EQ(Say("select utc(null)"), "null");
  EXPECT_THAT(Say("select utc('soon')"), HasSubstr("takes a time of RFC 3339"));
  EXPECT_EQ(Say("select strftime('%Y', started) from sagas limit 1"), "\"2026\"");
}

TEST_F(SqlTest, EachModelIsOpenedOnceAndAtOneCut) {
  const int before = models_.opened();
  ASSERT_OK_AND_ASSIGN(const auto statement,
                       Prepare("select count(*) from sagas a, sagas b where a.id = b.id"));
  models_.Put("sagas", SagaRow("new", "running", ""));
  ASSERT_OK_AND_ASSIGN(const auto row, statement->Next());
  EXPECT_EQ((*row)[0].AsInt(), 40);
  EXPECT_EQ(models_.opened() - before, 1);
  ASSERT_EQ(statement->sources().size(), 1u);
  EXPECT_EQ(statement->sources()[0].cut.positions[0], Position(7));
}

TEST_F(SqlTest, ReadsThePast) {
  models_.Put("sagas", SagaRow("s10", "completed", ""));
  models_.SetCut({.time = Timestamp(2'000'000), .positions = {Position(8)}});
  as_of_ = Timestamp(1'500'000);
  EXPECT_EQ(Say("select status from sagas where id = 's10' order by started"), "\"faulted\"");
  EXPECT_EQ(Say("select count(*) from sagas where status = 'completed'"), "0");
  EXPECT_EQ(Say("select count(*) from sagas"), "40");
  EXPECT_EQ(scanned_, 40u);
  EXPECT_EQ(values_, 0u);
  EXPECT_EQ(Say("select count(distinct id), count(id) from sagas"), "40 40");
}

TEST_F(SqlTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(Say("selec 1"), HasSubstr("near \"selec\": syntax error at line 1, column 1"));
  EXPECT_THAT(Say("select id,\n  stat from sagas"),
              HasSubstr("no such column: stat at line 2, column 3"));
  EXPECT_THAT(Say("select 1 from saga"),
              AllOf(HasSubstr("no such table: saga"), HasSubstr("did you mean 'sagas'?"),
                    HasSubstr("The read models: order_totals, sagas")));
  EXPECT_THAT(Say("select id from sagas where status = \"running\""),
              HasSubstr("no such column: running"));
  EXPECT_THAT(Say(""), HasSubstr("is empty"));
  EXPECT_THAT(Say("-- nothing"), HasSubstr("is empty"));
  EXPECT_THAT(Say("select 1; select 2"),
              HasSubstr("more than one statement; the second begins at line 1, column 10"));
  EXPECT_EQ(Say("select 1; -- and no more\n"), "1");
  EXPECT_THAT(Say("select '\xFF'"), HasSubstr("must be UTF-8"));
  EXPECT_TRUE(HasReason(Run("selec").status(), ErrorReason::kBadRequest));
  models_.SetBehind(5);
  EXPECT_TRUE(HasReason(Run("select * from sagas").status(), ErrorReason::kModelBehind));
}

TEST_F(SqlTest, NothingCanBeChangedOrReached) {
  for (const char* text : {"insert into sagas(id) values ('x')",
                           "delete from sagas",
                           "update sagas set id = 'x'",
                           "create table t(x)",
                           "create temp table t(x)",
                           "create view v as select 1",
                           "drop table sagas",
                           "alter table sagas rename to t",
                           "attach 'x.db' as x",
                           "attach ':memory:' as x",
                           "detach main",
                           "pragma user_version = 3",
                           "pragma database_list",
                           "pragma temp_store_directory",
                           "vacuum",
                           "vacuum into 'x.db'",
                           "begin",
                           "savepoint x",
                           "analyze",
                           "reindex",
                           "create virtual table t using fts5(x)",
                           "create virtual table t using sagas",
                           "with d as (select 1) delete from sagas",
                           "explain delete from sagas",
                           "select * from sqlite_master",
                           "select count(*) from pragma_database_list",
                           "select count(*) from sqlite_master",
                           "select count(*) from dbstat",
                           "select * from sqlite_schema",
                           "select * from pragma_database_list",
                           "select * from pragma_table_info('sagas')",
                           "select * from dbstat",
                           "select * from sqlite_stmt",
                           "select * from sqlite_dbpage",
                           "select * from fts5vocab",
                           "select load_extension('x')",
                           "select readfile('/etc/passwd')",
                           "select writefile('x', 'y')",
                           "select sqlite_version()",
                           "select fts3_tokenizer('simple')",
                           "select randomblob(9)",
                           "select edit('x')",
                           "select sqlite_compileoption_get(1)",
                           "values (load_extension('x'))"}) {
    const absl::Status status = Run(text).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << text;
    EXPECT_TRUE(HasReason(status, ErrorReason::kBadRequest)) << text;
  }
  EXPECT_THAT(Say("delete from sagas"), HasSubstr("table sagas may not be modified"));
  EXPECT_THAT(Say("attach 'x.db' as x"), HasSubstr("only SELECT can be run here, not ATTACH"));
  EXPECT_THAT(Say("select load_extension('x')"),
              HasSubstr("not authorized to use function: load_extension at line 1, column 8"));
  EXPECT_THAT(Say("select json_patch('{}', '{}')"),
              HasSubstr("not authorized to use function: json_patch"));
  EXPECT_THAT(Say("select * from sqlite_master"), HasSubstr("'sqlite_master' is no read model"));
}

TEST_F(SqlTest, NoStatementOutgrowsItsBounds) {
  const auto begin = std::chrono::steady_clock::now();
  stop_ = [begin] {
    const auto spent = std::chrono::steady_clock::now() - begin;
    return spent < std::chrono::seconds(2) ? absl::OkStatus()
                                           : DeadlinePassedError("the statement");
  };
  const auto reason_of = [this](absl::string_view text) {
    const auto info = GetErrorInfo(Run(text).status());
    return info ? std::string(ErrorReasonName(info->reason)) : std::string("none");
  };
  const std::string forever = "with recursive n(x) as (select 1 union all select x + 1 from n) ";
  for (const std::string& text : {
           std::string("select hex(zeroblob(900000))"),
           std::string("select zeroblob(1000000000)"),
           std::string("with recursive s(x) as (select 'aaaaaaaa' union all select x || x from s) "
                       "select max(length(x)) from s"),
           forever + "select group_concat('aaaaaaaaaaaaaaaaaaaa') from n",
           std::string("with recursive t(x) as (select 1 union select x + 1 from t) "
                       "select count(*) from t"),  // remembers every row
           forever + "select x from n order by x desc",
           forever + "select json_group_array(x) from n",
       }) {
    EXPECT_THAT(reason_of(text), ::testing::AnyOf("QUERY_TOO_LARGE", "DEADLINE_PASSED")) << text;
  }
  stop_ = nullptr;
  EXPECT_THAT(Say("select zeroblob(1000000000)"), HasSubstr("more than 1 MiB"));
  EXPECT_EQ(Say("select printf('%*d', 1000000000, 1), printf('%.2000000000f', 1)"), "null null");
  EXPECT_EQ(Say("with n as (select 1) select count(*) from n"), "1");
}

TEST_F(SqlTest, NoStatementRunsOn) {
  const std::string forever = "with recursive n(x) as (select 1 union all select x + 1 from n) ";
  std::string join = "select count(*) from sagas t0";
  for (int i = 1; i < 30; ++i) absl::StrAppend(&join, ", sagas t", i);
  std::string nested = "with c0 as (select 1 as x)";
  for (int i = 1; i < 40; ++i) {
    absl::StrAppend(&nested, ", c", i, " as (select a.x from c", i - 1, " a, c", i - 1, " b)");
  }
  for (const std::string& text :
       {forever + "select count(*) from n", join, absl::StrCat(nested, " select count(*) from c39"),
        std::string("select count(*) from sagas a, sagas b, sagas c, sagas d, sagas e where "
                    "a.id || b.id || c.id || d.id || e.id = ''")}) {
    const auto begin = std::chrono::steady_clock::now();
    stop_ = [begin] {
      const auto spent = std::chrono::steady_clock::now() - begin;
      return spent < std::chrono::milliseconds(200) ? absl::OkStatus()
                                                    : DeadlinePassedError("the statement");
    };
    const absl::Status status = Run(text).status();
    EXPECT_FALSE(status.ok()) << text;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20)) << text;
  }
  // What SQLite itself would compute for hours, in one step that nothing interrupts.
  stop_ = nullptr;
  EXPECT_EQ(Say("select instr(printf('%.500000c', 'a'), printf('%.250000c', 'a') || 'b')"), "0");
  EXPECT_EQ(Say("select length(replace(printf('%.500000c', 'a'), printf('%.250000c', 'a') || 'b', "
                "''))"),
            "500000");
  EXPECT_EQ(Say("select length(trim(a.s, b.s)), length(ltrim(a.s, b.s)), length(rtrim(a.s, b.s)) "
                "from (select printf('%.900000c', 'a') as s) a, "
                "(select printf('%.900000c', 'b') || 'a' as s) b"),
            "0 0 0");
  EXPECT_EQ(Say("select printf('%.100000c', 'a') like '%a%a%a%a%a%a%a%a%b'"), "0");
}

TEST_F(SqlTest, FunctionsOfOurOwnAreSqlites) {
  EXPECT_EQ(Say("select instr('h\xC3\xA4llo', 'l'), instr('abc', ''), instr(null, 'a'), "
                "instr('abc', 'x'), instr(x'0102', x'02'), instr('', 'a')"),
            "3 1 null 0 2 0");
  EXPECT_EQ(Say("select replace('abcabc', 'b', 'xy'), replace('abc', '', 'x'), "
                "replace('abc', null, 'x'), replace('', 'a', 'b')"),
            R"("axycaxyc" "abc" null "")");
  EXPECT_EQ(Say("select trim('xaxbx', 'x'), ltrim('xyaxy', 'yx'), rtrim('xyaxy', 'yx'), "
                "trim('abc', ''), trim('aaa', 'a'), trim(null, 'a'), trim('a', null), "
                "trim(12321, 1), typeof(trim(5, 1)), trim('  a  ')"),
            R"("axb" "axy" "xya" "abc" "" null null "232" "text" "a")");
  EXPECT_EQ(Say("select trim('\xC3\xA4\xC3\xB6x\xC3\xA4', '\xC3\xA4'), "
                "trim('\xE2\x82\xAC\xC3\xA4x', '\xC3\xA4\xE2\x82\xAC'), "
                "rtrim('\xF0\x9F\x98\x80\xF0\x9F\x98\x81', '\xF0\x9F\x98\x81'), "
                "hex(trim(x'ff41ff', x'ff')), hex(rtrim(x'41c380', x'80')), "
                "typeof(trim(zeroblob(3), zeroblob(1)))"),
            "\"\xC3\xB6x\" \"x\" \"\xF0\x9F\x98\x80\" \"41\" \"41C3\" \"text\"");
}

TEST_F(SqlTest, RowsAreBounded) {
  rows_max_ = 3;
  ASSERT_OK_AND_ASSIGN(const auto rows, Run("select id from sagas"));
  EXPECT_EQ(rows.size(), 3u);
  EXPECT_TRUE(truncated_);
  ASSERT_OK(Run("select id from sagas limit 3").status());
  EXPECT_FALSE(truncated_);
}

TEST_F(SqlTest, LargeTextsAreRefused) {
  EXPECT_THAT(Say(absl::StrCat("select '", std::string(70'000, 'x'), "'")),
              HasSubstr("at most 65536 are allowed"));
  std::string deep = "1";
  for (int i = 0; i < 500; ++i) deep = absl::StrCat("(", deep, "+1)");
  EXPECT_THAT(Say(absl::StrCat("select ", deep)), HasSubstr("statement: "));
}

}  // namespace
}  // namespace skald::query
