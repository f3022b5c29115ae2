// A saga as it was: its events one by one, each with the state that follows from it. Folded from
// the saga's own stream in one pass, by the same Evolve that runs it.
//
//   SKALD_ASSIGN_OR_RETURN(auto replay, SagaReplay::Open(engine, key, AsOf{Revision(5)}));
//   while (true) {
//     SKALD_ASSIGN_OR_RETURN(const bool more, replay->Next());
//     if (!more) break;
//     Show(replay->event(), saga::ViewOf(replay->state()));
//   }
//
// Thread rule: owned by one thread at a time. Blocks while it reads. Must not outlive its engine.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/runtime/engine.h"
#include "engine/saga/state.h"
#include "storage/commit_record.h"

namespace skald::runtime {

// A moment in a saga's life: after its last durable event, after the event of a revision, after the
// last of its events up to a position of its partition, or after all that had been decided by a
// time.
using AsOf = std::variant<std::monostate, Revision, Position, Timestamp>;

class SagaReplay {
 public:
  // Finds the last event to replay. Everything acknowledged before the call is seen; what a time
  // gives once it gives always. NOT_FOUND (SAGA_NOT_FOUND): there is no such saga, or it began
  // later. INVALID_ARGUMENT (BAD_REQUEST, field `as_of`): a revision or position past the end, or a
  // time in the future. DATA_LOSS: the log is damaged.
  static absl::StatusOr<std::unique_ptr<SagaReplay>> Open(Engine& engine, SagaKey key,
                                                          const AsOf& as_of);

  // Goes to the next event. False at the end, where event and state stay what they were.
  absl::StatusOr<bool> Next();
  // Lets go of what reading on holds in the store. For pauses; Next goes on as before.
  void Rest() { cursor_ = nullptr; }

  // The revision of the last step.
  Revision last() const { return last_; }

  // Of the last step. What the event points to lives until Next. Precondition: Next gave true.
  RecordedEvent event() const;
  const saga::SagaState& state() const { return state_; }

 private:
  SagaReplay(Engine& engine, SagaKey key, std::vector<Position> commits)
      : engine_(engine),
        key_(std::move(key)),
        partition_(engine.PartitionOf(key_)),
        commits_(std::move(commits)) {}

  // How many commits, from the first on, fulfil `holds`, which does so up to some commit.
  template <typename Holds>
  absl::StatusOr<size_t> CountWhile(Holds holds);
  absl::StatusOr<log::v1::CommitHeader> ReadHeader(size_t commit);
  absl::Status ResolveEnd(const Engine& engine, const AsOf& as_of);
  absl::Status ResolvePast(const AsOf& as_of);
  absl::Status ReadCommit();

  Engine& engine_;
  const SagaKey key_;
  const PartitionId partition_;
  const std::vector<Position> commits_;
  Revision last_;

  size_t next_commit_ = 0;
  std::unique_ptr<storage::LogCursor> cursor_;
  // The present commit.
  std::string record_;
  storage::CommitView commit_;
  log::v1::EventBodies bodies_;
  std::vector<Json> slots_;
  int next_event_ = 0;

  saga::SagaState state_;
};

}  // namespace skald::runtime
