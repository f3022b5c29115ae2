// The states of sagas as folds see them: at the place in the merged order that the fold has come to,
// which may be far behind the partitions.
//
// States of sagas that go on are kept while there is room; one that is not there any more is folded
// again from its saga's commits.
//
// Thread rule: one thread at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "engine/projection/fold.h"
#include "engine/saga/state.h"
#include "skald/log/v1/record.pb.h"
#include "storage/event_log.h"

namespace skald::projection {

// Where the commits of a saga begin, in order: all with events before `before`; later ones may be
// among them.
using CommitFinder =
    std::function<absl::StatusOr<std::vector<Position>>(const SagaKey&, Revision before)>;

class SagaStates {
 public:
  // `log` must outlive it.
  SagaStates(const storage::EventLog& log, CommitFinder find, size_t bytes_max)
      : log_(log), find_(std::move(find)), bytes_max_(bytes_max) {}

  // The state of the saga before a commit, to be evolved in place by the caller; new for its first
  // commit. It has the payloads that are wanted, which within a round must be the same ones for each
  // commit of a saga, and of this one the caller must fill in as many. Belongs to the present round
  // from now on. Precondition: the header is of a saga's commit.
  absl::StatusOr<saga::SagaState*> Touch(const log::v1::CommitHeader& header, Payloads wanted);

  // The sagas of the present round, in the order they were touched first.
  std::vector<TouchedSaga> touched() const;
  // Ends the round: forgets sagas at rest (saga::IsAtRest), unless they have a long history, and
  // those that nobody asked for longest.
  void EndRound();

  size_t size() const { return sagas_.size(); }
  // Of states that were not at hand in the present round, as they were then.
  size_t refolded_bytes() const { return refolded_bytes_; }

 private:
  struct Saga {
    PartitionId partition;
    saga::SagaState state;
    Payloads payloads = Payloads::kNone;  // that the state has
    std::optional<saga::Status> status_before;
    std::vector<saga::Incident> incidents_before;
    bool is_touched = false;
    size_t bytes = 0;
    std::list<Saga*>::iterator used;  // in order_
  };

  // Sagas are found by what a header says, without a copy of it.
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(const SagaKey& key) const { return Of(key.namespace_name, key.saga_id); }
    size_t operator()(const log::v1::CommitHeader& header) const {
      return Of(header.namespace_(), header.saga_id());
    }
    static size_t Of(absl::string_view namespace_name, absl::string_view saga_id) {
      return absl::HashOf(namespace_name, saga_id);
    }
  };
  struct KeyEqual {
    using is_transparent = void;
    bool operator()(const SagaKey& a, const SagaKey& b) const { return a == b; }
    bool operator()(const SagaKey& a, const log::v1::CommitHeader& b) const {
      return a.saga_id == b.saga_id() && a.namespace_name == b.namespace_();
    }
    bool operator()(const log::v1::CommitHeader& a, const SagaKey& b) const {
      return (*this)(b, a);
    }
  };

  absl::StatusOr<Saga*> Add(const log::v1::CommitHeader& header, Payloads wanted);
  absl::Status Refold(const log::v1::CommitHeader& header, Saga& saga);
  void Forget(Saga& saga);

  const storage::EventLog& log_;
  const CommitFinder find_;
  const size_t bytes_max_;
  absl::flat_hash_map<SagaKey, std::unique_ptr<Saga>, KeyHash, KeyEqual> sagas_;
  std::list<Saga*> order_;  // least recently used first
  std::vector<Saga*> touched_;
  size_t bytes_ = 0;
  size_t refolded_bytes_ = 0;
};

}  // namespace skald::projection
