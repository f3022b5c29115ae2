// The bound on what waits in memory. A queue that is over it leaves new tasks in the rows of their
// partitions and remembers, for each partition, the first it has not got; everything of that
// partition from there on is left as well, so order stays. When the queue runs low it asks the
// partition with the oldest rest, one at a time.
#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/task/broker_state.h"

namespace skald::task {
namespace {

// A task without its arguments: its strings, its entry, its place in rankings.
constexpr size_t kTaskBytes = 512;
// A request that was not answered is lost: the partition's log may have lost what it waited for.
constexpr Micros kAskAgain = kSecond;

auto Order(const TaskPlace& place) {
  return std::tie(place.created, place.token.saga.namespace_name, place.token.saga.saga_id,
                  place.token.frame, place.token.attempt);
}

TaskPlace PlaceOf(const ReadyTask& task) { return {task.created, task.token}; }

}  // namespace

bool operator<(const TaskPlace& a, const TaskPlace& b) { return Order(a) < Order(b); }
bool operator==(const TaskPlace& a, const TaskPlace& b) { return Order(a) == Order(b); }

size_t TaskBytes(const ReadyTask& task) { return kTaskBytes + task.arguments.size(); }

void Broker::CountWaiting(const Entry& entry, bool enters) {
  const size_t bytes = TaskBytes(*entry.task);
  if (enters) {
    waiting_bytes_ += bytes;
    entry.queue->waiting_bytes += bytes;
  } else {
    waiting_bytes_ -= bytes;
    entry.queue->waiting_bytes -= bytes;
  }
}

bool Broker::HasRoom(const Queue& queue) const {
  return !options_.refill || queue.waiting_bytes < options_.queue_bytes_min ||
         waiting_bytes_ < options_.waiting_bytes_max;
}

bool Broker::Admit(Queue& queue, PartitionId source, const ReadyTask& task) {
  const bool claimed = !claims_.empty() && claims_.contains(task.token);
  // A younger one must not pass those that were left.
  const bool oldest =
      std::all_of(queue.rests.begin(), queue.rests.end(), [&](const auto& rest) {
        return task.created < rest.second.created;
      });
  if (claimed || (oldest && HasRoom(queue))) return true;
  TaskPlace place = PlaceOf(task);
  const auto [rest, is_first] = queue.rests.try_emplace(source, place);
  if (place < rest->second) rest->second = std::move(place);
  if (is_first) backlogged_.insert(&queue);
  return false;
}

void Broker::AskForMore(Timestamp now, Effects& effects) {
  for (Queue* const queue : backlogged_) {
    if (queue->waiting_bytes >= options_.queue_bytes_min / 2) continue;
    if (queue->asked && now < After(queue->asked_at, kAskAgain)) continue;
    const auto oldest =
        std::min_element(queue->rests.begin(), queue->rests.end(), [](const auto& a, const auto& b) {
          return a.second.created < b.second.created;
        });
    queue->asked = RefillRequest{.source = oldest->first,
                                 .function = queue->function,
                                 .from = oldest->second,
                                 .bytes_max = options_.queue_bytes_min};
    queue->asked_at = now;
    effects.refills.push_back(*queue->asked);
  }
  // The set's order differs from run to run.
  std::sort(effects.refills.begin(), effects.refills.end(),
            [](const RefillRequest& a, const RefillRequest& b) { return a.function < b.function; });
}

void Broker::Refilled(RefillReply reply, Timestamp now) {
  Effects effects;
  {
    MutexLock lock(mutex_);
    Queue& queue = QueueOf(reply.request.function);
    std::vector<Queue*> touched;
    for (ReadyTaskPtr& task : reply.tasks) Add(std::move(task), touched, now);
    const auto rest = queue.rests.find(reply.request.source);
    // Else it answers a request that was repeated meanwhile.
    if (queue.asked && queue.asked->source == reply.request.source &&
        queue.asked->from == reply.request.from) {
      queue.asked.reset();
      // It may have moved to an older one meanwhile: a saga that was resumed.
      if (rest != queue.rests.end() && rest->second == reply.request.from) {
        if (reply.rest) {
          rest->second = *std::move(reply.rest);
        } else {
          queue.rests.erase(rest);
        }
      }
    }
    if (queue.rests.empty()) backlogged_.erase(&queue);
    Dispatch(touched, now, effects);
    Seal(now, effects);
    DropQueueIfUnused(queue);
  }
  Run(effects);
}

}  // namespace skald::task
