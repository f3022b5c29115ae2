#include "tests/simulation/server.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/status_macros.h"

namespace skald::simulation {
namespace {

constexpr uint64_t kBatchCommitsMax = 64;
constexpr Micros kTickMax = kSecond;
constexpr Micros kTickMin = kMillisecond;
constexpr Micros kRoundInterval = 100 * kMillisecond;

}  // namespace

Server::Server(ServerOptions options, SimulatedDisk& disk, runtime::ProgramCache& programs,
               Chronicle& chronicle, Scheduler& scheduler, Trace& trace)
    : options_(std::move(options)),
      disk_(disk),
      programs_(programs),
      chronicle_(chronicle),
      scheduler_(scheduler),
      trace_(trace) {}

// Partitions answer what is left while they go; nobody hears it.
Server::~Server() {
  alive_.reset();
  models_.reset();
  slots_.clear();
}

absl::Status Server::Start() {
  auditor_ = std::make_unique<audit::Auditor>(
      disk_.log(), disk_.views(),
      [keys = std::vector<audit::SigningKey>{audit::SigningKey::Generate(
           audit::StoreName(disk_.log().store_id()))}] { return keys; });
  SKALD_RETURN_IF_ERROR(auditor_->CheckLog());
  task::BrokerOptions broker = options_.broker;
  broker.quiesced = [this](const saga::TaskToken& token, bool never_dispatched) {
    saga::Command command;
    command.saga = token.saga;
    command.request = saga::QuiesceTask{token, never_dispatched};
    const PartitionId id = PartitionOf(token.saga);
    Post(id, [this, id, command = std::move(command)]() mutable {
      slots_[id.value()].partition->Submit(std::move(command), partition::Ticket(), nullptr);
    });
  };
  broker.refill = [this](task::RefillRequest request) {
    if (!serving_) return;
    const PartitionId id = request.source;
    Post(id, [this, id, request = std::move(request)]() mutable {
      slots_[id.value()].partition->Refill(std::move(request));
    });
  };
  broker_ = std::make_unique<task::Broker>(std::move(broker));
  slots_ = std::vector<Slot>(options_.partitions);
  for (uint32_t id = 0; id < options_.partitions; ++id) {
    partition::PartitionOptions options = options_.partition;
    options.partition = PartitionId(id);
    options.partition_count = options_.partitions;
    options.seed = scheduler_.random().Next();
    slots_[id].partition = std::make_unique<partition::Partition>(
        options, partition::PartitionEnvironment{.log = disk_.log(),
                                                 .views = disk_.views(),
                                                 .programs = programs_,
                                                 .outlet = *this});
  }
  for (const Slot& slot : slots_) {
    SKALD_RETURN_IF_ERROR(slot.partition->Recover(scheduler_.now()));
  }
  std::vector<storage::Watermark*> watermarks;
  for (const Slot& slot : slots_) watermarks.push_back(&slot.partition->watermark());
  models_ = std::make_unique<SimulatedModels>(disk_, programs_, chronicle_, scheduler_, trace_,
                                              std::move(watermarks));
  SKALD_RETURN_IF_ERROR(models_->Open());
  serving_ = true;
  broker_->Begin(scheduler_.now());
  SampleFreeBytes();
  for (uint32_t id = 0; id < options_.partitions; ++id) Wake(PartitionId(id), scheduler_.now());
  Tick();
  In(kRoundInterval, [this] { FoldModels(); });
  return absl::OkStatus();
}

PartitionId Server::PartitionOf(const SagaKey& key) const {
  return simulation::PartitionOf(key, options_.partitions);
}

// ---- Requests ----

template <typename T>
Server::Done<T> Server::Leaving(Done<T> done) {
  return [this, done = std::move(done),
          alive = std::weak_ptr<bool>(alive_)](absl::StatusOr<T> answer) mutable {
    if (alive.expired()) return;
    Leave([done = std::move(done), answer = std::move(answer)]() mutable {
      std::move(done)(std::move(answer));
    });
  };
}

void Server::Submit(saga::Command command, Done<partition::CommandReply> done) {
  const PartitionId id = PartitionOf(command.saga);
  partition::Partition& partition = *slots_[id.value()].partition;
  absl::StatusOr<partition::Ticket> ticket = partition.admission().Enter(command);
  if (!ticket.ok()) return std::move(done)(ticket.status());
  Post(id, [&partition, command = std::move(command), ticket = *std::move(ticket),
            done = Leaving(std::move(done))]() mutable {
    partition.Submit(std::move(command), std::move(ticket), std::move(done));
  });
}

void Server::Deploy(partition::DeployDefinition definition, Done<partition::Deployment> done) {
  partition::Partition& partition = *slots_[0].partition;
  absl::StatusOr<partition::Ticket> ticket =
      partition.admission().EnterDeploy(definition.text.size());
  if (!ticket.ok()) return std::move(done)(ticket.status());
  Post(PartitionId(0), [&partition, definition = std::move(definition),
                        ticket = *std::move(ticket), done = Leaving(std::move(done))]() mutable {
    partition.Deploy(std::move(definition), std::move(ticket), std::move(done));
  });
}

void Server::GetSaga(SagaKey key, Done<saga::SagaView> done) {
  const PartitionId id = PartitionOf(key);
  partition::Partition& partition = *slots_[id.value()].partition;
  absl::StatusOr<partition::Ticket> ticket = partition.admission().EnterRead();
  if (!ticket.ok()) return std::move(done)(ticket.status());
  Post(id, [&partition, key = std::move(key), ticket = *std::move(ticket),
            done = Leaving(std::move(done))]() mutable {
    partition.GetSaga(std::move(key), std::move(ticket), std::move(done));
  });
}

void Server::WaitSaga(SagaKey key, Timestamp deadline, bool until_parked,
                      Done<saga::SagaView> done) {
  const PartitionId id = PartitionOf(key);
  Post(id, [&partition = *slots_[id.value()].partition, key = std::move(key), deadline,
            until_parked, waiter = next_waiter_++, done = Leaving(std::move(done))]() mutable {
    partition.WaitSaga(std::move(key), {.id = waiter,
                                        .deadline = deadline,
                                        .until_parked = until_parked,
                                        .done = std::move(done),
                                        .ticket = {}});
  });
}

void Server::FindHistory(SagaKey key, Revision from, Done<partition::History> done) {
  const PartitionId id = PartitionOf(key);
  partition::Partition& partition = *slots_[id.value()].partition;
  absl::StatusOr<partition::Ticket> ticket = partition.admission().EnterRead();
  if (!ticket.ok()) return std::move(done)(ticket.status());
  Post(id, [&partition, key = std::move(key), from, ticket = *std::move(ticket),
            done = Leaving(std::move(done))]() mutable {
    partition.FindHistory(std::move(key), from, std::move(ticket), std::move(done));
  });
}

// ---- Turns ----

void Server::In(Micros delay, Work work) {
  scheduler_.In(delay, [work = std::move(work), alive = std::weak_ptr<bool>(alive_)]() mutable {
    if (!alive.expired()) work();
  });
}

void Server::Post(PartitionId partition, Work work) {
  slots_[partition.value()].mail.push_back(std::move(work));
  Wake(partition, After(scheduler_.now(), scheduler_.random().Between(0, 300)));
}

void Server::Wake(PartitionId partition, Timestamp at) {
  Slot& slot = slots_[partition.value()];
  if (at >= slot.wake) return;
  slot.wake = at;
  const Micros delay = std::max<Micros>(0, at.value() - scheduler_.now().value());
  In(delay, [this, partition, at] {
    if (slots_[partition.value()].wake == at) Turn(partition);
  });
}

void Server::Turn(PartitionId id) {
  Slot& slot = slots_[id.value()];
  slot.wake = kNever;
  if (!fatal_.ok()) return;
  // Some of what comes in may just miss this turn.
  size_t taken = slot.mail.size();
  if (taken > 0 && scheduler_.random().Chance(20)) taken = scheduler_.random().Below(taken + 1);
  for (size_t i = 0; i < taken && fatal_.ok(); ++i) {
    Work work = std::move(slot.mail.front());
    slot.mail.pop_front();
    work();
  }
  partition::Partition& partition = *slot.partition;
  if (!fatal_.ok()) return;
  std::vector<storage::StagedCommit> staged;
  partition.Poll(scheduler_.now(), staged);
  if (!partition.broken().ok()) return Break(partition.broken());
  if (!staged.empty()) Stage(id, std::move(staged));
  if (!fatal_.ok()) return;
  if (!slot.mail.empty() || partition.HasWork()) {
    Wake(id, After(scheduler_.now(), scheduler_.random().Between(1, 300)));
  }
  const Timestamp due = partition.NextDue();
  if (due != kNever) Wake(id, std::max(due, After(scheduler_.now(), 1)));
  if (closing_ && closed_ && IsWrittenOut()) std::exchange(closed_, nullptr)();
}

absl::StatusOr<audit::SignedCheckpoint> Server::GetCheckpoint(PartitionId partition) {
  SKALD_ASSIGN_OR_RETURN(audit::SignedCheckpoint made,
                         auditor_->GetCheckpoint(partition, [] { return false; }));
  if (options_.mutation != Mutation::kStaleAudit) return made;
  return stale_.try_emplace(partition, std::move(made)).first->second;
}

// ---- The writer ----

void Server::Stage(PartitionId id, std::vector<storage::StagedCommit> staged) {
  const Position last = staged.back().last();
  if (options_.mutation == Mutation::kOpenGate) Tell(id, last);
  if (options_.mutation == Mutation::kEarlyViews) TellEarly(id, last);
  // A partition's thread that has nothing else to do writes its batch itself.
  if (queue_.empty() && !is_writing_ && scheduler_.random().Chance(30)) {
    writing_ = std::move(staged);
    const absl::Status status = disk_.log().Append(writing_);
    if (!status.ok()) return Break(status);
    writing_.clear();
    chronicle_.Read(disk_.log());
    return Tell(id, last);
  }
  std::move(staged.begin(), staged.end(), std::back_inserter(queue_));
  if (!is_writing_) BeginWrite();
}

void Server::BeginWrite() {
  Random& random = scheduler_.random();
  const uint64_t commits = std::min<uint64_t>(queue_.size(), 1 + random.Below(kBatchCommitsMax));
  for (uint64_t i = 0; i < commits; ++i) {
    writing_.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  is_writing_ = true;
  Micros delay = random.Between(80, 3 * kMillisecond);
  if (random.Chance(options_.slow_syncs)) delay = random.Between(kSecond / 2, 10 * kSecond);
  In(delay, [this] { EndWrite(); });
}

void Server::EndWrite() {
  if (!fatal_.ok()) return;
  const absl::Status status = disk_.log().Append(writing_);
  if (!status.ok()) return Break(status);
  const std::vector<storage::StagedCommit> written = std::exchange(writing_, {});
  chronicle_.Read(disk_.log());
  for (auto commit = written.begin(); commit != written.end(); ++commit) {
    const PartitionId id = commit->partition;
    const bool is_last = std::none_of(commit + 1, written.end(), [&](const auto& later) {
      return later.partition == id;
    });
    if (is_last) Post(id, [this, id, last = commit->last()] { Tell(id, last); });
  }
  is_writing_ = false;
  if (loses_next_) {
    const PartitionId id = *loses_next_;
    const bool wrote = std::any_of(written.begin(), written.end(),
                                   [&](const auto& commit) { return commit.partition == id; });
    if (wrote) {
      loses_next_.reset();
      Lose(id);
    }
  }
  if (!queue_.empty() && fatal_.ok()) BeginWrite();
}

void Server::Tell(PartitionId id, Position position) {
  Slot& slot = slots_[id.value()];
  while (!slot.held.empty() && slot.held.front().first <= position) {
    Work work = std::move(slot.held.front().second);
    slot.held.pop_front();
    work();
  }
  const absl::Status status = slot.partition->OnDurable(position, scheduler_.now());
  if (!status.ok()) Break(status);
}

void Server::TellEarly(PartitionId id, Position position) {
  early_ = id;
  early_position_ = position;
  const absl::Status status = slots_[id.value()].partition->OnDurable(position, scheduler_.now());
  early_.reset();
  if (!status.ok()) Break(status);
}

void Server::Leave(Work work) {
  if (!early_) return work();
  slots_[early_->value()].held.emplace_back(early_position_, std::move(work));
}

void Server::Break(const absl::Status& status) {
  if (!fatal_.ok()) return;
  fatal_ = status;
  trace_.Add(scheduler_.now(), absl::StrCat("server: fatal: ", status.message()));
}

// ---- What may happen to it ----

void Server::Lose(PartitionId id) {
  const auto lost = [&](const auto& commit) { return commit.partition == id; };
  // What is being written stays: it will be there, and after it comes what is decided from now on.
  if (std::any_of(writing_.begin(), writing_.end(), lost)) return;
  trace_.Add(scheduler_.now(), absl::StrCat("log loses what is not durable of ", id.value()));
  std::erase_if(queue_, lost);
  Slot& slot = slots_[id.value()];
  const absl::Status status = slot.partition->OnLost(scheduler_.now());
  if (!status.ok()) return Break(status);
  Wake(id, scheduler_.now());
}

void Server::SampleFreeBytes() {
  for (Slot& slot : slots_) {
    const partition::DiskSpace before = slot.partition->admission().disk_space();
    slot.partition->admission().SetFreeBytes(disk_.free_bytes());
    if (before != slot.partition->admission().disk_space()) Post(slot.partition->id(), [] {});
  }
}

void Server::Tick() {
  const Timestamp due = broker_->Poll(scheduler_.now());
  SampleFreeBytes();
  const Micros wait = std::clamp(due.value() - scheduler_.now().value(), kTickMin, kTickMax);
  In(wait, [this] { Tick(); });
}

void Server::FoldModels() {
  if (!fatal_.ok() || closing_) return;
  const absl::Status folded = models_->Round();
  // Over damage to the log models stand still.
  if (disk_.is_damaged() && HasReason(folded, ErrorReason::kLogCorrupt)) return;
  if (!folded.ok()) return Break(folded);
  In(kRoundInterval, [this] { FoldModels(); });
}

void Server::Close(std::function<void()> closed) {
  closing_ = true;
  closed_ = std::move(closed);
  const absl::Status why = PartitionNotServingError(PartitionId(0), "the engine is stopping");
  for (Slot& slot : slots_) {
    Post(slot.partition->id(), [&partition = *slot.partition, why] { partition.Close(why); });
  }
}

bool Server::IsWrittenOut() const {
  return std::all_of(slots_.begin(), slots_.end(), [](const Slot& slot) {
    return slot.mail.empty() && !slot.partition->HasWork() && slot.partition->IsWrittenOut();
  });
}

void Server::Capture(PartitionId id, partition::Partition::Captured taken) {
  Post(id, [&partition = *slots_[id.value()].partition, taken = std::move(taken)]() mutable {
    partition.Capture(std::move(taken));
  });
}

void Server::Behave() {
  options_.messages_lost = options_.messages_twice = options_.slow_syncs = 0;
  loses_next_.reset();
}

partition::PartitionStats Server::StatsOf(PartitionId partition) const {
  return slots_[partition.value()].partition->stats();
}

// ---- partition::Outlet ----

void Server::Enqueue(PartitionId from, std::vector<task::ReadyTaskPtr> tasks) {
  Leave([this, from, tasks = std::move(tasks)]() mutable {
    for (const task::ReadyTaskPtr& task : tasks) {
      const Chronicle::Saga* const saga = chronicle_.Find(task->token.saga);
      if (saga != nullptr &&
          saga->attempts.count({task->token.frame.value(), task->token.attempt}) > 0) {
        continue;
      }
      trace_.Violate("durable-first",
                     absl::StrCat("task ", task->token.frame.value(), " of ",
                                  Name(task->token.saga), " leaves, but is not in the log"));
    }
    broker_->Enqueue(from, std::move(tasks), scheduler_.now());
  });
}

void Server::Refilled(task::RefillReply reply) {
  Leave([this, reply = std::move(reply)]() mutable {
    broker_->Refilled(std::move(reply), scheduler_.now());
  });
}

void Server::Withdraw(absl::Span<const saga::TaskToken> tokens) {
  Leave([this, copy = std::vector(tokens.begin(), tokens.end())] { broker_->Withdraw(copy); });
}

void Server::Cancel(absl::Span<const partition::CancelledTask> tasks) {
  Leave([this, copy = std::vector(tasks.begin(), tasks.end())] {
    for (const auto& [token, from_recovery] : copy) {
      broker_->Cancel(token, from_recovery, scheduler_.now());
    }
  });
}

void Server::Closed(absl::Span<const saga::TaskToken> tokens) {
  Leave([this, copy = std::vector(tokens.begin(), tokens.end())] {
    broker_->Closed(copy, scheduler_.now());
  });
}

void Server::Dismissed(absl::Span<const saga::TaskToken> tokens) {
  Leave([this, copy = std::vector(tokens.begin(), tokens.end())] {
    broker_->Dismissed(copy, scheduler_.now());
  });
}

void Server::Send(partition::Message message) {
  Leave([this, message = std::move(message)]() mutable {
    Random& random = scheduler_.random();
    const PartitionId to(message.body.to());
    if (random.Chance(options_.messages_lost)) return;
    const int copies = random.Chance(options_.messages_twice) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      In(random.Between(0, 2 * kMillisecond), [this, to, message]() mutable {
        Post(to, [&partition = *slots_[to.value()].partition,
                  message = std::move(message)]() mutable { partition.Receive(std::move(message)); });
      });
    }
  });
}

void Server::Acknowledge(PartitionId sender, PartitionId receiver, uint64_t through) {
  Leave([this, sender, receiver, through] {
    if (scheduler_.random().Chance(options_.messages_lost)) return;
    Post(sender, [&partition = *slots_[sender.value()].partition, receiver, through] {
      partition.Acknowledged(receiver, through);
    });
  });
}

void Server::Deployed(PartitionId /*partition*/, const partition::DefinitionPtr& /*definition*/) {}

}  // namespace skald::simulation
