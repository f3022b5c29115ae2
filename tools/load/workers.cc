#include "tools/load/workers.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace skald::tools::load {

namespace {

void Answer(WorkerClient& client, const std::string& function, const std::string& token) {
  if (function == kFailingFunction) {
    v1::Problem error;
    error.set_status(422);
    error.set_title("refused");
    client.Fail(token, std::move(error));
  } else {
    client.Complete(token, R"({"ok":true})");
  }
}

}  // namespace

DelayLine::DelayLine(absl::Duration delay) : delay_(delay), thread_([this] { Run(); }) {}

DelayLine::~DelayLine() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void DelayLine::Add(std::function<void()> call) {
  MutexLock lock(mutex_);
  calls_.emplace_back(absl::Now() + delay_, std::move(call));
  if (calls_.size() == 1) changed_.NotifyAll();
}

void DelayLine::Run() {
  while (true) {
    std::vector<std::function<void()>> due;
    {
      MutexLock lock(mutex_);
      while (calls_.empty() && !stopping_) changed_.Wait(mutex_);
      if (stopping_) return;
      const absl::Duration left = calls_.front().first - absl::Now();
      if (left > absl::ZeroDuration()) {
        changed_.WaitFor(mutex_, std::chrono::microseconds(absl::ToInt64Microseconds(left) + 1));
      }
      const absl::Time now = absl::Now();
      while (!calls_.empty() && calls_.front().first <= now) {
        due.push_back(std::move(calls_.front().second));
        calls_.pop_front();
      }
    }
    for (const std::function<void()>& call : due) call();
  }
}

LoadWorkers::LoadWorkers(const std::string& server, const Shape& shape, const Options& options) {
  if (shape.functions.empty()) return;
  if (options.delay > absl::ZeroDuration()) delay_ = std::make_unique<DelayLine>(options.delay);
  clients_.reserve(options.count);
  for (uint32_t i = 0; i < options.count; ++i) {
    WorkerClientOptions client;
    client.name = absl::StrCat("saga_load-", i);
    client.functions = shape.functions;
    client.credit = options.credit;
    client.on_task = [line = delay_.get()](WorkerClient& worker, const v1::Task& task) {
      if (line == nullptr) {
        Answer(worker, task.function(), task.token());
        return;
      }
      line->Add([&worker, function = task.function(), token = task.token()] {
        Answer(worker, function, token);
      });
    };
    clients_.push_back(std::make_unique<WorkerClient>(ConnectTo(server), std::move(client)));
  }
}

}  // namespace skald::tools::load
