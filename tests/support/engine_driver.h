// Calls an engine as its clients do, but waits for the answers, and works for it in the same
// process.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "engine/runtime/engine.h"

namespace skald::testing {

// Waits for the one call of a callback.
template <typename T>
class Awaited {
 public:
  partition::Done<T> Callback() {
    return [promise = promise_](absl::StatusOr<T> value) { promise->set_value(std::move(value)); };
  }
  absl::StatusOr<T> Get() { return promise_->get_future().get(); }

 private:
  std::shared_ptr<std::promise<absl::StatusOr<T>>> promise_ =
      std::make_shared<std::promise<absl::StatusOr<T>>>();
};

class EngineDriver {
 public:
  explicit EngineDriver(runtime::Engine& engine) : engine_(engine) {}

  absl::StatusOr<runtime::DeployReply> Deploy(std::string text) {
    Awaited<runtime::DeployReply> reply;
    engine_.Deploy(std::move(text), "tester", reply.Callback());
    return reply.Get();
  }
  absl::StatusOr<runtime::CommandReply> Do(saga::Command command) {
    Awaited<runtime::CommandReply> reply;
    engine_.Submit(std::move(command), reply.Callback());
    return reply.Get();
  }
  absl::StatusOr<saga::SagaView> Get(SagaKey key) {
    Awaited<saga::SagaView> view;
    engine_.GetSaga(std::move(key), view.Callback());
    return view.Get();
  }
  absl::StatusOr<saga::SagaView> Wait(SagaKey key, Timestamp deadline = kNever) {
    Awaited<saga::SagaView> view;
    engine_.WaitSaga(std::move(key), deadline, /*until_parked=*/false, view.Callback());
    return view.Get();
  }
  absl::StatusOr<runtime::CommandReply> Start(std::string saga_id, std::string definition) {
    return Do(StartCommand(std::move(saga_id), std::move(definition)));
  }
  static saga::Command StartCommand(std::string saga_id, std::string definition) {
    saga::Command command;
    command.saga = {"test", std::move(saga_id)};
    command.request = saga::StartSaga{.definition_name = std::move(definition),
                                      .definition_version = {},
                                      .input = saga::Payload::Of(Json::EmptyObject())};
    return command;
  }

 private:
  runtime::Engine& engine_;
};

// A worker that answers every task at once with {}.
class InstantWorker : public task::WorkerSink,
                      public std::enable_shared_from_this<InstantWorker> {
 public:
  explicit InstantWorker(runtime::Engine& engine) : engine_(engine) {}

  // Serves until Leave, which must come before the engine goes.
  static std::shared_ptr<InstantWorker> Join(runtime::Engine& engine,
                                             std::vector<std::string> functions) {
    auto worker = std::make_shared<InstantWorker>(engine);
    worker->id_ = engine.broker().Connect(
        {.name = "instant", .functions = std::move(functions), .credit = 1'000, .holds = {}},
        worker, engine.Now());
    return worker;
  }
  void Leave() { engine_.broker().Disconnect(id_, engine_.Now()); }

  void Push(std::vector<task::ReadyTaskPtr> tasks, Micros) override {
    for (const task::ReadyTaskPtr& task : tasks) {
      saga::AnswerTask answer{.token = task->token, .output = {}, .error = {}};
      answer.output = saga::Payload::Of(Json::EmptyObject());
      saga::Command command;
      command.saga = task->token.saga;
      command.request = std::move(answer);
      // The last answers may come when the test has let go of the worker.
      engine_.Submit(std::move(command), [self = shared_from_this()](auto) {
        if (++self->answered_ % 64 != 0) return;
        self->engine_.broker().AddCredit(self->id_, 64, self->engine_.Now());
      });
    }
  }
  void Cancel(std::vector<saga::TaskToken>) override {}

  uint64_t answered() const { return answered_; }

 private:
  runtime::Engine& engine_;
  task::WorkerId id_;
  std::atomic<uint64_t> answered_ = 0;
};

}  // namespace skald::testing
