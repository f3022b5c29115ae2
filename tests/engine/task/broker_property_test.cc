// Goal: whatever happens in whatever order, each task is in exactly one place, credit is never
// exceeded, nothing is lost when workers come and go, no two workers have a lease of one task, and
// no worker idles beside work. Method: random operations on the broker and on a naive model that
// holds plain maps and looks at everything; the broker's words to workers must fit the model.
#include <map>
#include <optional>
#include <random>
#include <set>

#include "engine/task/broker.h"
#include "tests/engine/task/broker_fixture.h"

namespace skald::task {
namespace {

enum class Place { kReady, kClaimable, kLeased, kCancelled };

struct ModelTask {
  std::string function;
  Timestamp created;
  Place place = Place::kReady;
  uint64_t worker = 0;       // of a lease or a cancelled task; 0: nobody
  uint64_t last_worker = 0;  // of the last lease
  Timestamp delivered{0};
  bool dispatched = false;
  bool recovered = false;
};

struct ModelWorker {
  std::set<std::string> functions;
  uint64_t credit = 0;
};

constexpr Micros kLease = 30 * kSecond;
constexpr Micros kWindow = 2 * kSecond;
constexpr uint32_t kCreditMax = 12;
constexpr size_t kFrameMax = 4;

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed) {
    BrokerOptions options{.lease = kLease,
                          .claim_window = kWindow,
                          .frame_tasks_max = kFrameMax,
                          .credit_max = kCreditMax};
    options.quiesced = [this](const TaskToken& token, bool never) { OnQuiesced(token, never); };
    broker_ = std::make_unique<Broker>(std::move(options));
    broker_->Begin(kStart);
  }

  void Step() {
    now_ = After(now_, Pick(4) == 0 ? Pick(kLease / 2) : Pick(kSecond / 10));
    switch (Pick(10)) {
      case 0:
        return Connect();
      case 1:
        return Disconnect();
      case 2:
      case 3:
        return AddCredit();
      case 4:
        return Heartbeat();
      case 5:
      case 6:
        return Enqueue();
      case 7:
        return Cancel();
      case 8:
        return Close();
      case 9:
        return Poll();
    }
  }

  // Everything that can be said of a quiet moment.
  void Check() {
    ASSERT_TRUE(due_.empty()) << due_.size() << " cancelled tasks should be quiet, but are not";
    std::map<std::string, std::pair<size_t, size_t>> counts;  // ready (or claimable), leased
    for (const auto& [id, task] : tasks_) {
      if (task.place == Place::kReady) {
        for (const auto& [worker, state] : workers_) {
          ASSERT_FALSE(state.credit > 0 && state.functions.contains(task.function))
              << "worker " << worker << " has credit, but task " << id << " is not handed out";
        }
      }
      if (task.place == Place::kReady || task.place == Place::kClaimable) {
        ++counts[task.function].first;
      }
      if (task.place == Place::kLeased) ++counts[task.function].second;
    }
    for (const QueueStats& queue : broker_->Queues()) {
      EXPECT_EQ(queue.ready, counts[queue.function].first) << queue.function;
      EXPECT_EQ(queue.leased, counts[queue.function].second) << queue.function;
      counts.erase(queue.function);
    }
    for (const auto& [function, count] : counts) {
      EXPECT_EQ(count.first + count.second, 0u) << function << " is not among the queues";
    }
    EXPECT_EQ(broker_->worker_count(), workers_.size());
  }

  // At the end every open task can be had by a worker with enough credit.
  void Drain() {
    now_ = After(now_, 2 * kLease);
    Poll();
    while (!workers_.empty()) Disconnect();
    std::set<int> open;
    for (const auto& [id, task] : tasks_) open.insert(id);
    while (!open.empty() && !::testing::Test::HasFailure()) {
      Connect();
      std::set<int> leased;
      for (const auto& [id, task] : tasks_) {
        if (task.place == Place::kLeased) leased.insert(id);
      }
      for (int id : leased) {
        broker_->Closed({TokenOf(id)}, now_);
        tasks_.erase(id);
        open.erase(id);
      }
      Check();
    }
  }

 private:
  // The words to one worker, checked as they come.
  class Sink : public WorkerSink {
   public:
    explicit Sink(Simulation& simulation) : simulation_(simulation) {}
    void Push(std::vector<ReadyTaskPtr> tasks, Micros lease) override {
      EXPECT_EQ(lease, kLease);
      EXPECT_LE(tasks.size(), kFrameMax);
      for (const ReadyTaskPtr& task : tasks) simulation_.OnPush(worker, *task);
    }
    void Cancel(std::vector<TaskToken> tokens) override {
      for (const TaskToken& token : tokens) {
        auto found = simulation_.tasks_.find(IdOf(token));
        if (found == simulation_.tasks_.end()) continue;  // quiet in the same moment
        EXPECT_EQ(found->second.place, Place::kCancelled);
        EXPECT_EQ(found->second.worker, worker);
      }
    }
    uint64_t worker = 0;

   private:
    Simulation& simulation_;
  };

  static int IdOf(const TaskToken& token) { return std::stoi(token.saga.saga_id.substr(5)); }
  static TaskToken TokenOf(int id) { return Token(id); }

  int64_t Pick(int64_t count) { return static_cast<int64_t>(random_() % uint64_t(count)); }
  std::string PickFunction() { return std::string(1, static_cast<char>('a' + Pick(3))); }
  std::optional<uint64_t> PickWorker() {
    if (workers_.empty()) return std::nullopt;
    return std::next(workers_.begin(), Pick(int64_t(workers_.size())))->first;
  }
  // Usually a known task, sometimes one that never was.
  int PickTask() {
    if (tasks_.empty() || Pick(10) == 0) return next_task_ + 1'000'000;
    return std::next(tasks_.begin(), Pick(int64_t(tasks_.size())))->first;
  }

  void OnPush(uint64_t worker, const ReadyTask& task) {
    auto found = tasks_.find(IdOf(task.token));
    ASSERT_NE(found, tasks_.end()) << "a task that is closed was handed out";
    ModelTask& state = found->second;
    ASSERT_EQ(state.place, Place::kReady) << "task " << found->first;
    ASSERT_TRUE(workers_.contains(worker));
    ModelWorker& taker = workers_[worker];
    ASSERT_GT(taker.credit, 0u) << "credit exceeded";
    ASSERT_TRUE(taker.functions.contains(state.function));
    for (const auto& [id, other] : tasks_) {
      if (workers_.size() > 1 || other.place != Place::kReady) continue;
      if (!taker.functions.contains(other.function)) continue;
      EXPECT_GE(other.created, state.created) << "not the oldest first";
    }
    --taker.credit;
    Lease(state, worker);
  }

  void OnQuiesced(const TaskToken& token, bool never) {
    auto found = tasks_.find(IdOf(token));
    ASSERT_NE(found, tasks_.end()) << "quiesced twice, or after it was closed";
    EXPECT_EQ(found->second.place, Place::kCancelled);
    EXPECT_EQ(never, !found->second.dispatched && !found->second.recovered);
    EXPECT_TRUE(due_.erase(found->first) > 0) << "too early: an answer may be on its way";
    tasks_.erase(found);
  }

  void Lease(ModelTask& task, uint64_t worker) {
    task.place = Place::kLeased;
    task.worker = task.last_worker = worker;
    task.delivered = now_;
    task.dispatched = true;
  }

  void MakeReady(int id) {
    ModelTask& task = tasks_[id];
    task.place = Place::kReady;
    task.worker = 0;
    if (auto claim = claims_.find(id); claim != claims_.end()) {
      Lease(task, claim->second);
      claims_.erase(claim);
    }
  }

  Timestamp QuietFrom(const ModelTask& task) const {
    return After(std::max(task.delivered, kStart), kLease);
  }

  void Connect() {
    auto sink = std::make_shared<Sink>(*this);
    const uint64_t worker = sink->worker = ++last_worker_;  // ids are given in order, from 1
    WorkerOptions options{.credit = uint32_t(Pick(20))};
    for (int i = 0; i < 2; ++i) options.functions.push_back(PickFunction());
    for (int i = 0; i < 3; ++i) {
      const int id = PickTask();
      if (tasks_.contains(id) && tasks_[id].recovered != (Pick(2) == 0)) continue;
      options.holds.push_back(TokenOf(id));
    }
    ModelWorker& state = workers_[worker];
    state.functions = {options.functions.begin(), options.functions.end()};
    state.credit = std::min(options.credit, kCreditMax);
    for (const TaskToken& token : options.holds) {
      auto found = tasks_.find(IdOf(token));
      if (found == tasks_.end()) {
        if (now_ < After(kStart, kWindow)) claims_[IdOf(token)] = worker;
        continue;
      }
      ModelTask& task = found->second;
      if (task.place == Place::kReady || task.place == Place::kClaimable) Lease(task, worker);
      if (task.place == Place::kCancelled) task.worker = worker;
    }
    EXPECT_EQ(broker_->Connect(std::move(options), sink, now_).value(), worker);
  }

  void Disconnect() {
    const std::optional<uint64_t> worker = PickWorker();
    if (!worker) return;
    workers_.erase(*worker);
    std::erase_if(claims_, [&](const auto& claim) { return claim.second == *worker; });
    for (auto& [id, task] : tasks_) {
      if (task.worker != *worker) continue;
      if (task.place == Place::kLeased) MakeReady(id);
      if (task.place == Place::kCancelled) task.worker = 0;
    }
    broker_->Disconnect(WorkerId(*worker), now_);
  }

  void AddCredit() {
    const std::optional<uint64_t> worker = PickWorker();
    if (!worker) return;
    const uint32_t credit = uint32_t(Pick(6));
    ModelWorker& state = workers_[*worker];
    state.credit = std::min<uint64_t>(state.credit + credit, kCreditMax);
    broker_->AddCredit(WorkerId(*worker), credit, now_);
  }

  void Heartbeat() {
    const std::optional<uint64_t> worker = PickWorker();
    if (!worker) return;
    std::set<int> ids;
    for (int i = 0; i < 3; ++i) ids.insert(PickTask());
    for (const auto& [id, task] : tasks_) {
      if (task.worker == *worker && Pick(2) == 0) ids.insert(id);
    }
    std::vector<TaskToken> tokens, lost;
    for (int id : ids) {
      tokens.push_back(TokenOf(id));
      auto found = tasks_.find(id);
      bool held = claims_.contains(id) && claims_[id] == *worker;
      if (found != tasks_.end()) {
        ModelTask& task = found->second;
        held = held || task.worker == *worker;
        if (task.place == Place::kLeased && task.worker == *worker) task.delivered = now_;
        if (task.place == Place::kReady && task.last_worker == *worker) {
          Lease(task, *worker);
          held = true;
        }
      }
      if (!held) lost.push_back(TokenOf(id));
    }
    EXPECT_EQ(broker_->Heartbeat(WorkerId(*worker), tokens, now_), lost);
  }

  void Enqueue() {
    const bool recovery = Pick(3) == 0;
    std::vector<ReadyTaskPtr> tasks;
    const int64_t count = Pick(8);
    for (int64_t i = 0; i < count; ++i) {
      const int id = claims_.empty() || Pick(2) == 0 ? next_task_++ : claims_.begin()->first;
      auto task = std::make_shared<ReadyTask>(*Task(id, PickFunction(), At(Pick(kMinute))));
      task->from_recovery = recovery;
      const bool known = tasks_.contains(id);
      tasks.push_back(task);
      if (known) continue;
      ModelTask& state = tasks_[id];
      state.function = task->function;
      state.created = task->created;
      state.recovered = recovery;
      const bool waits = recovery && now_ < After(kStart, kWindow) && !claims_.contains(id);
      if (waits) {
        state.place = Place::kClaimable;
      } else {
        MakeReady(id);
      }
    }
    broker_->Enqueue(PartitionId(0), std::move(tasks), now_);
  }

  void Cancel() {
    const int id = PickTask();
    auto [found, unknown] = tasks_.try_emplace(id);
    ModelTask& task = found->second;
    const bool from_recovery = Pick(2) == 0;
    if (unknown) task.recovered = from_recovery;
    if (unknown || task.place != Place::kCancelled) {
      task.place = Place::kCancelled;
      if (auto claim = claims_.find(id); claim != claims_.end()) {
        task.worker = claim->second;
        claims_.erase(claim);
      }
      if ((!task.recovered && !task.dispatched) || QuietFrom(task) <= now_) due_.insert(id);
    }
    broker_->Cancel(TokenOf(id), from_recovery, now_);
  }

  void Close() {
    const int id = PickTask();
    tasks_.erase(id);
    claims_.erase(id);
    broker_->Closed({TokenOf(id)}, now_);
  }

  void Poll() {
    if (now_ >= After(kStart, kWindow)) {
      for (auto& [id, task] : tasks_) {
        if (task.place == Place::kClaimable) MakeReady(id);
      }
      std::erase_if(claims_, [&](const auto& claim) { return !tasks_.contains(claim.first); });
    }
    for (auto& [id, task] : tasks_) {
      if (task.place == Place::kLeased && After(task.delivered, kLease) <= now_) MakeReady(id);
      if (task.place == Place::kCancelled && QuietFrom(task) <= now_) due_.insert(id);
    }
    EXPECT_GT(broker_->Poll(now_), now_);
  }

  std::mt19937_64 random_;
  std::unique_ptr<Broker> broker_;
  Timestamp now_ = kStart;
  int next_task_ = 1;
  uint64_t last_worker_ = 0;
  std::map<int, ModelTask> tasks_;  // open ones
  std::map<uint64_t, ModelWorker> workers_;
  std::map<int, uint64_t> claims_;
  std::set<int> due_;  // cancelled tasks that this operation must report as quiet
};

TEST(BrokerPropertyTest, AgreesWithANaiveModel) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Simulation simulation(seed);
    for (int step = 0; step < 400; ++step) {
      simulation.Step();
      simulation.Check();
      ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed << ", step " << step;
    }
    simulation.Drain();
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed << " while draining";
  }
}

}  // namespace
}  // namespace skald::task
