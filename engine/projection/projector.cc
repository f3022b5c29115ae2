#include "engine/projection/projector.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/this_thread.h"
#include "engine/projection/projector_state.h"
#include "storage/commit_record.h"

namespace skald::projection {
namespace {

// A round takes no longer than this before others get their turn.
constexpr Micros kCatchUpMax = kSecond;
// Changes are kept so long after the last watcher has gone, for it may come back.
constexpr Micros kWatchersRemembered = kMinute;
constexpr Micros kTellInterval = kSecond;
// Nobody is woken for something that does not come by itself, so look now and then.
constexpr Micros kLookInterval = 50 * kMillisecond;

size_t BytesOf(const ModelDeltas& deltas) {
  size_t bytes = sizeof(deltas) + deltas.after.positions.size() * 16;
  for (const RowDelta& row : deltas.rows) {
    bytes += sizeof(row) + row.key.size();
    if (row.before) bytes += row.before->ApproximateBytes();
    if (row.after) bytes += row.after->ApproximateBytes();
  }
  return bytes;
}

bool Covers(absl::Span<const Position> positions, absl::Span<const Position> wanted) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (positions[i] < wanted[i]) return false;
  }
  return true;
}

}  // namespace

void BeginBuilderThread() {
  NameThread("model-rebuild");
  LowerPriority(kBackgroundNiceness);
}

void Projector::Start() {
  {
    MutexLock lock(mu_);
    check_due_ = After(parts_.clock.Now(), options_.check_interval);
  }
  rounds_ = std::thread([this] {
    NameThread("models");
    LowerPriority(kModelsNiceness);
    RunRounds();
  });
  builder_ = std::thread([this] {
    BeginBuilderThread();
    RunBuilds();
  });
}

void Projector::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    interrupts_check_ = true;
    NotifyAll();
  }
  if (rounds_.joinable()) rounds_.join();
  if (builder_.joinable()) builder_.join();
}

void Projector::OnLogGrown() {
  has_grown_ = true;
  if (!awaits_growth_.exchange(false)) return;
  MutexLock lock(mu_);
  round_wanted_.NotifyOne();
}

void Projector::NotifyAll() {
  changed_.NotifyAll();
  round_wanted_.NotifyOne();
  build_wanted_.NotifyOne();
}

void Projector::Fail(const absl::Status& status) {
  const bool is_of_log = HasReason(status, ErrorReason::kLogCorrupt);
  {
    MutexLock lock(mu_);
    // What broke because the engine stops is no news.
    if (stopping_ || broken_ || (is_of_log && !damage_.ok())) return;
    if (is_of_log) {
      damage_ = status;
    } else {
      broken_ = true;
    }
    NotifyAll();
  }
  // Sagas that need nothing of the damaged place go on.
  if (!is_of_log) return parts_.on_fatal(status);
  std::fprintf(stderr, "skald: read models stand still: %s\n",
               std::string(status.message()).c_str());
}

// ---- Rounds ----

void Projector::RunRounds() {
  while (WaitForWork()) {
    if (const absl::Status status = RunRound(); !status.ok()) return Fail(status);
  }
}

absl::Status Projector::RunRound() {
  RemoveGone();
  SKALD_RETURN_IF_ERROR(SwapIn());
  const absl::Status status = TakeRound();
  round_took_ = parts_.clock.Now().value() - last_round_.value();
  return status;
}

bool Projector::WaitForWork() {
  MutexLock lock(mu_);
  while (!stopping_) {
    if (swapping_ != nullptr || has_gone_) return true;
    const Micros pace = RoundPace(options_.pace, {.waiting = waiting_, .watchers = watchers_},
                                  round_took_, held_up_);
    const Timestamp now = parts_.clock.Now();
    const Timestamp due = After(last_round_, pace);
    // Watchers mark their progress also when the last change was none of theirs.
    if (watchers_ > 0 && now >= After(told_, kTellInterval)) TellListeners(now);
    const bool is_due = now >= due;
    // Said before it looks: growth is seen here, or sees this.
    awaits_growth_ = is_due && watchers_ > 0;
    if (is_due && (has_grown_ || waiting_ > 0)) return true;
    const Micros wait = is_due ? pace : due.value() - now.value();
    round_wanted_.WaitFor(mu_,
                          std::chrono::microseconds(std::clamp<Micros>(wait, 50, kTellInterval)));
  }
  return false;
}

absl::Status Projector::TakeRound() {
  has_grown_ = false;
  last_round_ = parts_.clock.Now();
  const Timestamp until = RaiseWatermarks();
  const std::vector<Position> durable = DurablePositions();
  bool with_deltas = false;
  {
    MutexLock lock(mu_);
    with_deltas = watchers_ > 0 || last_round_ < watched_until_;
  }
  const Timestamp end = After(last_round_, kCatchUpMax);
  const RoundBounds bounds{.through = durable,
                           .until = until,
                           .time = until,
                           .events_max = options_.round_events_max,
                           .bytes_max = options_.round_bytes_max,
                           .is_over = RoundIsOver(end)};
  while (true) {
    const Cut before = pass_->cut();
    SKALD_ASSIGN_OR_RETURN(RoundResult result, pass_->Round(bounds, with_deltas));
    const bool is_complete = result.is_complete;
    const bool is_held_up = result.commits == 0 && pass_->cut().positions != durable;
    held_up_ = is_held_up ? held_up_ + 1 : 0;
    Publish(std::move(result), before);
    // What is durable and not final is for a later round.
    if (!is_complete || pass_->cut().positions != durable) has_grown_ = true;
    if (is_complete || stopping_ || has_gone_) return absl::OkStatus();
    if (parts_.clock.Now() >= end) return absl::OkStatus();
  }
}

// For a round of the live models: whether its thread is wanted elsewhere, or others have their
// turn.
std::function<bool()> Projector::RoundIsOver(Timestamp end) const {
  return [this, at_end = RoundEnd(parts_.clock, end)]() mutable {
    return stopping_ || has_gone_ || at_end.HasCome();
  };
}

// Returns up to when the commits of all partitions are final.
Timestamp Projector::RaiseWatermarks() {
  const Timestamp floor = std::max({last_round_, latest_, pass_->cut().time});
  Timestamp final = floor;
  for (storage::Watermark* const watermark : parts_.watermarks) {
    const storage::Watermark::Reading reading = watermark->Raise(floor);
    final = std::min(final, reading.through);
    latest_ = std::max(latest_, reading.latest);
  }
  return final;
}

std::vector<Position> Projector::DurablePositions() const {
  std::vector<Position> positions;
  for (uint32_t id = 0; id < partition_count_; ++id) {
    positions.push_back(parts_.log.LastPosition(PartitionId(id)));
  }
  return positions;
}

void Projector::Publish(RoundResult result, const Cut& before) {
  MutexLock lock(mu_);
  cut_ = pass_->cut();
  for (size_t i = 0; i < pass_->foldings().size(); ++i) {
    const Folding& folding = pass_->foldings()[i];
    Entry& entry = *entries_.at(folding.model->schema.name);
    entry.SetStopped(folding.table->checkpoint());
    if (result.deltas.empty()) {
      // Nobody asked: what changed in this round is not known.
      if (result.commits == 0) continue;
      entry.recent.clear();
      entry.recent_bytes = 0;
      entry.recent_from = cut_;
      continue;
    }
    if (result.deltas[i].empty()) continue;
    auto deltas = std::make_shared<ModelDeltas>();
    deltas->generation = folding.table->generation();
    deltas->before = before;
    deltas->after = cut_;
    deltas->rows = std::move(result.deltas[i]);
    entry.recent_bytes += BytesOf(*deltas);
    entry.recent.push_back(std::move(deltas));
    while (entry.recent_bytes > options_.recent_bytes_max) {
      entry.recent_bytes -= BytesOf(*entry.recent.front());
      entry.recent_from = entry.recent.front()->after;
      entry.recent.pop_front();
    }
  }
  changed_.NotifyAll();
  TellListeners(parts_.clock.Now());
}

void Projector::TellListeners(Timestamp now) {
  told_ = now;
  for (const auto& [id, listener] : listeners_) listener();
}

// ---- Reading ----

std::vector<ModelSchema> Projector::Schemas() const {
  std::vector<ModelSchema> schemas;
  {
    MutexLock lock(mu_);
    for (const auto& [name, entry] : entries_) {
      const std::shared_ptr<const Model>& model =
          entry->serving != nullptr ? entry->serving : entry->wanted;
      if (!entry->is_gone) schemas.push_back(model->schema);
    }
  }
  for (const ComputedModel& computed : parts_.computed) schemas.push_back(computed.schema);
  std::sort(schemas.begin(), schemas.end(),
            [](const ModelSchema& a, const ModelSchema& b) { return a.name < b.name; });
  return schemas;
}

absl::StatusOr<std::vector<Position>> Projector::WantedPositions(
    const OpenOptions& options) const {
  std::vector<Position> wanted(partition_count_);
  auto named = options.min_positions;
  if (options.as_of_position) named.push_back(*options.as_of_position);
  for (const auto& [partition, position] : named) {
    if (partition.value() >= partition_count_) {
      return BadRequestError("position.partition",
                             absl::StrCat("is ", partition.value(), "; this store has partitions 0 to ",
                                          partition_count_ - 1));
    }
    const Position last = parts_.log.LastPosition(partition);
    if (position > last) {
      return BadRequestError(
          "position.position",
          absl::StrCat("is ", position.value(), ", past the end of partition ", partition.value(),
                       "'s log at ", last.value()));
    }
    wanted[partition.value()] = std::max(wanted[partition.value()], position);
  }
  if (!named.empty() || options.allow_stale) return wanted;
  return DurablePositions();
}

absl::Status Projector::WaitFor(absl::string_view model, const OpenOptions& options) {
  if (options.as_of_time && *options.as_of_time > parts_.clock.Now()) {
    return BadRequestError("as_of", "lies in the future");
  }
  SKALD_ASSIGN_OR_RETURN(const std::vector<Position> wanted, WantedPositions(options));
  const Timestamp time = options.as_of_time.value_or(Timestamp(0));
  MutexLock lock(mu_);
  const auto is_past = [&] { return cut_.time >= time && Covers(cut_.positions, wanted); };
  while (true) {
    if (stopping_) return ServerStoppingError();
    const bool has_rows = is_past();
    const auto found = entries_.find(model);
    if (found == entries_.end() || found->second->is_gone) return ModelNotFoundError(model);
    if (found->second->copy_as_of && !options.min_positions.empty()) {
      return BadRequestError("min_positions", "are of no use for a copy as of a time, which does not change");
    }
    const bool is_enough = has_rows || found->second->copy_as_of.has_value();
    if (is_enough && found->second->live != 0) return absl::OkStatus();
    if (!damage_.ok()) return damage_;
    // None come by themselves.
    if (found->second->live == 0 && found->second->build == nullptr) {
      return found->second->WhyNotBuilt();
    }
    const Timestamp now = parts_.clock.Now();
    if (now >= options.wait_until || broken_) {
      uint64_t behind = 0;
      for (uint32_t id = 0; id < partition_count_; ++id) {
        behind += wanted[id] > cut_.positions[id]
                      ? wanted[id].value() - cut_.positions[id].value()
                      : 0;
      }
      if (found->second->live == 0 && found->second->build != nullptr) {
        const Build& build = *found->second->build;
        behind = std::max(behind, EventsBefore(cut_) - std::min(EventsBefore(cut_), build.events_done));
      }
      return ModelBehindError(model, behind);
    }
    // A round helps, unless it is a rebuild that is waited for.
    if (!has_rows) {
      ++waiting_;
      round_wanted_.NotifyOne();
    }
    const Micros wait = std::min(options.wait_until.value() - now.value(), kLookInterval);
    changed_.WaitFor(mu_, std::chrono::microseconds(std::max<Micros>(wait, 1)));
    if (!has_rows) --waiting_;
  }
}

// Where in merged order the commit stands that the caller means.
absl::StatusOr<std::optional<Stamp>> Projector::StampOf(const OpenOptions& options) const {
  if (options.as_of_time) {
    // The last of that time.
    return Stamp{*options.as_of_time, PartitionId(0xFFFFFFFF), Position(~uint64_t{0})};
  }
  if (!options.as_of_position) return std::nullopt;
  const auto [partition, position] = *options.as_of_position;
  if (position == Position(0)) return Stamp{};
  const auto cursor = parts_.log.Read(partition, position);
  if (!cursor->Valid()) {
    SKALD_RETURN_IF_ERROR(cursor->status());
    return LogCorruptError(partition, position, "a commit is missing");
  }
  SKALD_ASSIGN_OR_RETURN(const storage::CommitView commit, storage::DecodeCommit(cursor->record()));
  return Stamp{Timestamp(commit.header.time_us()), partition,
               Position(commit.header.first_position())};
}

// Of one moment: a generation that does not serve any more may lose its rows at any time.
absl::StatusOr<Projector::Served> Projector::FindServed(absl::string_view model) const {
  MutexLock lock(mu_);
  const auto found = entries_.find(model);
  if (found == entries_.end() || found->second->serving == nullptr) {
    return ModelNotFoundError(model);
  }
  const std::shared_ptr<const Model>& serving = found->second->serving;
  return Served{.schema = std::shared_ptr<const ModelSchema>(serving, &serving->schema),
                .generation = found->second->live,
                .snapshot = parts_.views.Snapshot()};
}

absl::StatusOr<std::unique_ptr<ModelRows>> Projector::Open(absl::string_view model,
                                                           const OpenOptions& options) {
  for (const ComputedModel& computed : parts_.computed) {
    if (computed.schema.name != model) continue;
    if (options.as_of_time || options.as_of_position) return ModelWithoutHistoryError(model);
    Cut cut;
    {
      MutexLock lock(mu_);
      cut = cut_;
    }
    return computed.open(cut);
  }
  SKALD_RETURN_IF_ERROR(WaitFor(model, options));
  SKALD_ASSIGN_OR_RETURN(Served served, FindServed(model));
  SKALD_ASSIGN_OR_RETURN(const std::optional<Stamp> as_of, StampOf(options));
  if (as_of && !served.schema->history) return ModelWithoutHistoryError(model);
  SKALD_ASSIGN_OR_RETURN(std::unique_ptr<TableRows> rows,
                         TableRows::Open(std::move(served.snapshot), std::move(served.schema),
                                         served.generation, as_of));
  const std::optional<Poison>& stopped = rows->checkpoint().stopped;
  if (stopped && !options.allow_stale) {
    return ModelStoppedError(model, stopped->partition, stopped->position, stopped->error);
  }
  return rows;
}

std::vector<ModelStatus> Projector::GetStatus() const {
  std::vector<ModelStatus> all;
  uint64_t last = 0;
  for (uint32_t id = 0; id < partition_count_; ++id) {
    last += parts_.log.LastPosition(PartitionId(id)).value();
  }
  MutexLock lock(mu_);
  for (const auto& [name, entry] : entries_) {
    if (entry->is_gone) continue;
    ModelStatus status{.name = name,
                       .description = entry->wanted->schema.description,
                       .built_in = entry->wanted->schema.built_in,
                       .copy_as_of = entry->copy_as_of};
    status.generation = entry->live;
    status.previous_generation = entry->previous;
    status.last_build = entry->last_build;
    status.last_check = entry->last_check;
    const absl::StatusOr<std::optional<Checkpoint>> checkpoint = FindCheckpoint(entry->live);
    if (checkpoint.ok() && checkpoint->has_value()) {
      status.rows = (*checkpoint)->rows;
      status.hash = (*checkpoint)->hash.ToHex();
      status.stopped = (*checkpoint)->stopped;
      status.parked = (*checkpoint)->parked;
      const bool is_still = status.stopped || entry->copy_as_of;
      status.cut = is_still ? (*checkpoint)->cut : cut_;
      if (!entry->copy_as_of) status.events_behind = last - std::min(last, EventsBefore(status.cut));
    }
    if (entry->build != nullptr) {
      const Build& build = *entry->build;
      status.build = {.generation = build.generation,
                      .events_done = build.events_done,
                      .events_total = std::max(build.events_total, EventsBefore(cut_)),
                      .started = build.started,
                      .is_paused = build.is_paused,
                      .is_check = build.options.check_only};
    }
    all.push_back(std::move(status));
  }
  return all;
}

absl::StatusOr<std::vector<Poison>> Projector::ParkedEvents(absl::string_view model,
                                                            size_t count) const {
  SKALD_ASSIGN_OR_RETURN(Served served, FindServed(model));
  SKALD_ASSIGN_OR_RETURN(const std::unique_ptr<TableRows> rows,
                         TableRows::Open(std::move(served.snapshot), std::move(served.schema),
                                         served.generation, std::nullopt));
  return rows->Parked(count);
}

// ---- Watching ----

void Projector::AddWatcher() {
  MutexLock lock(mu_);
  ++watchers_;
  round_wanted_.NotifyOne();
}

void Projector::RemoveWatcher() {
  MutexLock lock(mu_);
  --watchers_;
  watched_until_ = After(parts_.clock.Now(), kWatchersRemembered);
}

uint64_t Projector::AddRoundListener(std::function<void()> listener) {
  MutexLock lock(mu_);
  const uint64_t id = next_listener_++;
  listeners_.emplace(id, std::move(listener));
  return id;
}

void Projector::RemoveRoundListener(uint64_t id) {
  MutexLock lock(mu_);
  listeners_.erase(id);
}

Cut Projector::PresentCut() const {
  MutexLock lock(mu_);
  return cut_;
}

absl::StatusOr<std::vector<std::shared_ptr<const ModelDeltas>>> Projector::DeltasSince(
    absl::string_view model, uint64_t generation, const Cut& cut) const {
  MutexLock lock(mu_);
  const auto found = entries_.find(model);
  if (found == entries_.end() || found->second->is_gone) return ModelNotFoundError(model);
  const Entry& entry = *found->second;
  const uint64_t events = EventsBefore(cut);
  if (entry.stopped && entry.live == generation && events >= entry.stopped->events) {
    const Poison& poison = entry.stopped->poison;
    return ModelStoppedError(model, poison.partition, poison.position, poison.error);
  }
  // Nothing is folded into a copy; it stands where it was made for.
  if (entry.copy_as_of && entry.live == generation) {
    return std::vector<std::shared_ptr<const ModelDeltas>>();
  }
  if (entry.live != generation || events < EventsBefore(entry.recent_from) ||
      events > EventsBefore(cut_)) {
    return absl::OutOfRangeError("what changed since then is not known any more");
  }
  std::vector<std::shared_ptr<const ModelDeltas>> since;
  // They are in order, and a watcher that keeps up needs the last of thousands.
  const auto first = std::partition_point(
      entry.recent.begin(), entry.recent.end(),
      [events](const auto& deltas) { return EventsBefore(deltas->after) <= events; });
  for (auto at = first; at != entry.recent.end(); ++at) {
    const std::shared_ptr<const ModelDeltas>& deltas = *at;
    // A cut of an earlier run of the engine, where no round of this one ended.
    if (EventsBefore(deltas->before) < events) {
      return absl::OutOfRangeError("no round ended there");
    }
    since.push_back(deltas);
  }
  return since;
}

}  // namespace skald::projection
