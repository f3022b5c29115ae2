// Question: what does the broker cost per task? One worker with credit takes tasks in batches of N,
// and each is closed by its token.
//
// Sketch: two look-ups of a token (hash of two strings, ~40 ns each), an entry (one allocation) and
// four moves in ordered sets (~30 ns each): ~0.4 us a task. An engine at 10,000 three-task sagas a
// second so spends about 1% of a core here.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "engine/task/broker.h"

namespace skald::task {
namespace {

constexpr Timestamp kStart{1'700'000'000 * kSecond};

class NullSink : public WorkerSink {
 public:
  void Push(std::vector<ReadyTaskPtr> tasks, Micros) override {
    benchmark::DoNotOptimize(tasks.data());
  }
  void Cancel(std::vector<TaskToken>) override {}
};

std::vector<ReadyTaskPtr> MakeTasks(size_t count) {
  std::vector<ReadyTaskPtr> tasks;
  for (size_t i = 0; i < count; ++i) {
    auto task = std::make_shared<ReadyTask>();
    task->token = {.saga = {"shop", absl::StrCat("0190f7a2-5f6c-7d3e-9a51-00000000", i)},
                   .frame = saga::FrameId(3)};
    task->function = i % 2 == 0 ? "charge" : "reserveStock";
    task->created = After(kStart, static_cast<Micros>(i));
    tasks.push_back(std::move(task));
  }
  return tasks;
}

void EnqueueAndClose(benchmark::State& state) {
  const auto batch = static_cast<size_t>(state.range(0));
  Broker broker({});
  broker.Begin(kStart);
  const WorkerId worker =
      broker.Connect({.functions = {"charge", "reserveStock"}, .credit = 10'000},
                     std::make_shared<NullSink>(), kStart);
  const std::vector<ReadyTaskPtr> tasks = MakeTasks(batch);
  std::vector<TaskToken> tokens;
  for (const ReadyTaskPtr& task : tasks) tokens.push_back(task->token);
  Timestamp now = kStart;
  for (auto _ : state) {
    now = After(now, 1);
    broker.Enqueue(PartitionId(0), tasks, now);
    broker.Closed(tokens, now);
    broker.AddCredit(worker, static_cast<uint32_t>(batch), now);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch));
}
BENCHMARK(EnqueueAndClose)->Arg(1)->Arg(8)->Arg(64);

}  // namespace
}  // namespace skald::task
