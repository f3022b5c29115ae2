// How a partition comes up: from views and the log's tail behind them.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/overloaded.h"
#include "base/status_macros.h"
#include "engine/partition/partition.h"
#include "engine/partition/rows.h"
#include "storage/commit_record.h"

namespace skald::partition {

void Partition::Reset() {
  fold_ = std::make_unique<Fold>(FoldOptions{.partition = options_.partition,
                                             .partition_count = options_.partition_count,
                                             .cached_state_bytes = options_.cached_state_bytes},
                                 environment_.views, environment_.programs);
  timers_.emplace(options_.partition);
  seal_due_ = kNever;
  inbox_.delay.Clear();
  begun_.delay.Clear();
  ahead_.Clear();
}

absl::Status Partition::Recover(Timestamp now) {
  now_ = now;
  SKALD_ASSIGN_OR_RETURN(applied_, environment_.views.AppliedPosition(options_.partition));
  const Position last = environment_.log.LastPosition(options_.partition);
  if (applied_ > last) {
    return LogCorruptError(
        options_.partition, last.Next(),
        absl::StrCat("views were made of events through position ", applied_.value(),
                     ", which the log does not hold any more"));
  }
  fold_->SetLast(applied_, Timestamp(0));
  SKALD_RETURN_IF_ERROR(fold_->Load(environment_.log));
  SKALD_RETURN_IF_ERROR(ReplayTail());
  SKALD_RETURN_IF_ERROR(SetLastTime());
  watermark_.Restart(last, fold_->last_time());
  gate_.Discard(absl::OkStatus(), last);
  for (const DefinitionPtr& definition : fold_->definitions().All()) {
    environment_.outlet.Deployed(options_.partition, definition);
  }
  if (options_.partition == PartitionId(0)) {
    environment_.outlet.ModelsChanged(fold_->models().All());
  }
  SKALD_RETURN_IF_ERROR(timers_->Fetch(fold_->delta(), After(now, options_.timer_horizon)));
  recovered_through_ = fold_->last_time();
  refills_.clear();
  SKALD_RETURN_IF_ERROR(AnnounceTasks());
  fold_->mailbox().ResendAll();
  return absl::OkStatus();
}

absl::Status Partition::ReplayTail() {
  const auto cursor = environment_.log.Read(options_.partition, applied_.Next());
  for (; cursor->Valid(); cursor->Next()) {
    SKALD_RETURN_IF_ERROR(fold_->Replay(cursor->record()));
    if (fold_->unsealed_events() >= options_.seal_events) SKALD_RETURN_IF_ERROR(SealReplayed());
  }
  SKALD_RETURN_IF_ERROR(cursor->status());
  if (fold_->last_position() != environment_.log.LastPosition(options_.partition)) {
    return LogCorruptError(options_.partition, fold_->last_position().Next(),
                           "the log ends before its last position");
  }
  return fold_->unsealed_events() > 0 ? SealReplayed() : absl::OkStatus();
}

absl::Status Partition::SealReplayed() {
  SKALD_RETURN_IF_ERROR(fold_->Seal());
  applied_ = fold_->sealed_position();
  return fold_->WriteSealed(environment_.views);
}

// A clock that was set back must not bring commit times back.
absl::Status Partition::SetLastTime() {
  const Position last = fold_->last_position();
  if (last == Position(0) || fold_->last_time() != Timestamp(0)) return absl::OkStatus();
  const auto cursor = environment_.log.Read(options_.partition, last);
  if (!cursor->Valid()) {
    SKALD_RETURN_IF_ERROR(cursor->status());
    return LogCorruptError(options_.partition, last, "the last commit is missing");
  }
  SKALD_ASSIGN_OR_RETURN(const storage::CommitView commit, storage::DecodeCommit(cursor->record()));
  fold_->SetLast(last, Timestamp(commit.header.time_us()));
  return absl::OkStatus();
}

void Partition::Abandon(const absl::Status& why) {
  for (PendingDeployment& pending : std::exchange(deployments_, {})) {
    std::move(pending.request.done)(why);
  }
  for (auto* const captures : {&captures_, &sealed_captures_}) {
    for (Captured& taken : std::exchange(*captures, {})) {
      std::move(taken)(nullptr, gate_.durable());
    }
  }
}

absl::Status Partition::OnLost(Timestamp now) {
  const absl::Status lost = PartitionNotServingError(
      options_.partition, "its log lost what was not durable, perhaps with this request");
  const Position last = environment_.log.LastPosition(options_.partition);
  // What the log has, though nobody said so yet, leaves: a task that it closed must not stay open.
  gate_.Open(last);
  gate_.Discard(lost, last);
  Abandon(lost);
  // The sagas they wait for may be gone: everyone asks again.
  for (auto& [key, waiter] : waiters_.TakeAll()) {
    inbox_.requests.push_front(WaitRequest{key, std::move(waiter)});
  }
  Reset();
  return Recover(now);
}

void Partition::Close(const absl::Status& why) {
  closing_ = true;
  Abandon(why);
  for (auto& [key, waiter] : waiters_.TakeAll()) std::move(waiter.done)(why);
}

void Partition::GiveUp(const absl::Status& failure) {
  Break(failure);
  const absl::Status why = PartitionNotServingError(options_.partition, broken_.message());
  gate_.Discard(why, gate_.durable());
  Close(why);
  RefuseRequests();
}

void Partition::RefuseRequests() {
  const absl::Status why = PartitionNotServingError(options_.partition, broken_.message());
  const auto tell = [&](auto& request) {
    if (request.done) std::move(request.done)(why);
  };
  for (Lane* const lane : {&inbox_, &begun_}) {
    for (Request& request : std::exchange(lane->requests, {})) {
      std::visit(Overloaded{
                     [&](CommandRequest& command) { tell(command); },
                     [&](GetRequest& get) { tell(get); },
                     [&](WaitRequest& wait) { tell(wait.waiter); },
                     [&](HistoryRequest& history) { tell(history); },
                     [&](DeployRequest& deploy) { tell(deploy); },
                     [&](StoreChangeRequest& change) { tell(change); },
                     [](Message&) {},
                 },
                 request);
    }
  }
}

Partition::~Partition() { GiveUp(absl::CancelledError("it was closed")); }

}  // namespace skald::partition
