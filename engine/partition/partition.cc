#include "engine/partition/partition.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/saga/pending.h"
#include "storage/commit_record.h"

namespace skald::partition {
namespace {

using saga::AnswerTask;
using saga::Command;
using saga::Decision;
using saga::FireTimer;
using saga::SagaState;
using saga::StartSaga;

// Timers fired in one turn; the next turn goes on.
constexpr size_t kTimersAtOnce = 256;
// A timer whose firing changed nothing though it still stands is tried again after this.
constexpr Micros kTimerRetry = 10 * kSecond;

bool IsContinue(const Command& command) {
  const auto* const fire = std::get_if<FireTimer>(&command.request);
  return fire != nullptr && fire->kind == FireTimer::Kind::kContinue;
}

}  // namespace

Partition::Partition(const PartitionOptions& options, const PartitionEnvironment& environment)
    : options_(options),
      environment_(environment),
      admission_(options.partition, options.admission),
      gate_(options.partition, environment.outlet) {
  Reset();
}

// ---- Requests ----

void Partition::Submit(Command command, Ticket ticket, Done<CommandReply> done) {
  Lane& lane = std::holds_alternative<AnswerTask>(command.request) ? begun_ : inbox_;
  lane.requests.push_back(CommandRequest{std::move(command), std::move(ticket), std::move(done)});
}

void Partition::Submit(Command command, Done<CommandReply> done) {
  absl::StatusOr<Ticket> ticket = admission_.Enter(command);
  if (!ticket.ok()) return std::move(done)(ticket.status());
  Submit(std::move(command), *std::move(ticket), std::move(done));
}

void Partition::Deploy(DeployDefinition definition, Ticket ticket, Done<Deployment> done) {
  inbox_.requests.push_back(DeployRequest{std::move(definition), std::move(ticket), std::move(done)});
}

void Partition::Change(StoreChange change, Ticket ticket, Done<StoreChanged> done) {
  inbox_.requests.push_back(StoreChangeRequest{std::move(change), std::move(ticket), std::move(done)});
}

void Partition::GetSaga(SagaKey key, Ticket ticket, Done<saga::SagaView> done) {
  inbox_.requests.push_back(GetRequest{std::move(key), std::move(ticket), std::move(done)});
}

void Partition::WaitSaga(SagaKey key, Waiter waiter) {
  begun_.requests.push_back(WaitRequest{std::move(key), std::move(waiter)});
}

void Partition::StopWaiting(const SagaKey& key, uint64_t waiter_id) {
  if (waiters_.Remove(key, waiter_id)) return;
  const auto waits = [&](const Request& request) {
    const auto* const wait = std::get_if<WaitRequest>(&request);
    return wait != nullptr && wait->waiter.id == waiter_id;
  };
  for (std::deque<Request>* const requests : {&begun_.requests, &inbox_.requests}) {
    requests->erase(std::remove_if(requests->begin(), requests->end(), waits), requests->end());
  }
}

void Partition::FindHistory(SagaKey key, Revision from, Ticket ticket, Done<History> done) {
  inbox_.requests.push_back(HistoryRequest{std::move(key), from, std::move(ticket), std::move(done)});
}

void Partition::Receive(Message message) { begun_.requests.push_back(std::move(message)); }

// ---- A turn ----

void Partition::Poll(Timestamp now, std::vector<storage::StagedCommit>& staged) {
  if (!broken_.ok()) return RefuseRequests();
  now_ = std::max(now_, now);
  earliest_ = watermark_.BeginTurn(std::max(now_, fold_->last_time()));
  staged_ = &staged;
  staged_bytes_ = 0;
  const uint64_t commands = commands_;
  if (!closing_) {
    FireTimers();
    ExpireWaiters();
    CommitAcks();
    ResendMessages();
  }
  const size_t before = TakeFrom(begun_, 0);
  const size_t most = options_.turn_starts_max;
  TakeFrom(inbox_, std::max({most - std::min(most, 8 * before), most / 32, size_t{1}}));
  const Micros begun = begun_.delay.At(now_);
  admission_.SetDelays({.all = std::max(begun, inbox_.delay.At(now_)),
                        .begun = begun,
                        .write = std::max(begun_.delay.write_time(), inbox_.delay.write_time())},
                       now_);
  Maintain();
  staged_ = nullptr;
  ahead_.Staged(staged_position(), staged_bytes_);
  watermark_.EndTurn(staged_position(), fold_->last_time());
  // What the last one replaced may be large.
  if (commands_ != commands) decision_ = {};
}

size_t Partition::TakeFrom(Lane& lane, size_t starts_max) {
  lane.delay.BeginTurn(lane.requests.size(), now_);
  size_t taken = 0;
  while (taken < options_.turn_requests_max && !lane.requests.empty() && broken_.ok()) {
    // One may always go, or a flood of large answers would stop the rest.
    if (taken > 0 && staged_bytes_ >= options_.turn_bytes_max) break;
    if (IsStart(lane.requests.front()) && starts_max-- == 0) break;
    Request request = std::move(lane.requests.front());
    lane.requests.pop_front();
    std::visit([this](auto& each) { Handle(each); }, request);
    ++taken;
  }
  lane.delay.EndTurn(taken, lane.requests.size(), staged_position(), gate_.durable());
  return taken;
}

bool Partition::IsStart(const Request& request) {
  const auto* const command = std::get_if<CommandRequest>(&request);
  return command != nullptr && std::holds_alternative<StartSaga>(command->command.request);
}

Timestamp Partition::CommitTime(Timestamp not_before) const {
  return std::max({earliest_, fold_->last_time(), not_before});
}

// By place, so that a decision that is lost with the log and taken again draws the same.
uint64_t Partition::Random() const {
  // splitmix64
  uint64_t value = options_.seed + staged_position().Next().value() * 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

void Partition::Break(const absl::Status& status) {
  if (broken_.ok()) broken_ = status;
}

// ---- Commands ----

void Partition::Handle(CommandRequest& request) {
  ++commands_;
  const Command& command = request.command;
  const absl::StatusOr<CachedSaga*> found = fold_->Find(command.saga);
  if (!found.ok()) {
    Break(found.status());
    return Reply(request, PartitionNotServingError(options_.partition, "its rows are unreadable"));
  }
  CachedSaga* const saga = *found;
  const Definition* definition = nullptr;
  if (const auto* const start = std::get_if<StartSaga>(&command.request)) {
    if (saga != nullptr) return Repeat(saga->state, request);
    definition = fold_->definitions().Find(command.saga.namespace_name, start->definition_name,
                                           start->definition_version);
    if (definition == nullptr) {
      return Reply(request,
                   DefinitionNotFoundError(command.saga.namespace_name, start->definition_name,
                                           start->definition_version));
    }
  } else {
    if (saga == nullptr) return Reply(request, SagaNotFoundError(command.saga));
    const absl::StatusOr<bool> repeated = RepeatFromDedup(request);
    if (!repeated.ok()) {
      Break(repeated.status());
      return Reply(request,
                   PartitionNotServingError(options_.partition, "its rows are unreadable"));
    }
    if (*repeated) return;
    definition = fold_->definitions().FindByHash(saga->state.definition_hash);
  }
  if (definition == nullptr || definition->program == nullptr) {
    return Reply(request, InternalError("The definition of the saga is not usable"));
  }
  static const SagaState* const kNotStarted = new SagaState();
  const SagaState& state = saga != nullptr ? saga->state : *kNotStarted;
  if (!Decide(state, command, *definition)) {
    KeepTimer(state, command, kTimerRetry);
    return Reply(request, CommitTooLargeError(record_.size(), storage::kCommitBytesMax));
  }
  if (decision_.bodies.events_size() == 0) {
    KeepTimer(state, command, kTimerRetry);
    return Reply(request, decision_.reply);
  }
  Commit(saga, command.saga, request);
}

// A start of a saga that is there: the same request again is answered, any other refused.
void Partition::Repeat(const SagaState& state, CommandRequest& request) {
  const Command& command = request.command;
  if (command.request_id.empty() || command.request_id != state.request_id) {
    return Reply(request, SagaAlreadyExistsError(command.saga));
  }
  if (command.request_digest != state.request_digest) {
    return Reply(request, RequestIdReusedError(command.request_id));
  }
  CommandReply reply{.position = {options_.partition, Position(state.last_position)},
                     .saga = command.saga,
                     .duplicate = true};
  Reply(request, absl::StatusOr<CommandReply>(std::move(reply)));
}

absl::StatusOr<bool> Partition::RepeatFromDedup(CommandRequest& request) {
  const Command& command = request.command;
  if (command.request_id.empty() || std::holds_alternative<AnswerTask>(command.request)) {
    return false;
  }
  SKALD_ASSIGN_OR_RETURN(const std::optional<DedupRow> row,
                         fold_->dedup().Find(command.saga.namespace_name, command.request_id,
                                             CommitTime(), fold_->delta()));
  if (!row) return false;
  if (row->digest != command.request_digest || row->saga_id != command.saga.saga_id) {
    Reply(request, RequestIdReusedError(command.request_id));
    return true;
  }
  CommandReply reply{
      .position = {options_.partition, row->position}, .saga = command.saga, .duplicate = true};
  Reply(request, absl::StatusOr<CommandReply>(std::move(reply)));
  return true;
}

// Into decision_, and encoded into record_ when there are events. A step that does not fit a commit
// is cut short, and goes on as one that went on for too long; false when its least part is too
// large.
bool Partition::Decide(const SagaState& state, const Command& command,
                       const Definition& definition) {
  saga::DecideContext context{.now = CommitTime(),
                              .random = Random(),
                              .program = definition.program.get(),
                              .partition = options_.partition,
                              .next_position = staged_position().Next(),
                              .limits = options_.decide};
  const size_t moves_min = IsContinue(command) ? 1 : 0;
  while (true) {
    saga::Decide(state, command, context, decision_);
    if (decision_.bodies.events_size() == 0) return true;
    if (Encode(decision_.header, decision_.bodies, decision_.slots)) return true;
    if (decision_.moves <= moves_min) return false;
    context.limits.moves_per_step = std::max(moves_min, decision_.moves / 2);
  }
}

// Encodes a commit into record_; false when it is too large.
bool Partition::Encode(const log::v1::CommitHeader& header, const log::v1::EventBodies& bodies,
                       absl::Span<const std::string> slots) {
  bodies_bytes_.clear();
  SKALD_CHECK(bodies.AppendToString(&bodies_bytes_));
  slot_views_.assign(slots.begin(), slots.end());
  record_.clear();
  storage::EncodeCommit(header, bodies_bytes_, slot_views_, &record_);
  return record_.size() <= storage::kCommitBytesMax;
}

// Commits decision_.
void Partition::Commit(CachedSaga* saga, const SagaKey& key, CommandRequest& request) {
  static const SagaState* const kNotStarted = new SagaState();
  DutyChanges changes = CompareDuties(saga != nullptr ? saga->state : *kNotStarted,
                                      decision_.state, recovered_through_);
  staged_bytes_ += record_.size();
  staged_->push_back({.partition = options_.partition,
                      .first = Position(decision_.header.first_position()),
                      .count = decision_.header.count(),
                      .record = std::move(record_)});
  ++commits_;
  const CachedSaga& taken = fold_->Take(decision_.header, saga, decision_.state);
  HoldDuties(request.command, std::move(changes));
  // A step that was cut short again, within the same microsecond, has a timer equal to the last
  // one.
  KeepTimer(taken.state, request.command, 0);
  if (!waiters_.empty()) ReleaseWaiters(taken.state);
  if (!decision_.reply.ok()) return Reply(request, decision_.reply);
  CommandReply reply{.position = {options_.partition, staged_position()}, .saga = key};
  Reply(request, absl::StatusOr<CommandReply>(std::move(reply)));
}

void Partition::HoldDuties(const Command& command, DutyChanges changes) {
  const Position needs = staged_position();
  const auto* const answer = std::get_if<AnswerTask>(&command.request);
  for (task::ReadyTaskPtr& task : changes.opened) gate_.Hold(needs, EnqueueTask{std::move(task)});
  for (saga::TaskToken& token : changes.withdrawn) {
    gate_.Hold(needs, WithdrawTask{std::move(token)});
  }
  for (CancelledTask& task : changes.cancelled) gate_.Hold(needs, CancelTask{std::move(task)});
  for (saga::TaskToken& token : changes.closed) {
    const bool answered = answer != nullptr && answer->token == token;
    gate_.Hold(needs, CloseTask{std::move(token), answered});
  }
  for (const saga::Timer& timer : changes.timers_gone) timers_->Remove(command.saga, timer);
  for (const saga::Timer& timer : changes.timers_new) timers_->Add(command.saga, timer);
}

void Partition::ReleaseWaiters(const SagaState& state) {
  for (Waiter& waiter : waiters_.TakeOver(state)) {
    gate_.Hold(staged_position(),
               Answer<saga::SagaView>{std::move(waiter.done), saga::ViewOf(state),
                                      std::move(waiter.ticket)});
  }
}

// A fired timer is out of memory; if the saga still waits for it, it must come again.
void Partition::KeepTimer(const SagaState& state, const Command& command, Micros delay) {
  const auto* const fire = std::get_if<FireTimer>(&command.request);
  if (fire == nullptr || state.suspended) return;
  const std::vector<saga::Timer> pending = saga::PendingTimers(state);
  const saga::Timer timer{fire->due, fire->frame, fire->kind};
  if (!std::binary_search(pending.begin(), pending.end(), timer)) return;
  timers_->Postpone(command.saga, timer, After(now_, delay));
}

void Partition::Reply(CommandRequest& request, absl::StatusOr<CommandReply> reply) {
  if (!request.done) return;
  gate_.Hold(staged_position(), Answer<CommandReply>{std::move(request.done), std::move(reply),
                                                     std::move(request.ticket)});
}

void Partition::Reply(CommandRequest& request, const absl::Status& refusal) {
  if (!refusal.ok()) return Reply(request, absl::StatusOr<CommandReply>(refusal));
  CommandReply reply{.position = {options_.partition, staged_position()},
                     .saga = request.command.saga};
  Reply(request, absl::StatusOr<CommandReply>(std::move(reply)));
}

// ---- Reads ----

absl::StatusOr<CachedSaga*> Partition::FindForRead(const SagaKey& key) {
  absl::StatusOr<CachedSaga*> saga = fold_->Find(key);
  if (!saga.ok()) {
    Break(saga.status());
    return PartitionNotServingError(options_.partition, "its rows are unreadable");
  }
  if (*saga == nullptr) return SagaNotFoundError(key);
  return saga;
}

absl::StatusOr<saga::SagaView> Partition::ViewOf(const SagaKey& key) {
  SKALD_ASSIGN_OR_RETURN(const CachedSaga* const saga, FindForRead(key));
  return saga::ViewOf(saga->state);
}

void Partition::Handle(GetRequest& request) {
  gate_.Hold(staged_position(), Answer<saga::SagaView>{std::move(request.done), ViewOf(request.key),
                                                       std::move(request.ticket)});
}

void Partition::Handle(WaitRequest& request) {
  Waiter& waiter = request.waiter;
  const absl::StatusOr<CachedSaga*> saga = FindForRead(request.key);
  if (!saga.ok() && !std::exchange(request.is_in_line, true) && !inbox_.requests.empty()) {
    inbox_.requests.push_back(std::move(request));
    return;
  }
  const bool waits =
      saga.ok() && !IsOver((*saga)->state, waiter.until_parked) && waiter.deadline > now_;
  if (waits && !closing_) return waiters_.Add(request.key, std::move(waiter));
  absl::StatusOr<saga::SagaView> view = PartitionNotServingError(options_.partition, "it closes");
  if (!waits) view = ViewOf(request.key);
  gate_.Hold(staged_position(), Answer<saga::SagaView>{std::move(waiter.done), std::move(view),
                                                       std::move(waiter.ticket)});
}

absl::StatusOr<History> Partition::HistoryOf(const SagaKey& key, Revision from) {
  SKALD_RETURN_IF_ERROR(FindForRead(key).status());
  return fold_->FindHistory(key, from);
}

void Partition::Handle(HistoryRequest& request) {
  gate_.Hold(staged_position(),
             Answer<History>{std::move(request.done), HistoryOf(request.key, request.from),
                             std::move(request.ticket)});
}

// ---- Time ----

// With no room on disk nothing moves; timers wait as everything else. Nor do they run ahead of the
// log for long: nobody waits for an answer, so nothing else would stop them.
bool Partition::MayFire() const {
  return admission_.disk_space() != DiskSpace::kOut && ahead_.bytes() < options_.ahead_bytes_max;
}

void Partition::FireTimers() {
  if (!MayFire()) return;
  // All out first: what firing them brings is for the next turn, so that a saga which always has
  // more to do lets others go on. One that is taken back meanwhile is fired as well, and does
  // nothing.
  std::vector<TimerRow> due;
  while (due.size() < kTimersAtOnce) {
    std::optional<TimerRow> row = timers_->PopDue(now_);
    if (!row) break;
    due.push_back(*std::move(row));
  }
  for (TimerRow& row : due) {
    if (staged_bytes_ >= options_.turn_bytes_max) {
      timers_->Postpone(row.saga, row.timer, row.timer.due);
      continue;
    }
    CommandRequest request;
    request.command.saga = std::move(row.saga);
    request.command.request =
        FireTimer{.kind = row.timer.kind, .frame = row.timer.frame, .due = row.timer.due};
    Handle(request);
  }
}

void Partition::ExpireWaiters() {
  for (auto& [key, waiter] : waiters_.TakeExpired(now_)) {
    WaitRequest request{key, std::move(waiter)};
    Handle(request);
  }
}

Timestamp Partition::NextDue() const {
  if (HasWork()) return now_;
  if (!broken_.ok()) return kNever;
  Timestamp due = kNever;
  if (!closing_) due = std::min(waiters_.next_deadline(), fold_->mailbox().NextDue());
  if (!closing_ && MayFire()) due = std::min(due, timers_->next());
  if (!fold_->sealed()) {
    due = std::min(due, seal_due_);
    if (!captures_.empty() || !refills_.empty()) due = now_;
    if (closing_ && fold_->unsealed_events() > 0) due = now_;
    due = std::min(due, After(timers_->fetched_until(), -options_.timer_horizon / 2));
  }
  return due;
}

bool Partition::IsFetchDue() const {
  return timers_->fetched_until() <= After(now_, options_.timer_horizon / 2);
}

bool Partition::IsSealDue() const {
  if (fold_->sealed()) return false;
  if (!captures_.empty()) return true;
  if (!refills_.empty() && fold_->unsealed_events() > 0) return true;
  const uint64_t events = fold_->unsealed_events();
  if (events == 0) return false;
  return closing_ || IsFetchDue() || events >= options_.seal_events ||
         now_ >= seal_due_;
}

// Each partition has its own moment in every interval: all at once would hold up the turn. This is
// the first that is at least half an interval away.
Timestamp Partition::NextSeal() const {
  const Micros interval = options_.seal_interval;
  const Micros moment = interval * static_cast<Micros>(options_.partition.value()) /
                        static_cast<Micros>(options_.partition_count);
  const Micros earliest = now_.value() + interval / 2;
  const Micros past = (earliest % interval - moment + interval) % interval;
  return Timestamp(past == 0 ? earliest : earliest + interval - past);
}

void Partition::Maintain() {
  if (seal_due_ == kNever && fold_->unsealed_events() > 0) seal_due_ = NextSeal();
  if (IsSealDue()) {
    if (const absl::Status status = fold_->Seal(); !status.ok()) return Break(status);
    seal_due_ = kNever;
    sealed_captures_ = std::exchange(captures_, {});
    if (gate_.durable() >= fold_->sealed_position()) WriteSealed();
  }
  // Right after a seal every timer and task has its row, or is gone.
  if (fold_->unsealed_events() > 0) return;
  if (IsFetchDue()) {
    const absl::Status status = timers_->Fetch(fold_->delta(), After(now_, options_.timer_horizon));
    if (!status.ok()) return Break(status);
  }
  if (const absl::Status status = ServeRefills(); !status.ok()) Break(status);
}

// ---- The log ----

void Partition::WriteSealed() {
  const Position position = fold_->sealed_position();
  if (const absl::Status status = fold_->WriteSealed(environment_.views); !status.ok()) {
    return Break(status);
  }
  applied_ = position;
  for (Captured& taken : std::exchange(sealed_captures_, {})) {
    std::move(taken)(environment_.views.Snapshot(), position);
  }
}

absl::Status Partition::OnDurable(Position position, Timestamp now) {
  watermark_.Durable(position);
  // News of the writer may come after that of a later batch, which this thread wrote itself.
  if (position < gate_.durable()) return broken_;
  gate_.Open(position);
  ahead_.Durable(position);
  inbox_.delay.Durable(position, now);
  begun_.delay.Durable(position, now);
  if (broken_.ok() && fold_->sealed() && position >= fold_->sealed_position()) WriteSealed();
  return broken_;
}

void Partition::Capture(Captured taken) {
  if (!broken_.ok()) return std::move(taken)(nullptr, gate_.durable());
  captures_.push_back(std::move(taken));
}

bool Partition::IsWrittenOut() const {
  return applied_ == staged_position() && !fold_->sealed() && gate_.waiting() == 0;
}

PartitionStats Partition::stats() const {
  return {.staged = staged_position(),
          .durable = gate_.durable(),
          .applied = applied_,
          .inbox = waiting_requests(),
          .cached_states = fold_->cached_states(),
          .commits = commits_,
          .commands = commands_};
}

}  // namespace skald::partition
