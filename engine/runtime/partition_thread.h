// A thread that drives some of the partitions: hands them what comes in, polls them, and takes what
// they staged to the log.
//
// A turn takes everything that came in, decides it, and stages the commits of all its partitions as
// one batch. While that is being synced the next turn goes on; answers leave when the log's news
// comes in. When nothing else is to be done the thread writes and syncs the batch itself, which
// saves the hand-off.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "engine/partition/partition.h"
#include "engine/runtime/awake_wait.h"
#include "storage/log_writer.h"

namespace skald::runtime {

struct PartitionThreadOptions {
  const Clock* clock = nullptr;
  storage::LogWriter* writer = nullptr;
  // The partitions that are this thread's, recovered. They outlive it.
  std::vector<partition::Partition*> partitions;
  // The log is durable further, by this thread's own write.
  std::function<void()> on_durable;
  // A partition cannot go on. The thread takes no more turns after it.
  std::function<void(const absl::Status&)> on_fatal;
  // The partition's figures may have changed: a turn is over, or what it staged is durable.
  std::function<void(const partition::Partition&)> on_turn;
};

class PartitionThread {
 public:
  // It takes things in from now on and runs from Start on: the threads of an engine hand each other
  // things from their first turn, so all of them are to be there before the first one runs.
  explicit PartitionThread(PartitionThreadOptions options);
  // Stops and joins; what came in and was not taken is answered with UNAVAILABLE.
  ~PartitionThread();
  PartitionThread(const PartitionThread&) = delete;
  PartitionThread& operator=(const PartitionThread&) = delete;

  // Once, before Stop.
  void Start();

  // A command for one of its partitions.
  struct Submission {
    partition::Partition* partition = nullptr;
    saga::Command command;
    partition::Ticket ticket;
    partition::Done<partition::CommandReply> done;
  };
  // From any thread. After Stop it is answered with UNAVAILABLE.
  void Submit(Submission submission);
  // As above, each of them, in order.
  void Submit(std::vector<Submission> submissions);
  // Runs `work` on the thread, in order with submissions. After Stop it is dropped.
  void Post(absl::AnyInvocable<void()> work);
  // The log has these.
  void Durable(absl::Span<const std::pair<partition::Partition*, Position>> positions);

  // The one that the calling thread is, or nullptr.
  static PartitionThread* Current();
  // Runs `work` when the turn has told everything that it knows now. By its own thread only.
  void AtTurnEnd(absl::AnyInvocable<void()> work) { at_turn_end_.push_back(std::move(work)); }

  // Ends the thread after its present turn, and joins it.
  void Stop();

 private:
  struct News {
    partition::Partition* partition = nullptr;
    Position position;
  };
  using Item = std::variant<Submission, absl::AnyInvocable<void()>, News>;

  // Lets `fill` add to the intake, and wakes the thread. After Stop does neither and says false.
  template <typename Fill>
  bool Add(Fill fill);
  void Run();
  // Waits for something to do. False when the thread is to end.
  bool Take(Timestamp due);
  void Sleep(Timestamp due) SKALD_REQUIRES(mu_);
  // How long it may sleep; 0 and less: something is due.
  Micros TimeUntil(Timestamp due) const;
  void HandOver();
  void TellWriteTime(Timestamp now);
  void PollAll(Timestamp now);
  void Append();
  void EndTurn();
  void Tell(partition::Partition& partition, Position position);
  Timestamp NextDue() const;
  bool HasMore();

  const PartitionThreadOptions options_;

  Mutex mu_;
  CondVar wake_;
  std::vector<Item> intake_ SKALD_GUARDED_BY(mu_);
  // Whether there may be something in it: for a look without the lock.
  std::atomic<bool> has_intake_ = false;
  // It sleeps, and was not woken yet. Whoever takes this wakes it, once, after unlocking: else it would
  // wait for the lock at once.
  bool asleep_ SKALD_GUARDED_BY(mu_) = false;
  bool stopping_ SKALD_GUARDED_BY(mu_) = false;

  // Owned by the thread, as all that follows.
  AwakeWait awake_wait_;
  // Kept for their memory.
  std::vector<Item> items_;
  std::vector<storage::StagedCommit> staged_;
  std::vector<std::pair<partition::Partition*, Position>> last_staged_;
  std::vector<absl::AnyInvocable<void()>> at_turn_end_;
  bool broken_ = false;
  // What the writer had done when the partitions were told of its times, and when that is due
  // again.
  storage::LogWriter::Stats told_;
  Timestamp tell_due_;

  std::thread thread_;
};

}  // namespace skald::runtime
