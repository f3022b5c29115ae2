#include "engine/projection/saga_states.h"

#include <utility>

#include "base/errors.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "engine/saga/evolve.h"
#include "engine/saga/pending.h"
#include "skald/log/v1/event.pb.h"
#include "storage/commit_record.h"

namespace skald::projection {
namespace {

// So many events are soon folded again.
constexpr uint64_t kShortHistory = 100;

}  // namespace

absl::StatusOr<saga::SagaState*> SagaStates::Touch(const log::v1::CommitHeader& header,
                                                   Payloads wanted) {
  const auto found = sagas_.find(header);
  Saga* present = found == sagas_.end() ? nullptr : found->second.get();
  if (present == nullptr) {
    SKALD_ASSIGN_OR_RETURN(present, Add(header, wanted));
  }
  Saga& saga = *present;
  // A fold that came since reads more, or one that read more has gone: then the state lacks what
  // comes from now on.
  const Payloads had = std::exchange(saga.payloads, wanted);
  if (had < wanted) SKALD_RETURN_IF_ERROR(Refold(header, saga));
  if (!saga.is_touched) {
    saga.is_touched = true;
    saga.status_before.reset();
    saga.incidents_before.clear();
    if (saga.state.exists()) {
      saga.status_before = saga::StatusOf(saga.state);
      saga.incidents_before = saga::IncidentsOf(saga.state);
    }
    order_.splice(order_.end(), order_, saga.used);
    touched_.push_back(&saga);
  }
  return &saga.state;
}

absl::StatusOr<SagaStates::Saga*> SagaStates::Add(const log::v1::CommitHeader& header,
                                                  Payloads wanted) {
  auto added = std::make_unique<Saga>();
  Saga& saga = *added;
  saga.partition = PartitionId(header.partition());
  saga.payloads = wanted;
  if (header.first_revision() > 0) SKALD_RETURN_IF_ERROR(Refold(header, saga));
  saga.used = order_.insert(order_.end(), &saga);
  sagas_.emplace(SagaKey{header.namespace_(), header.saga_id()}, std::move(added));
  return &saga;
}

absl::Status SagaStates::Refold(const log::v1::CommitHeader& header, Saga& saga) {
  saga::SagaState& state = saga.state;
  state = {};
  const PartitionId partition(header.partition());
  SKALD_ASSIGN_OR_RETURN(
      const std::vector<Position> commits,
      find_({header.namespace_(), header.saga_id()}, Revision(header.first_revision())));
  log::v1::EventBodies bodies;
  storage::CommitView commit;
  std::vector<Json> slots;
  for (const Position first : commits) {
    if (first >= Position(header.first_position())) break;
    const auto cursor = log_.Read(partition, first);
    if (!cursor->Valid()) {
      const absl::Status status = cursor->status();
      if (absl::IsDataLoss(status)) return LogCorruptError(partition, first, status.message());
      SKALD_RETURN_IF_ERROR(status);
      return LogCorruptError(partition, first, "an event of a saga is missing");
    }
    if (const absl::Status status = storage::DecodeCommit(cursor->record(), &commit);
        !status.ok()) {
      return LogCorruptError(partition, first, status.message());
    }
    if (!bodies.ParseFromArray(commit.bodies.data(), static_cast<int>(commit.bodies.size()))) {
      return LogCorruptError(partition, first, "events cannot be read");
    }
    SKALD_RETURN_IF_ERROR(ParsePayloads(commit, bodies, saga.payloads, slots));
    for (int i = 0; i < bodies.events_size(); ++i) {
      const auto place = static_cast<uint64_t>(i);
      SKALD_RETURN_IF_ERROR(
          saga::EvolveRead(bodies.events(i),
                           {commit.header, Revision(commit.header.first_revision()).Plus(place),
                            first.Plus(place), slots},
                           state));
    }
  }
  refolded_bytes_ += saga::ApproximateBytes(state);
  if (state.events == header.first_revision()) return absl::OkStatus();
  return LogCorruptError(partition, Position(header.first_position()),
                         "the saga's events before it are not all there");
}

std::vector<TouchedSaga> SagaStates::touched() const {
  std::vector<TouchedSaga> sagas;
  sagas.reserve(touched_.size());
  for (const Saga* saga : touched_) {
    sagas.push_back({saga->partition, saga->state, saga->status_before, saga->incidents_before});
  }
  return sagas;
}

void SagaStates::EndRound() {
  for (Saga* saga : touched_) {
    saga->is_touched = false;
    const bool is_short = saga->state.is_ended() || saga->state.events <= kShortHistory;
    if (is_short && saga::IsAtRest(saga->state)) {
      Forget(*saga);
      continue;
    }
    bytes_ -= saga->bytes;
    saga->bytes = saga::ApproximateBytes(saga->state);
    bytes_ += saga->bytes;
  }
  touched_.clear();
  refolded_bytes_ = 0;
  while (bytes_ > bytes_max_ && !order_.empty()) Forget(*order_.front());
}

void SagaStates::Forget(Saga& saga) {
  bytes_ -= saga.bytes;
  order_.erase(saga.used);
  // By its place: a key would live in the saga that goes.
  sagas_.erase(sagas_.find(saga.state.key));
}

}  // namespace skald::projection
