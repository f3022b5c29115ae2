// A worker whose functions are shell commands: JSON arguments on standard input, JSON on standard
// output; another exit code than 0 is an error, and an RFC 7807 object on standard output tells
// which.
//
// The command's environment: SKALD_IDEMPOTENCY_KEY, SKALD_NAMESPACE, SKALD_SAGA_ID, SKALD_FUNCTION,
// SKALD_TASK (a JSON pointer), SKALD_ATTEMPT, SKALD_COMPENSATION (true or false).
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "tools/shell_command.h"
#include "tools/worker_client.h"

namespace skald::tools {

// Function name -> command.
using ShellFunctions = absl::btree_map<std::string, std::string>;

// "NAME=COMMAND", each name once.
absl::StatusOr<ShellFunctions> ParseShellFunctions(const std::vector<std::string>& words);

// The answer to a task from what its command did.
struct ShellAnswer {
  bool failed = false;
  std::string output;
  v1::Problem error;
};
ShellAnswer ToAnswer(const absl::StatusOr<ShellResult>& result);

class ShellWorker {
 public:
  struct Options {
    std::string name;
    ShellFunctions functions;
    uint32_t concurrency = 1;
    std::function<void(const RpcError& error)> on_connection = {};
    std::function<void(const v1::Task& task, const ShellAnswer& answer)> on_answer = {};
  };

  ShellWorker(std::shared_ptr<grpc::Channel> channel, Options options);
  ~ShellWorker();

  // Takes no more tasks and lets those at work end within `grace`; then stops their commands. True
  // when every answer is recorded.
  bool Stop(absl::Duration grace);
  size_t open_tasks() const { return client_->open_tasks(); }

 private:
  struct Job {
    v1::Task task;
    std::shared_ptr<std::atomic<bool>> stop;
  };

  void Work();
  void Do(const Job& job);

  const Options options_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<Job> jobs_ SKALD_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::shared_ptr<std::atomic<bool>>> at_work_
      SKALD_GUARDED_BY(mutex_);
  bool closed_ SKALD_GUARDED_BY(mutex_) = false;
  std::unique_ptr<WorkerClient> client_;
  std::vector<std::thread> threads_;
};

}  // namespace skald::tools
