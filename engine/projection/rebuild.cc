// Building a generation beside what serves, and swapping it in.
//
// The builder's thread folds towards the live cut; when little is left it hands the generation to the
// rounds' thread, which folds the rest up to exactly the live cut, where both can be compared, and
// swaps them between two rounds.
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/projection/hand_over.h"
#include "engine/projection/projector_state.h"
#include "engine/projection/table_keys.h"

namespace skald::projection {
namespace {

using storage::RowChange;

constexpr uint64_t kBatchEvents = 20'000;
constexpr size_t kDeletedAtOnce = 10'000;
constexpr Micros kLookInterval = 100 * kMillisecond;
// A batch takes no longer, whatever a fold costs.
constexpr Micros kBatchTimeMax = kSecond;

}  // namespace

// ---- For operators ----

absl::StatusOr<std::shared_ptr<Projector::Build>> Projector::BeginRebuild(
    absl::string_view model, const RebuildOptions& options) {
  if (options.as_of) return BeginCopy(model, options);
  MutexLock lock(mu_);
  const auto found = entries_.find(model);
  if (found == entries_.end() || found->second->is_gone) return ModelNotFoundError(model);
  Entry& entry = *found->second;
  if (entry.build != nullptr && !entry.build->options.is_background) return ModelRebuildingError(model);
  if (entry.copy_as_of) {
    return BadRequestError("model", "is a copy as of a time, which does not change; delete it and make it anew");
  }
  return AddBuild(entry, options);
}

absl::StatusOr<std::shared_ptr<Projector::Build>> Projector::AddBuild(
    Entry& entry, const RebuildOptions& options) {
  std::vector<RowChange> changes;
  entry.build = std::make_shared<Build>();
  entry.build->generation = NewGeneration(changes);
  Checkpoint empty;
  empty.cut = EmptyCut();
  empty.version = entry.wanted->version;
  changes.push_back({CheckpointKey(entry.build->generation), empty.Encode()});
  StartBuild(entry, std::move(empty), options);
  changes.push_back(RegistryRow(entry));
  SKALD_RETURN_IF_ERROR(parts_.views.ApplyRows(changes));
  return entry.build;
}

absl::StatusOr<uint64_t> Projector::StartRebuild(absl::string_view model,
                                                 const RebuildOptions& options) {
  SKALD_ASSIGN_OR_RETURN(const std::shared_ptr<Build> build, BeginRebuild(model, options));
  return build->generation;
}

absl::StatusOr<RebuildResult> Projector::Rebuild(absl::string_view model,
                                                 const RebuildOptions& options,
                                                 absl::FunctionRef<bool()> stopped) {
  SKALD_ASSIGN_OR_RETURN(const std::shared_ptr<Build> build, BeginRebuild(model, options));
  MutexLock lock(mu_);
  while (!build->result) {
    if (stopping_) return ServerStoppingError();
    if (stopped()) build->is_cancelled = true;
    changed_.WaitFor(mu_, std::chrono::microseconds(kLookInterval));
  }
  return *build->result;
}

absl::StatusOr<Projector::Build*> Projector::FindBuild(absl::string_view model) {
  const auto found = entries_.find(model);
  if (found == entries_.end() || found->second->is_gone) return ModelNotFoundError(model);
  if (found->second->build != nullptr) return found->second->build.get();
  return ModelNotRebuildingError(model);
}

absl::Status Projector::CancelRebuild(absl::string_view model) {
  MutexLock lock(mu_);
  SKALD_ASSIGN_OR_RETURN(Build* const build, FindBuild(model));
  build->is_cancelled = true;
  NotifyAll();
  return absl::OkStatus();
}

absl::Status Projector::PauseRebuild(absl::string_view model, bool is_paused) {
  MutexLock lock(mu_);
  SKALD_ASSIGN_OR_RETURN(Build* const build, FindBuild(model));
  if (std::exchange(build->is_paused, is_paused)) build->BeginFolding(parts_.clock.Now());
  NotifyAll();
  return parts_.views.ApplyRows({RegistryRow(*entries_.find(model)->second)});
}

absl::Status Projector::DropPrevious(absl::string_view model) {
  MutexLock lock(mu_);
  const auto found = entries_.find(model);
  if (found == entries_.end() || found->second->is_gone) return ModelNotFoundError(model);
  Entry& entry = *found->second;
  if (entry.copy_as_of) {
    if (entry.build != nullptr) entry.build->is_cancelled = true;
    entry.is_gone = true;
    has_gone_ = true;
    NotifyAll();
    return parts_.views.ApplyRows({{RegistryKey(model), std::nullopt}});
  }
  if (entry.previous == 0) return absl::OkStatus();
  garbage_.push_back(std::exchange(entry.previous, 0));
  NotifyAll();
  return parts_.views.ApplyRows({RegistryRow(entry)});
}

// ---- The builder's thread ----

void Projector::RunBuilds() {
  while (true) {
    std::shared_ptr<Build> build;
    std::string to_check;
    {
      MutexLock lock(mu_);
      while (!stopping_ && builds_.empty() && garbage_.empty() && to_check.empty()) {
        to_check = NextToCheck();
        if (to_check.empty()) build_wanted_.WaitFor(mu_, std::chrono::microseconds(kSecond));
      }
      if (stopping_) return;
      build = NextBuild();
      if (build != nullptr && MakesWay(*build)) build = nullptr;
    }
    if (build != nullptr) {
      TakeBuild(build);
    } else if (!to_check.empty()) {
      BeginCheck(to_check);
    } else if (const absl::Status status = DeleteGarbage(); !status.ok()) {
      return Fail(status);
    }
  }
}

// The oldest, but one that is paused only when there is no other: it holds nobody up.
std::shared_ptr<Projector::Build> Projector::NextBuild() const {
  for (const std::shared_ptr<Build>& build : builds_) {
    if (!build->is_paused || build->is_cancelled) return build;
  }
  return builds_.empty() ? nullptr : builds_.front();
}

// What has been dropped is deleted first, unless somebody waits for a rebuild that goes as fast as
// it can: one that is slow, or paused for days, keeps no room on the disk. One that is paused lets
// other rebuilds go first too.
bool Projector::MakesWay(const Build& build) const {
  if (build.is_cancelled) return false;
  if (build.is_paused && NextBuild().get() != &build) return true;
  const bool is_slow =
      build.is_paused || build.options.is_background || build.options.events_per_second != 0;
  return is_slow && !garbage_.empty();
}

void Projector::TakeBuild(const std::shared_ptr<Build>& build) {
  const absl::Status status = FoldBuild(build);
  if (status.ok()) return;
  {
    MutexLock lock(mu_);
    if (build->gave_way) return;
  }
  EndBuild(build, status);
}

// Waits while the rebuild is paused or ahead of its rate, having folded so many events since the
// last call, or is of a time that the live cut has not reached. Returns the live cut. Not OK: it is
// given up, or gives way to others, and goes on later.
absl::StatusOr<Cut> Projector::AwaitTurn(Build& build, uint64_t folded) {
  MutexLock lock(mu_);
  build.folded += folded;
  build.events_done += folded;
  const auto is_throttled = [&] {
    const uint64_t rate = build.options.events_per_second;
    if (rate == 0) return false;
    const auto allowed = static_cast<double>(parts_.clock.Now().value() - build.folding_since.value()) /
                         kSecond * static_cast<double>(rate);
    return static_cast<double>(build.folded) > allowed;
  };
  const auto is_early = [&] {
    return build.options.as_of && cut_.time < *build.options.as_of && damage_.ok();
  };
  while (!stopping_ && !build.is_cancelled) {
    if (MakesWay(build)) {
      build.gave_way = true;
      return absl::AbortedError("others go first");
    }
    if (!build.is_paused && !is_throttled() && !is_early()) break;
    const bool wants_round = is_early();
    waiting_ += wants_round ? 1 : 0;
    round_wanted_.NotifyOne();
    changed_.WaitFor(mu_, std::chrono::microseconds(kLookInterval));
    waiting_ -= wants_round ? 1 : 0;
    if (wants_round) build.BeginFolding(parts_.clock.Now());
  }
  if (stopping_) return ServerStoppingError();
  if (build.is_cancelled) return absl::CancelledError("the rebuild was given up");
  SKALD_RETURN_IF_ERROR(build.part_broken);
  if (build.options.as_of) SKALD_RETURN_IF_ERROR(damage_);
  build.events_total = EventsBefore(cut_);
  return cut_;
}

// What is folded at once of a rebuild.
RoundBounds Projector::BatchOf(const Build& build, absl::Span<const Position> through,
                               Timestamp time) const {
  const Timestamp until = build.options.as_of.value_or(kNever);
  const uint64_t rate = build.options.events_per_second;
  const Timestamp end = After(parts_.clock.Now(), kBatchTimeMax);
  return {.through = through,
          .until = until,
          .time = std::min(time, until),
          .events_max = rate == 0 ? kBatchEvents : std::clamp<uint64_t>(rate / 10, 1, kBatchEvents),
          .bytes_max = options_.round_bytes_max,
          .is_over = [this, &build, at_end = RoundEnd(parts_.clock, end)]() mutable {
            return stopping_ || build.is_cancelled || at_end.HasCome();
          }};
}

// MODEL_STOPPED when what is built stands still before a poison event.
absl::Status Projector::CheckGoesOn(const Build& build) {
  const std::optional<Poison>& stopped = build.pass->foldings().front().table->checkpoint().stopped;
  if (!stopped) return absl::OkStatus();
  return ModelStoppedError(build.model->schema.name, stopped->partition, stopped->position,
                           stopped->error);
}

// Not OK: it came to an end without being swapped in.
absl::Status Projector::FoldBuild(const std::shared_ptr<Build>& build) {
  {
    MutexLock lock(mu_);
    build->BeginFolding(parts_.clock.Now());
    build->gave_way = false;
  }
  SKALD_RETURN_IF_ERROR(FoldInParts(*build));
  uint64_t folded = 0;
  HandOver hand_over(/*somebody_waits=*/!build->options.is_background);
  while (true) {
    SKALD_ASSIGN_OR_RETURN(const Cut target, AwaitTurn(*build, folded));
    const uint64_t total = EventsBefore(target);
    const uint64_t left = total - std::min(total, EventsBefore(build->pass->cut()));
    const Timestamp begun = parts_.clock.Now();
    if (!build->options.as_of && hand_over.IsLittle(left, begun)) {
      MutexLock lock(mu_);
      swapping_ = build;
      NotifyAll();
      while (!stopping_ && !build->result && damage_.ok()) changed_.Wait(mu_);
      if (build->result) return absl::OkStatus();
      return damage_.ok() ? ServerStoppingError() : damage_;
    }
    SKALD_ASSIGN_OR_RETURN(
        const RoundResult round,
        build->pass->Round(BatchOf(*build, target.positions, target.time), false));
    folded = round.events;
    hand_over.Folded(folded, parts_.clock.Now().value() - begun.value());
    SKALD_RETURN_IF_ERROR(CheckGoesOn(*build));
    if (build->options.as_of && round.is_complete) return ServeCopy(build);
  }
}

void Projector::EndBuild(const std::shared_ptr<Build>& build,
                         absl::StatusOr<RebuildResult> result) {
  absl::Status written;
  {
    MutexLock lock(mu_);
    written = SetEnded(build, std::move(result));
  }
  if (!written.ok()) Fail(written);
}

// Not OK: it has ended, but that could not be written.
absl::Status Projector::SetEnded(const std::shared_ptr<Build>& build,
                                 absl::StatusOr<RebuildResult> result) {
  absl::Status written;
  builds_.erase(std::remove(builds_.begin(), builds_.end(), build), builds_.end());
  if (swapping_ == build) swapping_ = nullptr;
  const auto found = entries_.find(build->model->schema.name);
  const bool is_entrys = found != entries_.end() && (found->second->build == build ||
                                                     found->second->live == build->generation);
  Entry* const entry = is_entrys ? found->second.get() : nullptr;
  const bool is_stopped = !result.ok() && HasReason(result.status(), ErrorReason::kModelStopped);
  if (entry != nullptr) {
    entry->build = nullptr;
    if (!build->options.is_background) {
      entry->last_build = {build->generation, result};
    } else if (!stopping_ && !build->is_cancelled) {
      EndCheck(*entry, result);
    }
  }
  // The process ends: the rebuild goes on where it was after the next start.
  const bool goes_on_later = stopping_ && !build->is_cancelled && !build->options.check_only;
  if (entry != nullptr && is_stopped && entry->live == 0) {
    // Nothing else serves, so show how far it came, and why no further.
    entry->live = build->generation;
    entry->serving = build->model;
    entry->SetStopped(build->pass->foldings().front().table->checkpoint());
    written = parts_.views.ApplyRows({RegistryRow(*entry)});
  } else if (!goes_on_later && (!result.ok() || build->options.check_only)) {
    garbage_.push_back(build->generation);
    // A copy that is not wanted any more leaves nothing.
    if (entry != nullptr && entry->copy_as_of && build->is_cancelled) {
      entry->is_gone = true;
      has_gone_ = true;
    }
    // One that could not be made is shown with why, until the next is made or the server stops.
    if (entry != nullptr && (entry->is_gone || entry->copy_as_of)) {
      written = parts_.views.ApplyRows({{RegistryKey(build->model->schema.name), std::nullopt}});
    } else if (entry != nullptr) {
      written = parts_.views.ApplyRows({RegistryRow(*entry)});
    }
  }
  build->result = std::move(result);
  NotifyAll();
  return written;
}

// Deletes one generation, unless a rebuild wants to begin that does not make way.
absl::Status Projector::DeleteGarbage() {
  uint64_t generation = 0;
  {
    MutexLock lock(mu_);
    generation = garbage_.back();
  }
  std::string place;
  while (true) {
    SKALD_ASSIGN_OR_RETURN(const bool is_gone,
                           DeleteGeneration(parts_.views, generation, kDeletedAtOnce, place));
    MutexLock lock(mu_);
    if (is_gone) {
      garbage_.erase(std::remove(garbage_.begin(), garbage_.end(), generation), garbage_.end());
      return absl::OkStatus();
    }
    const std::shared_ptr<Build> next = NextBuild();
    if (stopping_ || (next != nullptr && !MakesWay(*next))) return absl::OkStatus();
  }
}

// ---- The rounds' thread ----

// What came since the builder looked: no commits, or few. False: that was much, and the live models
// have their turn before it goes on. Not OK: it is not to be swapped in.
absl::StatusOr<bool> Projector::FoldRest(Build& build, const Cut& cut) {
  if (stopping_) return ServerStoppingError();
  if (build.is_cancelled) return absl::CancelledError("the rebuild was given up");
  const Timestamp end = After(parts_.clock.Now(), kRestTimeMax);
  const RoundBounds bounds{
      .through = cut.positions,
      .until = kNever,
      .time = cut.time,
      .events_max = kBatchEvents,
      .bytes_max = options_.round_bytes_max,
      .is_over = [&, is_over = RoundIsOver(end)] { return build.is_cancelled || is_over(); }};
  SKALD_ASSIGN_OR_RETURN(const RoundResult round, build.pass->Round(bounds, false));
  SKALD_RETURN_IF_ERROR(CheckGoesOn(build));
  return round.is_complete;
}

absl::Status Projector::SwapIn() {
  std::shared_ptr<Build> build;
  Cut cut;
  {
    MutexLock lock(mu_);
    if (swapping_ == nullptr) return absl::OkStatus();
    build = swapping_;
    cut = cut_;
  }
  const auto is_served_by = [&](const Folding& folding) {
    return folding.model->schema.name == build->model->schema.name;
  };
  const absl::StatusOr<bool> folded = FoldRest(*build, cut);
  // It goes on after the next start.
  if (stopping_) return absl::OkStatus();
  if (!folded.ok()) {
    // The live models have what they need, as when the builder's thread meets it.
    EndBuild(build, folded.status());
    return absl::OkStatus();
  }
  if (!*folded) return absl::OkStatus();
  const Checkpoint& checkpoint = build->pass->foldings().front().table->checkpoint();
  RebuildResult result{.generation = build->generation,
                       .rows = checkpoint.rows,
                       .events = EventsBefore(cut),
                       .took = parts_.clock.Now().value() - build->started.value(),
                       .hash = checkpoint.hash.ToHex(),
                       .cut = cut};
  for (const Folding& live : pass_->foldings()) {
    if (is_served_by(live) && live.model->version == build->model->version) {
      result.previous_hash = live.table->checkpoint().hash.ToHex();
    }
  }
  if (build->options.check_only) {
    EndBuild(build, std::move(result));
    return absl::OkStatus();
  }
  MutexLock lock(mu_);
  const auto found = entries_.find(build->model->schema.name);
  if (build->is_cancelled || found == entries_.end() || found->second->build != build) {
    return SetEnded(build, absl::CancelledError("the rebuild was given up"));
  }
  Entry& entry = *found->second;
  if (entry.previous != 0) garbage_.push_back(entry.previous);
  entry.previous = std::exchange(entry.live, build->generation);
  entry.serving = build->model;
  entry.stopped.reset();
  entry.recent.clear();
  entry.recent_bytes = 0;
  entry.recent_from = cut;
  std::vector<Folding> foldings = pass_->TakeAll();
  for (Folding& live : foldings) {
    if (!is_served_by(live)) pass_->Add(std::move(live));
  }
  for (Folding& built : build->pass->TakeAll()) pass_->Add(std::move(built));
  entry.build = nullptr;
  SKALD_RETURN_IF_ERROR(parts_.views.ApplyRows({RegistryRow(entry)}));
  // Before anyone can see that it does not go on.
  return SetEnded(build, std::move(result));
}

}  // namespace skald::projection
