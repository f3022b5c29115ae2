// Goal: no filter text and no cursor makes a query crash or hang, and what is read as a condition
// is planned to the rows that a look at every row finds. Method: the input is a cursor's bytes and
// then conditions, one a line.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/check.h"
#include "engine/query/filter_text.h"
#include "engine/query/page.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/memory_models.h"

namespace {

using skald::Json;

skald::testing::MemoryModels& Models() {
  static auto* models = [] {
    auto* made = new skald::testing::MemoryModels;
    made->Add(skald::query::SagasSchema());
    made->PutAll("sagas",
                 {skald::query::SagaRow("a", "running", "2026-01-01T00:00:00.000000Z"),
                  skald::query::SagaRow("b", "faulted", "2026-01-02T00:00:00.000000Z",
                                        Json::String("2026-01-03T00:00:00.000000Z"), 2, 1.5),
                  skald::query::SagaRow("", "", "", Json::Null(), -1, -2)});
    return made;
  }();
  return *models;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace query = skald::query;
  static const skald::projection::ModelSchema schema = query::SagasSchema();
  std::vector<std::string> lines =
      absl::StrSplit(std::string(reinterpret_cast<const char*>(data), size), '\n');
  const std::string cursor = lines[0];
  std::vector<query::Condition> conditions;
  for (size_t i = 1; i < lines.size() && conditions.size() < query::kConditionsMax; ++i) {
    absl::StatusOr<query::Condition> condition = query::ParseCondition(schema, lines[i]);
    if (condition.ok()) conditions.push_back(*std::move(condition));
  }
  const absl::StatusOr<query::Filter> filter = query::Filter::Make(schema, conditions);
  if (!filter.ok()) return 0;
  const absl::StatusOr<query::Plan> plan = query::MakePlan(schema, *filter, query::Order{});
  SKALD_CHECK(plan.ok());
  const auto rows = Models().Open("sagas", {}).value();
  query::ReadPage(*rows, *filter, *plan, cursor, {}).status().IgnoreError();

  size_t expected = 0;
  SKALD_CHECK(rows->Scan({},
                         [&](const skald::projection::Row& row) {
                           if (filter->Matches(row.value)) ++expected;
                           return true;
                         })
                  .ok());
  const absl::StatusOr<query::Page> page = query::ReadPage(*rows, *filter, *plan, "", {});
  SKALD_CHECK(page.ok() && page->rows.size() == expected);
  SKALD_CHECK(query::CountRows(*rows, *filter, nullptr).value() == expected);
  return 0;
}
