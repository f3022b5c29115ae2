// The same questions to Debian's libjq, in the same run: what do the expressions of
// expression_benchmark cost there? Compiled in where libjq's development package is installed; no
// other program links libjq.
#include <string>

#include "base/check.h"
#include "base/json.h"
#include "bench/expression_cases.h"
#include "benchmark/benchmark.h"
#include "engine/expression/expression.h"

// The header is plain C.
extern "C" {
#include <jq.h>
}

namespace skald::bench {
namespace {

void BM_LibjqParse(benchmark::State& state) {
  const std::string order = OrderText();
  for (auto _ : state) {
    jv value = jv_parse_sized(order.data(), static_cast<int>(order.size()));
    benchmark::DoNotOptimize(value);
    jv_free(value);
  }
}
BENCHMARK(BM_LibjqParse);

// Takes `input`, as libjq does.
jv First(jq_state* jq, jv input) {
  jq_start(jq, input, 0);
  return jq_next(jq);
}

// What is not the same work must not be compared.
void CheckSameResult(jq_state* jq, jv input, const char* text) {
  jv result = First(jq, input);
  SKALD_CHECK(jv_is_valid(result));
  jv dumped = jv_dump_string(result, 0);
  const Json theirs = Json::Parse(jv_string_value(dumped)).value();
  jv_free(dumped);
  const Json order = Json::Parse(OrderText()).value();
  SKALD_CHECK(expression::Expression::Compile(text)->First(order, {}).value() == theirs);
}

void BM_LibjqEvaluate(benchmark::State& state) {
  const char* text = kExpressions[state.range(0)];
  state.SetLabel(text);
  jq_state* jq = jq_init();
  SKALD_CHECK(jq != nullptr && jq_compile(jq, text) != 0);
  jv order = jv_parse(OrderText().c_str());
  CheckSameResult(jq, jv_copy(order), text);
  for (auto _ : state) {
    jv result = First(jq, jv_copy(order));
    benchmark::DoNotOptimize(result);
    jv_free(result);
  }
  jv_free(order);
  jq_teardown(&jq);
}
BENCHMARK(BM_LibjqEvaluate)->DenseRange(0, kExpressionCount - 1);

void BM_LibjqCompile(benchmark::State& state) {
  const char* text = kExpressions[state.range(0)];
  state.SetLabel(text);
  for (auto _ : state) {
    jq_state* jq = jq_init();
    SKALD_CHECK(jq != nullptr && jq_compile(jq, text) != 0);
    jq_teardown(&jq);
  }
}
BENCHMARK(BM_LibjqCompile)->DenseRange(0, kExpressionCount - 1);

}  // namespace
}  // namespace skald::bench
