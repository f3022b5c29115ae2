// What the engine answers from states, rows and the log, without changing anything.
#include <algorithm>
#include <future>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/partition/rows.h"
#include "engine/runtime/engine_impl.h"
#include "engine/runtime/guarded_done.h"
#include "storage/commit_record.h"

namespace skald::runtime {
namespace {

// Rows looked at for one page: a filter that fits few sagas gives short pages, not long waits.
constexpr size_t kRowsPerPageMax = 50'000;

bool Fits(const SagaFilter& filter, const saga::SagaState& state) {
  if (!filter.definition_name.empty() && state.definition_name != filter.definition_name) {
    return false;
  }
  return filter.statuses.empty() || std::find(filter.statuses.begin(), filter.statuses.end(),
                                              saga::StatusOf(state)) != filter.statuses.end();
}

// Shows the events of one commit from `from` on. False when the visitor has seen enough.
absl::StatusOr<bool> VisitEvents(const storage::CommitView& commit, Position from,
                                 EventVisitor visitor) {
  log::v1::EventBodies bodies;
  const PartitionId partition(commit.header.partition());
  const Position first(commit.header.first_position());
  if (!bodies.ParseFromArray(commit.bodies.data(), static_cast<int>(commit.bodies.size()))) {
    return LogCorruptError(partition, first, "events cannot be read");
  }
  for (int i = 0; i < bodies.events_size(); ++i) {
    const auto place = static_cast<uint64_t>(i);
    if (first.Plus(place) < from) continue;
    const RecordedEvent event{.partition = partition,
                              .position = first.Plus(place),
                              .revision = Revision(commit.header.first_revision() + place),
                              .commit_first = first,
                              .header = &commit.header,
                              .event = &bodies.events(i),
                              .slots = commit.slots};
    if (!visitor(event)) return false;
  }
  return true;
}

}  // namespace

// ---- Definitions ----

absl::StatusOr<DefinitionInfo> EngineImpl::GetDefinition(absl::string_view namespace_name,
                                                         absl::string_view name,
                                                         absl::string_view version) const {
  return catalog_.Get(namespace_name, name, version);
}

std::vector<DefinitionInfo> EngineImpl::ListDefinitions(absl::string_view namespace_name) const {
  return catalog_.List(namespace_name);
}

std::string EngineImpl::DefinitionNameOf(absl::string_view hash) const {
  if (const auto program = programs_.Find(hash); program != nullptr) return program->name;
  // One that this build does not compile was recovered, so it is listed.
  return catalog_.NameOf(hash);
}

// ---- One saga ----

void EngineImpl::GetSaga(SagaKey key, Done<saga::SagaView> done) {
  const PartitionId id = PartitionOf(key);
  if (absl::Status status = CheckServing(id); !status.ok()) return std::move(done)(status);
  partition::Partition& partition = *partitions_[id.value()];
  absl::StatusOr<partition::Ticket> ticket = partition.admission().EnterRead();
  if (!ticket.ok()) return std::move(done)(ticket.status());
  ThreadOf(id).Post([&partition, key = std::move(key), ticket = *std::move(ticket),
                     guarded = GuardedDone<saga::SagaView>(id, std::move(done))]() mutable {
    partition.GetSaga(std::move(key), std::move(ticket), guarded.Release());
  });
}

uint64_t EngineImpl::WaitSaga(SagaKey key, Timestamp deadline, bool until_parked,
                              Done<saga::SagaView> done) {
  const uint64_t wait_id = next_id_++;
  const PartitionId id = PartitionOf(key);
  if (absl::Status status = CheckServing(id); !status.ok()) {
    std::move(done)(status);
    return wait_id;
  }
  ThreadOf(id).Post([&partition = *partitions_[id.value()], key = std::move(key), deadline,
                     until_parked, wait_id,
                     guarded = GuardedDone<saga::SagaView>(id, std::move(done))]() mutable {
    partition.WaitSaga(std::move(key), {.id = wait_id,
                                        .deadline = deadline,
                                        .until_parked = until_parked,
                                        .done = guarded.Release(),
                                        .ticket = {}});
  });
  return wait_id;
}

void EngineImpl::StopWaiting(const SagaKey& key, uint64_t wait_id) {
  const PartitionId id = PartitionOf(key);
  ThreadOf(id).Post([&partition = *partitions_[id.value()], key, wait_id] {
    partition.StopWaiting(key, wait_id);
  });
}

absl::StatusOr<partition::History> EngineImpl::FindHistory(const SagaKey& key, Revision from) {
  SKALD_ASSIGN_OR_RETURN(partition::Ticket ticket,
                         partitions_[PartitionOf(key).value()]->admission().EnterRead());
  return FindHistory(key, from, std::move(ticket));
}

absl::StatusOr<partition::History> EngineImpl::FindHistory(const SagaKey& key, Revision from,
                                                           partition::Ticket ticket) {
  const PartitionId id = PartitionOf(key);
  SKALD_RETURN_IF_ERROR(CheckServing(id));
  partition::Partition& partition = *partitions_[id.value()];
  std::promise<absl::StatusOr<partition::History>> found;
  partition::Done<partition::History> done = [&found](absl::StatusOr<partition::History> history) {
    found.set_value(std::move(history));
  };
  ThreadOf(id).Post([&partition, key, from, ticket = std::move(ticket),
                     guarded = GuardedDone<partition::History>(id, std::move(done))]() mutable {
    partition.FindHistory(std::move(key), from, std::move(ticket), guarded.Release());
  });
  return found.get_future().get();
}

absl::StatusOr<std::vector<Position>> EngineImpl::FindCommits(const SagaKey& key) {
  SKALD_ASSIGN_OR_RETURN(const partition::History history, FindHistory(key, Revision(0)));
  return CommitsOf(key, history);
}

// Most of them stand in views, where they are found without the partition's thread. Past the door,
// as the engine's own commands: a model that could not be folded for overload would stand still for
// good.
absl::StatusOr<std::vector<Position>> EngineImpl::FindCommitsToFold(const SagaKey& key,
                                                                    Revision before) {
  SKALD_ASSIGN_OR_RETURN(partition::History history,
                         partition::ReadStreamIndex(*views_, PartitionOf(key), key));
  const bool is_all =
      !history.empty() && history.back().revision.Plus(history.back().count) >= before;
  if (!is_all) {
    SKALD_ASSIGN_OR_RETURN(history, FindHistory(key, Revision(0), {}));
  }
  return CommitsOf(key, history);
}

absl::StatusOr<std::vector<Position>> EngineImpl::CommitsOf(const SagaKey& key,
                                                            const partition::History& history) {
  if (history.empty()) return SagaNotFoundError(key);
  std::vector<Position> commits;
  commits.reserve(history.size());
  for (const partition::IndexedCommit& each : history) commits.push_back(each.first);
  return commits;
}

void EngineImpl::ReadHistory(SagaKey key, Revision from,
                             std::function<bool(const RecordedEvent&)> visitor,
                             absl::AnyInvocable<void(absl::Status)> done) {
  const absl::StatusOr<partition::History> history = FindHistory(key, from);
  if (!history.ok()) return std::move(done)(history.status());
  std::move(done)(VisitCommits(key, from, *history, visitor));
}

absl::Status EngineImpl::VisitCommits(const SagaKey& key, Revision from,
                                      const partition::History& history,
                                      const std::function<bool(const RecordedEvent&)>& visitor) {
  const PartitionId partition = PartitionOf(key);
  std::unique_ptr<storage::LogCursor> cursor;
  storage::CommitView commit;
  for (const partition::IndexedCommit& each : history) {
    // The saga's next commit often is the partition's next.
    if (cursor != nullptr && cursor->Valid()) cursor->Next();
    if (cursor == nullptr || !cursor->Valid() || cursor->first() != each.first) {
      cursor = log_->Read(partition, each.first);
    }
    if (!cursor->Valid()) {
      SKALD_RETURN_IF_ERROR(cursor->status());
      return LogCorruptError(partition, each.first, "an event of a saga is missing");
    }
    SKALD_RETURN_IF_ERROR(storage::DecodeCommit(cursor->record(), &commit));
    const uint64_t skipped = from > each.revision ? from.value() - each.revision.value() : 0;
    SKALD_ASSIGN_OR_RETURN(const bool more, VisitEvents(commit, each.first.Plus(skipped), visitor));
    if (!more) break;
  }
  return absl::OkStatus();
}

// ---- Many sagas ----

// A page's token is the key of the last row that was looked at.
absl::StatusOr<SagaPage> EngineImpl::ListSagas(const SagaFilter& filter, absl::string_view after,
                                               size_t page_size) {
  SagaPage page;
  uint32_t first = 0;
  std::string begin;
  if (!after.empty()) {
    if (!partition::ParseSagaRowKey(after).ok()) {
      return BadRequestError("page_token", "is not one that this server gave");
    }
    first = storage::KeyParser(after).partition().value();
    begin = std::string(after) + '\0';
  }
  const std::unique_ptr<storage::ViewSnapshot> rows = views_->Snapshot();
  size_t looked_at = 0;
  absl::Status malformed;
  for (uint32_t id = first; id < partitions_.size() && page.next.empty(); ++id) {
    storage::KeyBuilder builder(storage::Table::kSaga, PartitionId(id));
    if (!filter.namespace_name.empty()) builder.Text(filter.namespace_name);
    const std::string prefix = std::move(builder).Build();
    SKALD_RETURN_IF_ERROR(
        rows->Scan(std::max(prefix, begin), storage::PrefixEnd(prefix),
                   [&](absl::string_view key, absl::string_view value) {
                     absl::StatusOr<saga::SagaState> state = saga::DecodeState(value);
                     malformed = state.status();
                     if (!state.ok()) return false;
                     if (Fits(filter, *state)) {
                       saga::SagaView view = saga::ViewOf(*state);
                       if (!filter.with_incidents || !view.incidents.empty()) {
                         page.sagas.push_back(std::move(view));
                       }
                     }
                     if (page.sagas.size() < page_size && ++looked_at < kRowsPerPageMax)
                       return true;
                     page.next = std::string(key);
                     return false;
                   }));
    SKALD_RETURN_IF_ERROR(malformed);
  }
  return page;
}

// ---- The log ----

absl::StatusOr<Position> EngineImpl::ReadLog(PartitionId partition, Position from,
                                             EventVisitor visitor) {
  if (partition.value() >= partitions_.size()) {
    return BadRequestError("partition", "is none of this store's");
  }
  from = std::max(from, Position(1));
  Position next = from;
  storage::CommitView commit;
  const auto seen = [&](const RecordedEvent& event) {
    next = event.position.Next();
    return visitor(event);
  };
  const auto cursor = log_->Read(partition, from);
  for (; cursor->Valid(); cursor->Next()) {
    SKALD_RETURN_IF_ERROR(storage::DecodeCommit(cursor->record(), &commit));
    SKALD_ASSIGN_OR_RETURN(const bool more, VisitEvents(commit, from, seen));
    if (!more) return next;
  }
  SKALD_RETURN_IF_ERROR(cursor->status());
  return next;
}

Position EngineImpl::DurablePosition(PartitionId partition) const {
  return log_->LastPosition(partition);
}

EngineStatus EngineImpl::GetStatus() {
  EngineStatus status;
  status.store_id = std::string(log_->store_id());
  status.started = started_;
  for (uint32_t id = 0; id < figures_.size(); ++id) {
    const Figures& figures = figures_[id];
    status.partitions.push_back({.partition = PartitionId(id),
                                 .last = Position(figures.staged),
                                 .durable = Position(figures.durable),
                                 .applied = Position(figures.applied),
                                 .inbox = partitions_[id]->admission().under_way(),
                                 .cached_states = figures.cached_states,
                                 .commits = figures.commits,
                                 .commands = figures.commands,
                                 .serving = serving_});
  }
  status.queues = broker_->Queues();
  status.workers = broker_->worker_count();
  status.free_bytes = free_bytes_;
  if (writer_ == nullptr) return status;
  const storage::LogWriter::Stats stats = writer_->stats();
  status.log_batches = stats.batches + stats.inline_batches;
  status.log_commits = stats.commits;
  status.log_events = stats.events;
  status.log_bytes = stats.bytes;
  return status;
}

}  // namespace skald::runtime
