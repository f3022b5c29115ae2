// orders_worker: a worker in C++ that serves the functions of order.yaml.
//
//   orders_worker --journal /tmp/journal [--server 127.0.0.1:7480] [--concurrency 16]
//
// Its calls take a while, so they run on threads of their own; the client's thread only hands over.
// SIGTERM lets the open tasks end first.
#include <atomic>
#include <deque>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "examples/orders/shop.h"
#include "tools/flags.h"
#include "tools/signals.h"
#include "tools/worker_client.h"

namespace skald::examples {

namespace {

// Tasks waiting for a thread, and which of them nobody wants any more.
class Jobs {
 public:
  struct Job {
    v1::Task task;
    std::shared_ptr<std::atomic<bool>> stop;
  };

  void Add(const v1::Task& task) {
    MutexLock lock(mutex_);
    auto stop = std::make_shared<std::atomic<bool>>(false);
    stops_[task.token()] = stop;
    jobs_.push_back({task, std::move(stop)});
    changed_.NotifyOne();
  }
  void StopOne(absl::string_view token) {
    MutexLock lock(mutex_);
    auto found = stops_.find(std::string(token));
    if (found != stops_.end()) *found->second = true;
  }
  // False when there are no more.
  bool Take(Job& job) {
    MutexLock lock(mutex_);
    while (jobs_.empty() && !closed_) changed_.Wait(mutex_);
    if (jobs_.empty()) return false;
    job = std::move(jobs_.front());
    jobs_.pop_front();
    return true;
  }
  void Done(const Job& job) {
    MutexLock lock(mutex_);
    auto found = stops_.find(job.task.token());
    // A task that was lost may have come again meanwhile: then this is its next job's.
    if (found != stops_.end() && found->second == job.stop) stops_.erase(found);
  }
  void Close() {
    MutexLock lock(mutex_);
    closed_ = true;
    for (auto& [token, stop] : stops_) *stop = true;
    changed_.NotifyAll();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<Job> jobs_ SKALD_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::shared_ptr<std::atomic<bool>>> stops_
      SKALD_GUARDED_BY(mutex_);
  bool closed_ SKALD_GUARDED_BY(mutex_) = false;
};

void Work(Jobs& jobs, const Journal& journal, tools::WorkerClient& client) {
  Jobs::Job job;
  while (jobs.Take(job)) {
    const absl::StatusOr<Json> arguments = Json::Parse(job.task.arguments());
    ShopAnswer answer = Serve(job.task.function(), arguments.value_or(Json()),
                              job.task.idempotency_key(), journal, *job.stop);
    if (answer.failed) {
      client.Fail(job.task.token(), std::move(answer.error));
    } else {
      client.Complete(job.task.token(), std::move(answer.output));
    }
    jobs.Done(job);
  }
}

int Run(const std::string& server, const std::string& folder, int64_t concurrency) {
  absl::StatusOr<Journal> journal = Journal::Open(folder);
  if (!journal.ok()) {
    std::cerr << "orders_worker: " << journal.status() << std::endl;
    return 1;
  }
  tools::BlockStopSignals();
  Jobs jobs;
  tools::WorkerClientOptions options;
  options.name = "orders-cpp";
  options.functions = kShopFunctions;
  options.credit = static_cast<uint32_t>(concurrency);
  options.on_task = [&jobs](tools::WorkerClient&, const v1::Task& task) { jobs.Add(task); };
  options.on_stop = [&jobs](absl::string_view token, bool) { jobs.StopOne(token); };
  tools::WorkerClient client(tools::ConnectTo(server), std::move(options));
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < concurrency; ++i) {
    threads.emplace_back([&] { Work(jobs, *journal, client); });
  }
  tools::WaitForStopSignal(absl::InfiniteDuration());
  const bool all_recorded = client.Stop(absl::Seconds(10));
  jobs.Close();
  for (std::thread& thread : threads) thread.join();
  return all_recorded ? 0 : 1;
}

int Main(const std::vector<std::string>& arguments) {
  std::string server = tools::ServerFromEnvironment(), journal;
  int64_t concurrency = 16;
  tools::Flags flags;
  flags.Add("server", &server, "ADDRESS", "The server; or set SKALD_SERVER.")
      .Add("journal", &journal, "FOLDER", "Where effects are kept; shared by all workers.")
      .Add("concurrency", &concurrency, "COUNT", "Calls at a time.", 1, 1'000);
  const absl::StatusOr<std::vector<std::string>> words = flags.Parse(arguments);
  if (flags.help_wanted()) {
    std::cout << "orders_worker: serves the functions of order.yaml\n\nFlags:\n" << flags.Help();
    return 0;
  }
  if (!words.ok() || !words->empty() || journal.empty()) {
    std::cerr << "orders_worker: "
              << (words.ok() ? "expects --journal FOLDER" : words.status().message()) << std::endl;
    return 2;
  }
  return Run(server, journal, concurrency);
}

}  // namespace

}  // namespace skald::examples

int main(int argc, char** argv) { return skald::examples::Main({argv + 1, argv + argc}); }
