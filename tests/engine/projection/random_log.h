// A log of random sagas on several partitions, by seed: what read models are folded from.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/commit_record.h"
#include "tests/property/random_definition.h"
#include "tests/support/partition_world.h"

namespace skald::testing {

class RandomLog {
 public:
  RandomLog(uint64_t seed, int steps)
      : random_(seed),
        world_({.partitions = kPartitions, .decide = {.events_per_step = 20}}) {
    Deploy();
    for (int step = 0; step < steps; ++step) {
      saga::Command command = Next();
      command.saga.namespace_name = namespace_;
      Submit(std::move(command));
      // Several commits of a time, then some time.
      if (Below(3) == 0) world_.Advance(Below(4) == 0 ? Below(90) * kSecond : Below(3));
    }
    world_.Settle();
  }

  static constexpr uint32_t kPartitions = 3;
  PartitionWorld& world() { return world_; }
  storage::MemoryEventLog& log() { return world_.log(); }
  static PartitionId PartitionOf(const std::string& saga_id) {
    return PartitionId(static_cast<uint32_t>(saga_id.back() - '0') % kPartitions);
  }
  // Where the saga's commits begin, in order.
  std::vector<Position> CommitsOf(const SagaKey& key) {
    std::vector<Position> commits;
    const auto cursor = log().Read(PartitionOf(key.saga_id), Position(1));
    for (; cursor->Valid(); cursor->Next()) {
      const auto commit = storage::DecodeCommit(cursor->record());
      if (commit->header.saga_id() == key.saga_id) commits.push_back(cursor->first());
    }
    return commits;
  }

 private:
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  void Deploy() {
    const std::string text = RandomDefinition(random_()).Text();
    const absl::StatusOr<Json> document = Json::Parse(text);
    name_ = std::string(document->AtPointer("/document/name")->AsString());
    namespace_ = std::string(document->AtPointer("/document/namespace")->AsString());
    world_.MustDeploy(text);
  }

  void Submit(saga::Command command) {
    const PartitionId partition = PartitionOf(command.saga.saga_id);
    const auto reply = world_.Submit(std::move(command), partition);
    world_.Settle();
  }

  saga::Command Next() {
    const std::string id = absl::StrCat("s", Below(9));
    switch (Below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return PartitionWorld::Start(id, name_);
      case 4:
        return PartitionWorld::Make(id, saga::SuspendSaga{});
      case 5:
        return PartitionWorld::Make(id, saga::ResumeSaga{});
      case 6:
        return PartitionWorld::Make(id, saga::CancelSaga{.reason = "", .compensate = {}});
      case 7:
        return PartitionWorld::Make(id, saga::RetryTask{});
      case 8:
        return PartitionWorld::Make(id, saga::ResolveCompensation{"", "by hand"});
      default:
        return Answer(id);
    }
  }

  saga::Command Answer(const std::string& id) {
    const auto& ready = world_.outlet().ready;
    if (ready.empty()) return PartitionWorld::Make(id, saga::ResumeSaga{});
    auto task = ready.begin();
    std::advance(task, Below(static_cast<uint32_t>(ready.size())));
    if (Below(4) == 0) return world_.Fail(task->first, Below(2) == 0 ? 422 : 503);
    return world_.Answer(task->first, absl::StrCat("{\"n\":", Below(4), "}"));
  }

  std::mt19937_64 random_;
  PartitionWorld world_;
  std::string name_, namespace_;
};

}  // namespace skald::testing
