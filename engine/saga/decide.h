// The decision: state + command + context -> events, or a refusal. Pure: the same three give the
// same events, byte for byte.
//
// An illegal command is a refusal with a reason and no events. A decision runs the saga's internal
// tasks (set, switch, do, ...) as far as they go without waiting, up to a bound; then `state` has a
// kContinue timer and the partition comes back to it. A decision that does not fit a commit is
// taken again with fewer moves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/definition/program.h"
#include "engine/saga/command.h"
#include "engine/saga/state.h"
#include "skald/log/v1/event.pb.h"
#include "skald/log/v1/record.pb.h"

namespace skald::saga {

struct DecideLimits {
  size_t events_per_step = 1'000;      // events in one commit, about
  size_t bytes_per_step = 256 << 10;   // payload bytes after which a step is cut short
  size_t moves_per_step = SIZE_MAX;    // of frames, after what the command itself does
  size_t value_bytes_max = 512 << 10;  // of one value that an expression makes
  // Of all payloads that one move adds, or the command itself: with what stands beside them they
  // fit a commit.
  size_t bytes_per_move = 832 << 10;
  size_t output_bytes_max = 800 << 10;  // of a worker's answer; a larger one fails its task
  size_t state_bytes_max = 8 << 20;     // about; a saga with more enters tasks of its undo only
  size_t depth_max = 100;               // frames above each other
  size_t depth_of_value_max = 512;  // of one value that an expression makes; as of what comes in
};

// The only impure inputs of a decision, taken once when the command is sequenced.
struct DecideContext {
  Timestamp now;
  uint64_t random = 0;  // for jitter
  const definition::Program* program = nullptr;
  PartitionId partition;
  Position next_position;  // of the first event, if there are any
  DecideLimits limits;
};

struct Decision {
  // A refusal, or what to answer. There may be events beside a refusal (a late answer that still
  // tells that a worker is quiet).
  absl::Status reply;
  log::v1::CommitHeader header;
  log::v1::EventBodies bodies;     // empty: nothing happened
  std::vector<std::string> slots;  // JSON texts
  size_t moves = 0;                // of frames, after what the command itself did
  SagaState state;                 // after the events; the one given when there are none
};

Decision Decide(const SagaState& state, const Command& command, const DecideContext& context);
// The same into a decision that is not needed any more, whatever it was: its memory is used again.
// `state` must not be in it.
void Decide(const SagaState& state, const Command& command, const DecideContext& context,
            Decision& decision);

}  // namespace skald::saga
