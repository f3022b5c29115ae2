// Question: what does an expression cost, to compile once and to evaluate on a document of about 1
// KB?
//
// Sketch: evaluation is a walk over a dozen nodes at a few nanoseconds each, plus one look-up in a
// small object (some ten nanoseconds) for each key: 100 to 200 ns for a condition; a map over ten
// items ten times two look-ups, a multiplication and a copy: about 1 us. Compiling allocates some
// thirty nodes: 5 us.
#include <string>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "benchmark/benchmark.h"
#include "engine/expression/expression.h"
#include "engine/expression/template.h"

namespace skald::expression {
namespace {

Json Order() {
  std::string items;
  for (int i = 0; i < 10; ++i) {
    absl::StrAppend(&items, i == 0 ? "" : ",", R"({"sku": "article-)", 1000 + i, R"(", "qty": )",
                    i % 3 + 1, R"(, "price": )", 10 * i + 9, R"(.95, "note": "as ordered"})");
  }
  return Json::Parse(
             absl::StrCat(R"({"id": "order-4711", "status": "paid", "customer": {"name": "Ada", )"
                          R"("email": "ada@example.com", "address": {"city": "London"}}, )"
                          R"("order": {"total": 512.5, "currency": "EUR", "items": [)",
                          items, "]}}"))
      .value();
}

constexpr const char* kExpressions[] = {
    R"(.order.total > 100 and .status == "paid")",
    ".order.items | map(.qty * .price) | add",
    ".customer.address.city",
    "{id, total: .order.total, skus: [.order.items[].sku]}",
    R"(.order.items[] | select(.qty > 2) | .sku)",
    R"j("order \(.id) of \(.customer.name): \(.order.total)")j",
    "reduce .order.items[] as $item (0; . + $item.qty)",
    ".order.total += 1",
    ".order.items |= sort_by(.price)",
    R"(.customer.email | test("^[a-z]+@"))",
    "[.order.items | group_by(.qty)[] | {qty: .[0].qty, n: length}]",
    "def f: if . > 1000 then . else . + 1 | f end; 0 | f",
};

void BM_Evaluate(benchmark::State& state) {
  const char* text = kExpressions[state.range(0)];
  state.SetLabel(text);
  const Expression expression = Expression::Compile(text).value();
  const Json order = Order();
  for (auto _ : state) benchmark::DoNotOptimize(expression.First(order, {}));
}
BENCHMARK(BM_Evaluate)->DenseRange(0, std::size(kExpressions) - 1);

void BM_Compile(benchmark::State& state) {
  const char* text = kExpressions[state.range(0)];
  state.SetLabel(text);
  for (auto _ : state) benchmark::DoNotOptimize(Expression::Compile(text));
}
BENCHMARK(BM_Compile)->DenseRange(0, std::size(kExpressions) - 1);

void BM_Template(benchmark::State& state) {
  const Json value =
      Json::Parse(R"({"order": "${ .id }", "text": "Dear ${ .customer.name }", "kind": "mail",
                      "lines": ["${ .order.items[0].sku }", "constant"]})")
          .value();
  std::vector<TemplateError> errors;
  const Template tested = Template::Compile(value, {}, &errors);
  const Json order = Order();
  for (auto _ : state) benchmark::DoNotOptimize(tested.Evaluate(order, {}));
}
BENCHMARK(BM_Template);

}  // namespace
}  // namespace skald::expression
