// The broker gets tasks from rows when the partition comes up, and when it asks for what it left
// here because its memory was full.
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "engine/partition/partition.h"
#include "engine/partition/rows.h"

namespace skald::partition {
namespace {

// Tasks handed to the broker at a time.
constexpr size_t kTasksAtOnce = 1'000;

}  // namespace

absl::Status Partition::AnnounceTasks() {
  std::vector<task::ReadyTaskPtr> tasks;
  std::vector<CancelledTask> cancelled;
  const auto hand_over = [&] {
    if (!tasks.empty()) environment_.outlet.Enqueue(options_.partition, std::exchange(tasks, {}));
    if (!cancelled.empty()) environment_.outlet.Cancel(cancelled);
    cancelled.clear();
  };
  absl::Status malformed;
  const std::string prefix = TablePrefix(storage::Table::kReadyTask, options_.partition);
  SKALD_RETURN_IF_ERROR(fold_->delta().Scan(
      prefix, storage::PrefixEnd(prefix), [&](absl::string_view key, absl::string_view value) {
        absl::StatusOr<task::ReadyTask> task = DecodeReadyTask(key, value);
        malformed = task.status();
        if (!task.ok()) return false;
        task->from_recovery = true;
        if (task->function.empty()) {
          cancelled.push_back({std::move(task->token), /*from_recovery=*/true});
        } else {
          tasks.push_back(std::make_shared<const task::ReadyTask>(*std::move(task)));
        }
        if (tasks.size() + cancelled.size() >= kTasksAtOnce) hand_over();
        return true;
      }));
  SKALD_RETURN_IF_ERROR(malformed);
  hand_over();
  return absl::OkStatus();
}

void Partition::Refill(task::RefillRequest request) { refills_.push_back(std::move(request)); }

// Precondition: rows are as of the last commit. They may be ahead of the log, so the reply waits at
// the gate; what closes one of the tasks meanwhile waits behind it.
absl::Status Partition::ServeRefills() {
  for (task::RefillRequest& request : std::exchange(refills_, {})) {
    SKALD_ASSIGN_OR_RETURN(task::RefillReply reply, TasksFor(std::move(request)));
    gate_.Hold(staged_position(), RefillQueue{std::move(reply)});
  }
  return absl::OkStatus();
}

absl::StatusOr<task::RefillReply> Partition::TasksFor(task::RefillRequest request) const {
  task::RefillReply reply{.request = std::move(request), .tasks = {}, .rest = {}};
  const task::RefillRequest& asked = reply.request;
  const saga::TaskToken& first = asked.from.token;
  size_t bytes = 0;
  absl::Status malformed;
  SKALD_RETURN_IF_ERROR(fold_->delta().Scan(
      ReadyTaskKey(options_.partition, first.saga, asked.function, asked.from.created, first.frame,
                   first.attempt),
      storage::PrefixEnd(ReadyTaskPrefix(options_.partition, asked.function)),
      [&](absl::string_view key, absl::string_view value) {
        absl::StatusOr<task::ReadyTask> task = DecodeReadyTask(key, value);
        malformed = task.status();
        if (!task.ok()) return false;
        if (bytes >= asked.bytes_max) {
          reply.rest = task::TaskPlace{task->created, std::move(task->token)};
          return false;
        }
        task->from_recovery = task->created <= recovered_through_;
        bytes += TaskBytes(*task);
        reply.tasks.push_back(std::make_shared<const task::ReadyTask>(*std::move(task)));
        return true;
      }));
  SKALD_RETURN_IF_ERROR(malformed);
  return reply;
}

}  // namespace skald::partition
