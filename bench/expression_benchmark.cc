// Question: what does an expression cost, to compile once and to evaluate on a document of about 1
// KB, which has to be parsed first? libjq_benchmark.cc asks libjq the same.
//
// Sketch: evaluation is a walk over a dozen nodes at a few nanoseconds each, plus one look-up in a
// small object (some ten nanoseconds) for each key: 100 to 200 ns for a condition; a map over ten
// items ten times two look-ups, a multiplication and a copy: about 1 us. Compiling allocates some
// thirty nodes: 5 us.
#include <string>

#include "base/json.h"
#include "bench/expression_cases.h"
#include "benchmark/benchmark.h"
#include "engine/expression/expression.h"
#include "engine/expression/template.h"

namespace skald::expression {
namespace {

using bench::kExpressionCount;
using bench::kExpressions;

Json Order() { return Json::Parse(bench::OrderText()).value(); }

void BM_Parse(benchmark::State& state) {
  const std::string order = bench::OrderText();
  for (auto _ : state) benchmark::DoNotOptimize(Json::Parse(order));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(order.size()));
}
BENCHMARK(BM_Parse);

void BM_Evaluate(benchmark::State& state) {
  const char* text = kExpressions[state.range(0)];
  state.SetLabel(text);
  const Expression expression = Expression::Compile(text).value();
  const Json order = Order();
  for (auto _ : state) benchmark::DoNotOptimize(expression.First(order, {}));
}
BENCHMARK(BM_Evaluate)->DenseRange(0, kExpressionCount - 1);

void BM_Compile(benchmark::State& state) {
  const char* text = kExpressions[state.range(0)];
  state.SetLabel(text);
  for (auto _ : state) benchmark::DoNotOptimize(Expression::Compile(text));
}
BENCHMARK(BM_Compile)->DenseRange(0, kExpressionCount - 1);

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
