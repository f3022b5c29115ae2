// What one decision costs, and one fold: a saga of three worker tasks, decided from start to end
// (four commits, eleven events), and replayed from its events. Sketch: a decision copies the state
// (about 10 allocations), builds 3 events, folds them and formats two payloads: a few microseconds.

#include <vector>

#include "bench/order_saga.h"
#include "benchmark/benchmark.h"
#include "engine/saga/decide.h"
#include "engine/saga/evolve.h"

namespace skald::saga {
namespace {

void BM_DecideSaga(benchmark::State& bench) {
  size_t events = 0;
  for (auto _ : bench) {
    for (const Decision& decision : bench::PlayOrder()) events += decision.bodies.events_size();
  }
  bench.SetItemsProcessed(static_cast<int64_t>(events));
  bench.SetLabel("items are events; one iteration is a saga of 3 tasks");
}
BENCHMARK(BM_DecideSaga);

void BM_ReplaySaga(benchmark::State& bench) {
  const std::vector<Decision> decisions = bench::PlayOrder();
  std::vector<std::vector<Json>> slots;
  for (const Decision& decision : decisions) {
    slots.emplace_back();
    for (const std::string& text : decision.slots)
      slots.back().push_back(Json::Parse(text).value());
  }
  size_t events = 0;
  for (auto _ : bench) {
    SagaState state;
    for (size_t i = 0; i < decisions.size(); ++i) {
      for (const log::v1::Event& event : decisions[i].bodies.events()) {
        Evolve(event,
               {.header = decisions[i].header,
                .revision = Revision(state.events),
                .position = Position(state.events + 1),
                .slots = slots[i]},
               state);
        ++events;
      }
    }
    benchmark::DoNotOptimize(state);
  }
  bench.SetItemsProcessed(static_cast<int64_t>(events));
}
BENCHMARK(BM_ReplaySaga);

void BM_EncodeState(benchmark::State& bench) {
  const std::vector<Decision> decisions = bench::PlayOrder();
  for (auto _ : bench) benchmark::DoNotOptimize(EncodeState(decisions[2].state));
}
BENCHMARK(BM_EncodeState);

}  // namespace
}  // namespace skald::saga
