// What one decision costs, and one fold: a saga of three worker tasks, decided from start to end
// (four commits, eleven events), and replayed from its events. Sketch: a decision copies the state
// (about 10 allocations), builds 3 events, folds them and formats two payloads: a few microseconds.

#include <memory>
#include <vector>

#include "benchmark/benchmark.h"
#include "engine/definition/compile.h"
#include "engine/saga/decide.h"
#include "engine/saga/evolve.h"
#include "engine/saga/pending.h"

namespace skald::saga {
namespace {

constexpr char kDefinition[] = R"(
document: { dsl: '1.0.3', namespace: bench, name: order, version: '1.0.0' }
do:
  - reserve: { call: reserveStock, metadata: { saga: { compensate: releaseStock } } }
  - charge: { call: chargeCard, metadata: { saga: { compensate: refund } } }
  - ship: { call: shipOrder }
)";

constexpr char kInput[] =
    R"({"order":"o-12345","customer":{"id":"c-77","name":"Ada","email":"ada@example.com"},"items":[{"sku":"A1","qty":2,"price":19.9}]})";

std::shared_ptr<const definition::Program> Program() {
  static const std::shared_ptr<const definition::Program> program =
      definition::Compile(kDefinition).program;
  return program;
}

std::vector<Decision> PlaySaga() {
  std::vector<Decision> decisions;
  SagaState state;
  DecideContext context{
      .now = Timestamp(1'700'000'000 * kSecond), .random = 7, .program = Program().get()};
  Command command{.saga = {"bench", "saga-1"}};
  command.request = StartSaga{.input = {Json::Parse(kInput).value(), kInput}};
  for (int step = 0; step < 4; ++step) {
    context.next_position = Position(state.events + 1);
    decisions.push_back(Decide(state, command, context));
    state = decisions.back().state;
    if (state.is_ended()) break;
    const OpenCall call = OpenCalls(state).front();
    command.request = AnswerTask{.token = {command.saga, call.frame, call.attempt},
                                 .output = Payload{Json::Parse(kInput).value(), kInput}};
  }
  return decisions;
}

void BM_DecideSaga(benchmark::State& bench) {
  size_t events = 0;
  for (auto _ : bench) {
    for (const Decision& decision : PlaySaga()) events += decision.bodies.events_size();
  }
  bench.SetItemsProcessed(static_cast<int64_t>(events));
  bench.SetLabel("items are events; one iteration is a saga of 3 tasks");
}
BENCHMARK(BM_DecideSaga);

void BM_ReplaySaga(benchmark::State& bench) {
  const std::vector<Decision> decisions = PlaySaga();
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
  const std::vector<Decision> decisions = PlaySaga();
  for (auto _ : bench) benchmark::DoNotOptimize(EncodeState(decisions[2].state));
}
BENCHMARK(BM_EncodeState);

}  // namespace
}  // namespace skald::saga
