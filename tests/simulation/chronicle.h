// The log as it is on disk, read along commit by commit and kept: what was durable once has to be there
// for ever, byte for byte. Folds every saga a second time, outside the engine's partitions, and checks
// what histories promise.
//
// Invariants checked here, by name: `log` (dense, in order, nothing lost), `once` (one effect a request
// id, one completion an idempotency key), `undo` (PromiseChecker), `history` (nothing after the end).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/saga/state.h"
#include "skald/log/v1/event.pb.h"
#include "storage/commit_record.h"
#include "storage/event_log.h"
#include "tests/property/promise_checker.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/trace.h"

namespace skald::simulation {

class Chronicle {
 public:
  struct Commit {
    Position first;
    uint32_t count = 0;
    std::string record;
    SagaKey saga;  // empty: the partition's own stream
    Revision revision;
    Timestamp time;
    std::string cause, request_id;
    uint64_t digest = 0;

    Position last() const { return Position(first.value() + count - 1); }
  };
  struct Saga {
    PartitionId partition;
    saga::SagaState state;
    std::vector<size_t> commits;  // numbers in the partition
    skald::testing::PromiseChecker promises;
    bool over = false;  // has an event that ends it
    // Idempotency keys of open calls, by frame; and of completed ones.
    std::map<uint32_t, std::string> open_keys;
    std::set<std::string> completed_keys;
    // Every attempt that was opened.
    std::set<std::pair<uint32_t, uint32_t>> attempts;
  };

  Chronicle(uint32_t partitions, Scheduler& scheduler, Trace& trace);

  // Prints the events of the saga with this id as they come.
  void Show(std::string saga_id) { shown_ = std::move(saga_id); }

  // Takes up what the log has beyond what is known.
  void Read(const storage::EventLog& log);
  // After a restart: everything that is known still stands there. (What is more is taken up.)
  void Compare(const storage::EventLog& log);

  Position last(PartitionId partition) const;
  const std::vector<Commit>& commits(PartitionId partition) const {
    return commits_[partition.value()];
  }
  // The commit whose last event is at `position`, or null.
  const Commit* EndingAt(PartitionId partition, Position position) const;
  const Saga* Find(const SagaKey& key) const;
  const std::map<SagaKey, Saga>& sagas() const { return sagas_; }
  // The last commit of a request, or null.
  const Commit* OfRequest(const std::string& namespace_name, const std::string& request_id) const;
  bool IsDeployed(PartitionId partition, const std::string& hash) const;
  // The saga's state when it had `events` events; nothing when it never had exactly so many after a
  // commit.
  std::optional<saga::SagaState> StateAt(const SagaKey& key, uint64_t events) const;

 private:
  void Take(PartitionId partition, absl::string_view record);
  void TakeSaga(PartitionId partition, const storage::CommitView& view, size_t number);
  void See(Saga& saga, const log::v1::Event& event, const Commit& commit);
  void CheckOnce(const Commit& commit);
  void Print(const storage::CommitView& view, const log::v1::EventBodies& bodies) const;

  Scheduler& scheduler_;
  Trace& trace_;
  std::string shown_;
  std::vector<std::vector<Commit>> commits_;
  std::map<SagaKey, Saga> sagas_;
  std::map<std::pair<std::string, std::string>, std::pair<size_t, size_t>> requests_;
  std::set<std::pair<uint32_t, std::string>> deployed_;
};

// Where a saga lives.
PartitionId PartitionOf(const SagaKey& key, uint32_t partitions);

// "test/s1".
std::string Name(const SagaKey& key);

}  // namespace skald::simulation
