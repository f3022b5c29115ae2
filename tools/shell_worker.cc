#include "tools/shell_worker.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/json.h"
#include "base/utf8.h"

namespace skald::tools {

namespace {

constexpr size_t kTailBytes = 1'000;  // of a failed command's output, shown in the error

// The end of `text`, mended to UTF-8: commands print anything, and the cut may split a character.
std::string Tail(absl::string_view text) {
  if (text.size() > kTailBytes) text.remove_prefix(text.size() - kTailBytes);
  return ToValidUtf8(text);
}

std::string TextOf(const Json& value) {
  return value.is_string() ? std::string(value.AsString()) : "";
}

// An object with at least one member of a problem.
bool ReadProblem(const std::string& text, v1::Problem& problem) {
  absl::StatusOr<Json> value = Json::Parse(text);
  if (!value.ok() || !value->is_object()) return false;
  bool any = false;
  for (absl::string_view name : {"type", "status", "title", "detail"}) {
    any = any || value->Find(name) != nullptr;
  }
  if (!any) return false;
  problem.set_type(TextOf(value->Get("type")));
  problem.set_title(TextOf(value->Get("title")));
  problem.set_detail(TextOf(value->Get("detail")));
  const Json& status = value->Get("status");
  const bool is_http = status.IsInt() && status.AsInt() >= 100 && status.AsInt() <= 599;
  // Any other would be refused, and the task handed out again and again.
  problem.set_status(is_http ? static_cast<int32_t>(status.AsInt()) : 500);
  return true;
}

ShellAnswer Failure(std::string title, std::string detail) {
  ShellAnswer answer{.failed = true};
  answer.error.set_status(500);
  answer.error.set_title(std::move(title));
  answer.error.set_detail(std::move(detail));
  return answer;
}

}  // namespace

absl::StatusOr<ShellFunctions> ParseShellFunctions(const std::vector<std::string>& words) {
  ShellFunctions functions;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == word.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--function expects NAME=COMMAND, got '", word, "'"));
    }
    if (!functions.try_emplace(word.substr(0, equals), word.substr(equals + 1)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("--function names '", word.substr(0, equals), "' twice"));
    }
  }
  return functions;
}

ShellAnswer ToAnswer(const absl::StatusOr<ShellResult>& result) {
  if (!result.ok()) {
    const bool started = absl::IsUnknown(result.status());
    return Failure(started ? "how the command ended is not known" : "the command did not start",
                   result.status().ToString());
  }
  const std::string output(absl::StripAsciiWhitespace(result->output));
  if (result->stopped) return Failure("the command was stopped", Tail(output));
  if (result->timed_out) return Failure("the command took too long", Tail(output));
  if (result->too_long) return Failure("the command's output is too long", "");
  if (result->exit_code == 0) return {.failed = false, .output = output};
  ShellAnswer answer{.failed = true};
  if (ReadProblem(output, answer.error)) return answer;
  return Failure(absl::StrCat("the command exited with ", result->exit_code), Tail(output));
}

ShellWorker::ShellWorker(std::shared_ptr<grpc::Channel> channel, Options options)
    : options_(std::move(options)) {
  std::vector<std::string> names;
  for (const auto& [name, command] : options_.functions) names.push_back(name);
  WorkerClientOptions client;
  client.name = options_.name;
  client.functions = std::move(names);
  client.credit = options_.concurrency;
  client.on_connection = options_.on_connection;
  client.on_task = [this](WorkerClient&, const v1::Task& task) {
    MutexLock lock(mutex_);
    auto stop = std::make_shared<std::atomic<bool>>(false);
    at_work_[task.token()] = stop;
    jobs_.push_back({task, stop});
    changed_.NotifyOne();
  };
  client.on_stop = [this](absl::string_view token, bool) {
    MutexLock lock(mutex_);
    auto found = at_work_.find(std::string(token));
    if (found != at_work_.end()) *found->second = true;
  };
  client_ = std::make_unique<WorkerClient>(std::move(channel), std::move(client));
  for (uint32_t i = 0; i < options_.concurrency; ++i) threads_.emplace_back([this] { Work(); });
}

ShellWorker::~ShellWorker() {
  Stop(absl::ZeroDuration());
  for (std::thread& thread : threads_) thread.join();
}

bool ShellWorker::Stop(absl::Duration grace) {
  const bool recorded = client_->Stop(grace);
  MutexLock lock(mutex_);
  closed_ = true;
  jobs_.clear();
  for (auto& [token, stop] : at_work_) *stop = true;
  changed_.NotifyAll();
  return recorded;
}

void ShellWorker::Work() {
  while (true) {
    Job job;
    {
      MutexLock lock(mutex_);
      while (jobs_.empty() && !closed_) changed_.Wait(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    Do(job);
    MutexLock lock(mutex_);
    auto found = at_work_.find(job.task.token());
    // A task that was lost may have come again meanwhile: then this is its next job's.
    if (found != at_work_.end() && found->second == job.stop) at_work_.erase(found);
  }
}

void ShellWorker::Do(const Job& job) {
  const v1::Task& task = job.task;
  ShellCommand command;
  command.command = options_.functions.at(task.function());
  command.input = task.arguments();
  command.environment = {{"SKALD_IDEMPOTENCY_KEY", task.idempotency_key()},
                         {"SKALD_NAMESPACE", task.namespace_()},
                         {"SKALD_SAGA_ID", task.saga_id()},
                         {"SKALD_FUNCTION", task.function()},
                         {"SKALD_TASK", task.reference()},
                         {"SKALD_ATTEMPT", absl::StrCat(task.attempt())},
                         {"SKALD_COMPENSATION", task.compensation() ? "true" : "false"}};
  if (task.has_deadline()) command.deadline = FromProto(task.deadline());
  // An undo may be waiting for the answer, so one that need not begin has one too.
  ShellAnswer answer = *job.stop ? Failure("the command was stopped before it began", "")
                                 : ToAnswer(RunShellCommand(command, *job.stop));
  if (options_.on_answer) options_.on_answer(task, answer);
  if (answer.failed) {
    client_->Fail(task.token(), std::move(answer.error));
  } else {
    client_->Complete(task.token(), std::move(answer.output));
  }
}

}  // namespace skald::tools
