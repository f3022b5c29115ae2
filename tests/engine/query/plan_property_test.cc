// Goal: whatever path a plan takes, the rows are those that a look at every row finds, in the order
// asked for, each once. Method: random models, filters, orders and page sizes against a naive
// filter and sort; a failure prints its seed.
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/json_order.h"
#include "engine/query/page.h"
#include "gtest/gtest.h"
#include "tests/support/memory_models.h"
#include "tests/support/status_matchers.h"

namespace skald::query {
namespace {

using projection::ColumnType;
using projection::ModelSchema;
using ::skald::testing::MemoryModels;

ModelSchema RandomSchema(std::mt19937_64& random) {
  ModelSchema schema;
  schema.name = "m";
  for (const auto& [name, type] : {std::pair{"a", ColumnType::kJson},
                                   {"b", ColumnType::kJson},
                                   {"c", ColumnType::kInteger},
                                   {"d", ColumnType::kText},
                                   {"e", ColumnType::kJson}}) {
    schema.columns.push_back({.name = name, .type = type, .description = "", .path = {}});
  }
  schema.key_columns = 1 + random() % 2;
  for (size_t i = random() % 4; i > 0; --i) {
    projection::Index index{.name = absl::StrCat("i", i), .columns = {}};
    for (size_t n = 1 + random() % 3; n > 0; --n) {
      index.columns.push_back(schema.columns[random() % schema.columns.size()].name);
    }
    schema.indexes.push_back(std::move(index));
  }
  return schema;
}

Json RandomValue(std::mt19937_64& random, ColumnType type) {
  static const char* const kTexts[] = {"", "a", "ab", "b", "\xC3\xA4", "a\\u0000b"};
  const auto text = [&] {
    return Json::Parse(absl::StrCat("\"", kTexts[random() % 6], "\"")).value();
  };
  if (type == ColumnType::kText) return text();
  if (type == ColumnType::kInteger) return Json::Int(static_cast<int64_t>(random() % 5) - 2);
  switch (random() % 6) {
    case 0:
      return Json::Bool(random() % 2 == 0);
    case 1:
      return Json::Double(static_cast<double>(random() % 7) / 2 - 1);
    case 2:
      return Json::Array({Json::Int(static_cast<int64_t>(random() % 2))});
    case 3:
      return Json::Object({{"k", text()}});
    default:
      return text();
  }
}

Condition RandomCondition(std::mt19937_64& random, const ModelSchema& schema) {
  const projection::Column& column = schema.columns[random() % schema.columns.size()];
  Condition condition{
      .column = column.name, .op = static_cast<Operator>(random() % 10), .values = {}};
  if (condition.op == Operator::kPrefix && column.type == ColumnType::kInteger) {
    condition.op = Operator::kEqual;
  }
  if (condition.op == Operator::kIsNull || condition.op == Operator::kIsNotNull) return condition;
  const size_t count = condition.op == Operator::kIn ? 1 + random() % 4 : 1;
  for (size_t i = 0; i < count; ++i) {
    condition.values.push_back(
        RandomValue(random, condition.op == Operator::kPrefix ? ColumnType::kText : column.type));
  }
  if (condition.op == Operator::kIn && random() % 3 == 0) condition.values.push_back(Json::Null());
  return condition;
}

std::vector<std::string> ReadAll(const projection::ModelRows& rows, const Filter& filter,
                                 const Plan& plan, std::mt19937_64& random) {
  std::vector<std::string> found;
  std::string cursor;
  do {
    const absl::StatusOr<Page> page =
        ReadPage(rows, filter, plan, cursor,
                 {.rows_max = 1 + random() % 7, .looked_at_max = 1 + random() % 9});
    if (!page.ok()) {
      ADD_FAILURE() << page.status();
      return found;
    }
    found.insert(found.end(), page->rows.begin(), page->rows.end());
    cursor = page->next;
  } while (!cursor.empty());
  return found;
}

// Whether the rows stand in the order asked for.
bool IsSorted(const ModelSchema& schema, const Order& order,
              const std::vector<std::string>& texts) {
  const auto place = [&](const std::string& text) {
    const Json row = Json::Parse(text).value();
    std::string bytes;
    for (const std::string& name : order.columns) {
      AppendOrdered(ModelSchema::ValueOf(*schema.FindColumn(name), row), bytes);
    }
    return bytes;
  };
  for (size_t i = 1; i < texts.size(); ++i) {
    const std::string before = place(texts[i - 1]);
    const std::string after = place(texts[i]);
    if (order.descending ? before < after : after < before) return false;
  }
  return true;
}

void RunOne(uint64_t seed, int& planned) {
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  MemoryModels models;
  const ModelSchema schema = RandomSchema(random);
  models.Add(schema);
  std::vector<Json> all;
  for (size_t i = random() % 40; i > 0; --i) {
    Json::ObjectBuilder row;
    for (size_t c = 0; c < schema.columns.size(); ++c) {
      const bool null = c >= schema.key_columns && random() % 4 == 0;
      if (!null) row.Add(schema.columns[c].name, RandomValue(random, schema.columns[c].type));
    }
    all.push_back(std::move(row).Build());
  }
  models.PutAll("m", all);
  const auto rows = models.Open("m", {}).value();
  for (int query = 0; query < 20; ++query) {
    std::vector<Condition> conditions;
    for (size_t i = random() % 4; i > 0; --i) {
      conditions.push_back(RandomCondition(random, schema));
    }
    ASSERT_OK_AND_ASSIGN(const Filter filter, Filter::Make(schema, conditions));
    Order order{.columns = {}, .descending = random() % 2 == 0};
    for (size_t i = random() % 3; i > 0; --i) {
      order.columns.push_back(schema.columns[random() % schema.columns.size()].name);
    }
    const PlanOptions options{.key_order_only = random() % 8 == 0};
    const absl::StatusOr<Plan> plan = MakePlan(schema, filter, order, options);
    if (!plan.ok()) {
      EXPECT_FALSE(order.columns.empty()) << plan.status();
      continue;
    }
    ++planned;
    std::multiset<std::string> expected;
    ASSERT_OK(rows->Scan({}, [&](const projection::Row& row) {
      if (filter.Matches(row.value)) expected.insert(row.value.ToText());
      return true;
    }));
    const std::vector<std::string> found = ReadAll(*rows, filter, *plan, random);
    EXPECT_EQ(std::multiset<std::string>(found.begin(), found.end()), expected);
    EXPECT_TRUE(IsSorted(schema, order, found));
    EXPECT_EQ(CountRows(*rows, filter, nullptr, options).value(), expected.size());
  }
}

TEST(PlanPropertyTest, APlanFindsWhatALookAtEveryRowFinds) {
  int planned = 0;
  for (uint64_t seed = 1; seed <= 1'500 && !HasFailure(); ++seed) RunOne(seed, planned);
  EXPECT_GT(planned, 10'000);
}

}  // namespace
}  // namespace skald::query
