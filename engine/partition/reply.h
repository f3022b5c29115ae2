// What a partition answers, and the callbacks that take it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/ids.h"

namespace skald::partition {

// A place in the log.
struct LogPosition {
  PartitionId partition;
  Position position;
};

struct CommandReply {
  // Everything that the answer speaks of is durable up to here.
  LogPosition position;
  SagaKey saga;
  // A repeated request: this is the first one's answer.
  bool duplicate = false;
};

// What DeployDefinition is answered with.
struct Deployment {
  LogPosition position;
  bool already_deployed = false;
};

// What a change of partition 0's own state is answered with.
struct StoreChanged {
  LogPosition position;
  bool unchanged = false;  // it was so already
};

// A commit of a stream.
struct IndexedCommit {
  Position first;
  uint32_t count = 0;
  Revision revision;  // of its first event
};

// Where a saga's events stand.
using History = std::vector<IndexedCommit>;

// Takes an answer, or the refusal or failure that stands for it. Called once.
template <typename T>
using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;

}  // namespace skald::partition
