// Does one kind of work so many times, for a tool that counts instructions (bench/budgets.py):
//
//   instruction_cost UNIT COUNT
//
// What is made beforehand is the same for every COUNT, so the difference of two runs is the cost of
// the units alone. No time, no disk: the same work each time.
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "bench/order_saga.h"
#include "engine/projection/fold_pass.h"
#include "engine/projection/models/built_in.h"
#include "engine/saga/evolve.h"
#include "engine/task/broker.h"
#include "storage/commit_record.h"
#include "storage/log_writer.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"

namespace skald::bench {
namespace {

constexpr PartitionId kPartition(0);
constexpr Timestamp kStart{1'700'000'000 * kSecond};
constexpr uint64_t kCountMax = 1'200;

storage::StagedCommit EncodedCommit(const saga::Decision& decision) {
  const std::string bodies = decision.bodies.SerializeAsString();
  const std::vector<absl::string_view> slots(decision.slots.begin(), decision.slots.end());
  storage::StagedCommit commit{.partition = kPartition,
                               .first = Position(decision.header.first_position()),
                               .count = decision.header.count(),
                               .record = {}};
  storage::EncodeCommit(decision.header, bodies, slots, &commit.record);
  return commit;
}

// A saga of three tasks, decided in four commits.
void Decide(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) SKALD_CHECK(PlayOrder().size() == 4);
}

// Its ten events, folded.
void Evolve(uint64_t count) {
  const std::vector<saga::Decision> decisions = PlayOrder();
  std::vector<std::vector<Json>> slots;
  for (const saga::Decision& decision : decisions) {
    slots.emplace_back();
    for (const std::string& text : decision.slots) {
      slots.back().push_back(Json::Parse(text).value());
    }
  }
  for (uint64_t saga = 0; saga < count; ++saga) {
    saga::SagaState state;
    for (size_t i = 0; i < decisions.size(); ++i) {
      for (const log::v1::Event& event : decisions[i].bodies.events()) {
        saga::Evolve(event,
                     {.header = decisions[i].header,
                      .revision = Revision(state.events),
                      .position = Position(state.events + 1),
                      .slots = slots[i]},
                     state);
      }
    }
    SKALD_CHECK(state.is_ended());
  }
}

// Its four commits, encoded, and handed through the log writer to a log in memory.
void Append(uint64_t count) {
  std::vector<saga::Decision> decisions = PlayOrder();
  storage::MemoryEventLog log({.partition_count = 1});
  storage::LogWriter writer(log, {});
  Position next(1);
  for (uint64_t saga = 0; saga < count; ++saga) {
    for (saga::Decision& decision : decisions) {
      decision.header.set_first_position(next.value());
      next = next.Plus(decision.header.count());
      const std::vector<storage::StagedCommit> commits = {EncodedCommit(decision)};
      SKALD_CHECK(writer.TryAppendInline(commits));
    }
  }
}

class NullSink : public task::WorkerSink {
 public:
  void Push(std::vector<task::ReadyTaskPtr> tasks, Micros) override { pushed_ += tasks.size(); }
  void Cancel(std::vector<saga::TaskToken>) override {}
  uint64_t pushed() const { return pushed_; }

 private:
  uint64_t pushed_ = 0;
};

// Eight tasks enqueued, pushed to a worker, and closed.
void Dispatch(uint64_t count) {
  constexpr size_t kBatch = 8;
  task::Broker broker({});
  broker.Begin(kStart);
  const auto sink = std::make_shared<NullSink>();
  const task::WorkerId worker =
      broker.Connect({.functions = {"charge", "reserveStock"}, .credit = 10'000}, sink, kStart);
  std::vector<task::ReadyTaskPtr> tasks;
  std::vector<saga::TaskToken> tokens;
  for (size_t i = 0; i < kBatch; ++i) {
    auto task = std::make_shared<task::ReadyTask>();
    task->token = {.saga = {"shop", absl::StrCat("0190f7a2-5f6c-7d3e-9a51-00000000", i)},
                   .frame = saga::FrameId(3)};
    task->function = i % 2 == 0 ? "charge" : "reserveStock";
    task->created = After(kStart, static_cast<Micros>(i));
    tokens.push_back(task->token);
    tasks.push_back(std::move(task));
  }
  Timestamp now = kStart;
  for (uint64_t i = 0; i < count; ++i) {
    now = After(now, 1);
    broker.Enqueue(kPartition, tasks, now);
    broker.Closed(tokens, now);
    broker.AddCredit(worker, kBatch, now);
  }
  SKALD_CHECK(sink->pushed() == count * kBatch);
}

// The ten events of a saga read from a log in memory and folded into the model sagas, in one round
// of all sagas.
void Fold(uint64_t count) {
  storage::MemoryEventLog log({.partition_count = 1});
  Position through(0);
  for (uint64_t saga = 0; saga < kCountMax; ++saga) {
    const Position first = log.LastPosition(kPartition).Next();
    for (const saga::Decision& decision : PlayOrder(absl::StrCat("saga-", saga), first)) {
      const std::vector<storage::StagedCommit> commits = {EncodedCommit(decision)};
      SKALD_CHECK(log.Append(commits).ok());
    }
    if (saga < count) through = log.LastPosition(kPartition);
  }
  storage::MemoryViews views;
  projection::FoldPass pass({.log = &log, .views = &views},
                            projection::Cut{Timestamp(0), std::vector<Position>(1)});
  const auto model = std::make_shared<const projection::Model>(
      projection::SagasModel([](absl::string_view) { return OrderProgram(); }));
  projection::Checkpoint checkpoint;
  checkpoint.cut = pass.cut();
  pass.Add({model, model->make_fold(),
            std::make_unique<projection::ModelTable>(views, model->schema, 1, checkpoint)});
  const std::vector<Position> positions = {through};
  const auto result = pass.Round({.through = positions,
                                  .until = kNever,
                                  .time = After(kStart, kSecond),
                                  .events_max = ~uint64_t{0}},
                                 /*with_deltas=*/false);
  SKALD_CHECK(result.ok() && result->is_complete);
  SKALD_CHECK(pass.foldings()[0].table->checkpoint().rows == count);
}

int Main(int argc, char** argv) {
  const std::map<std::string, void (*)(uint64_t)> units = {{"decide", Decide},
                                                           {"evolve", Evolve},
                                                           {"append", Append},
                                                           {"dispatch", Dispatch},
                                                           {"fold", Fold}};
  uint64_t count = 0;
  const auto unit = units.find(argc == 3 ? argv[1] : "");
  if (unit == units.end() || !absl::SimpleAtoi(argv[2], &count) || count > kCountMax) {
    std::cerr << "usage: instruction_cost decide|evolve|append|dispatch|fold COUNT (at most "
              << kCountMax << ")" << std::endl;
    return 2;
  }
  unit->second(count);
  return 0;
}

}  // namespace
}  // namespace skald::bench

int main(int argc, char** argv) { return skald::bench::Main(argc, argv); }
