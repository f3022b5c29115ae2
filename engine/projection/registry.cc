// Which generations of which models there are: rows of the registry, and what becomes of them at
// start and when models come and go.
#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/projection/projector_state.h"
#include "engine/projection/table_keys.h"

namespace skald::projection {
namespace {

using storage::RowChange;

uint64_t NumberOf(const Json& value) {
  return value.IsInt() && value.AsInt() > 0 ? static_cast<uint64_t>(value.AsInt()) : 0;
}

}  // namespace

Registered DecodeRegistered(absl::string_view text) {
  const absl::StatusOr<Json> json = Json::Parse(text, kStoredJson);
  if (!json.ok()) return {};
  Registered registered{.live = NumberOf(json->Get("live")),
                        .previous = NumberOf(json->Get("previous")),
                        .building = NumberOf(json->Get("building")),
                        .events_per_second = NumberOf(json->Get("events_per_second")),
                        .is_paused = json->Get("paused") == Json::Bool(true)};
  const Json& as_of = json->Get("copy_as_of");
  if (as_of.IsInt()) registered.copy_as_of = Timestamp(as_of.AsInt());
  return registered;
}

uint64_t EventsBefore(const Cut& cut) {
  uint64_t events = 0;
  for (const Position position : cut.positions) events += position.value();
  return events;
}

void Projector::Entry::SetStopped(const Checkpoint& checkpoint) {
  stopped.reset();
  if (checkpoint.stopped) stopped = {*checkpoint.stopped, EventsBefore(checkpoint.cut)};
}

absl::Status Projector::Entry::WhyNotBuilt() const {
  const absl::Status why =
      last_build ? last_build->result.status() : absl::CancelledError("its build was given up");
  if (HasReason(why, ErrorReason::kLogCorrupt)) return why;
  return ModelNotBuiltError(wanted->schema.name,
                            why.ok() ? "it was compared only, with nothing" : why.message());
}

absl::StatusOr<std::unique_ptr<Projector>> Projector::Open(
    const ProjectorOptions& options, ProjectorParts parts,
    std::vector<std::shared_ptr<const Model>> models) {
  std::unique_ptr<Projector> projector(new Projector(options, std::move(parts)));
  SKALD_RETURN_IF_ERROR(projector->Load(std::move(models)));
  for (storage::Watermark* const watermark : projector->parts_.watermarks) {
    watermark->Raise(projector->floor_at_open_);
  }
  return projector;
}

Projector::Projector(const ProjectorOptions& options, ProjectorParts parts)
    : options_(options), parts_(std::move(parts)), partition_count_(parts_.log.partition_count()) {}

Projector::~Projector() { Stop(); }

Cut Projector::EmptyCut() const {
  return {.time = Timestamp(0), .positions = std::vector<Position>(partition_count_)};
}

std::unique_ptr<FoldPass> Projector::NewPass(Cut cut) const {
  return std::make_unique<FoldPass>(
      FoldPass::Options{.log = &parts_.log,
                        .views = &parts_.views,
                        .find_commits = parts_.find_commits,
                        .states_bytes_max = options_.states_bytes_max},
      std::move(cut));
}

Folding Projector::NewFolding(std::shared_ptr<const Model> model, uint64_t generation,
                              Checkpoint checkpoint, std::optional<uint32_t> part) const {
  Folding folding;
  folding.fold = model->make_fold();
  folding.table = std::make_unique<ModelTable>(parts_.views, model->schema, generation,
                                               std::move(checkpoint), part);
  folding.model = std::move(model);
  return folding;
}

absl::StatusOr<std::optional<Checkpoint>> Projector::FindCheckpoint(uint64_t generation) const {
  if (generation == 0) return std::nullopt;
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                         parts_.views.Get(CheckpointKey(generation)));
  return text ? UsableCheckpoint(*text) : std::nullopt;
}

std::optional<Checkpoint> Projector::UsableCheckpoint(absl::string_view text) const {
  const absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Decode(text);
  if (!checkpoint.ok() || checkpoint->cut.positions.size() != partition_count_) {
    return std::nullopt;
  }
  // Views never lie ahead of the log; rows that do are of nothing.
  for (uint32_t id = 0; id < partition_count_; ++id) {
    if (checkpoint->cut.positions[id] > parts_.log.LastPosition(PartitionId(id))) {
      return std::nullopt;
    }
  }
  return *checkpoint;
}

RowChange Projector::RegistryRow(const Entry& entry) const {
  Json::ObjectBuilder row;
  const auto add = [&](absl::string_view name, uint64_t number) {
    if (number != 0) row.Add(name, Json::Int(static_cast<int64_t>(number)));
  };
  add("live", entry.live);
  add("previous", entry.previous);
  const bool is_kept = entry.build != nullptr && !entry.build->options.check_only;
  add("building", is_kept ? entry.build->generation : 0);
  add("events_per_second", is_kept ? entry.build->options.events_per_second : 0);
  if (is_kept && entry.build->is_paused) row.Add("paused", Json::Bool(true));
  if (entry.copy_as_of) row.Add("copy_as_of", Json::Int(entry.copy_as_of->value()));
  return {RegistryKey(entry.wanted->schema.name), std::move(row).Build().ToText()};
}

uint64_t Projector::NewGeneration(std::vector<RowChange>& changes) {
  const uint64_t generation = next_generation_++;
  changes.push_back({RegistryKey(""), absl::StrCat(next_generation_)});
  return generation;
}

// ---- At start ----

absl::Status Projector::Load(std::vector<std::shared_ptr<const Model>> models) {
  MutexLock lock(mu_);
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> next, parts_.views.Get(RegistryKey("")));
  if (next && !absl::SimpleAtoi(*next, &next_generation_)) {
    return absl::DataLossError(
        "the registry of read models is damaged; delete the views, they are folded anew");
  }
  std::vector<RowChange> changes;
  // What is registered and not wanted any more goes.
  const std::string all = RegistryKey("");
  std::vector<std::pair<std::string, std::string>> copies;
  SKALD_RETURN_IF_ERROR(parts_.views.Scan(
      all + '\0', storage::PrefixEnd(all), [&](absl::string_view key, absl::string_view text) {
        const absl::string_view name = key.substr(all.size());
        const bool is_wanted =
            std::any_of(models.begin(), models.end(),
                        [&](const auto& model) { return model->schema.name == name; });
        if (is_wanted) return true;
        const Registered gone = DecodeRegistered(text);
        if (gone.copy_as_of) {
          copies.emplace_back(name, text);
          return true;
        }
        for (const uint64_t generation : {gone.live, gone.previous, gone.building}) {
          if (generation != 0) garbage_.push_back(generation);
        }
        changes.push_back({std::string(key), std::nullopt});
        return true;
      }));
  for (const std::shared_ptr<const Model>& model : models) {
    SKALD_RETURN_IF_ERROR(LoadEntry(model, changes));
  }
  SKALD_RETURN_IF_ERROR(StartLive());
  for (const auto& [name, text] : copies) {
    const std::string of_name(CopiedModel(name));
    const auto of = std::find_if(models.begin(), models.end(), [&](const auto& model) {
      return model->schema.name == of_name;
    });
    SKALD_RETURN_IF_ERROR(LoadCopy(name, of == models.end() ? nullptr : *of, text, changes));
  }
  SKALD_RETURN_IF_ERROR(FindLeftOver());
  for (const auto& [name, entry] : entries_) changes.push_back(RegistryRow(*entry));
  changes.push_back({RegistryKey(""), absl::StrCat(next_generation_)});
  return parts_.views.ApplyRows(changes);
}

// Generations that nothing names: a crash came before all of their rows were deleted.
absl::Status Projector::FindLeftOver() {
  absl::flat_hash_set<uint64_t> known(garbage_.begin(), garbage_.end());
  for (const auto& [name, entry] : entries_) {
    known.insert({entry->live, entry->previous});
    if (entry->build != nullptr) known.insert(entry->build->generation);
  }
  const std::string all = storage::KeyBuilder(storage::Table::kModelCheckpoint, PartitionId(0)).Build();
  return parts_.views.Scan(all, storage::PrefixEnd(all),
                           [&](absl::string_view key, absl::string_view) {
                             const uint64_t generation = storage::KeyParser(key).Number();
                             // A rebuild on several threads has a checkpoint for each.
                             if (known.insert(generation).second) garbage_.push_back(generation);
                             return true;
                           });
}

absl::Status Projector::LoadEntry(std::shared_ptr<const Model> model,
                                  std::vector<RowChange>& changes) {
  const std::string name = model->schema.name;
  auto entry = std::make_unique<Entry>();
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                         parts_.views.Get(RegistryKey(name)));
  const Registered registered = DecodeRegistered(text.value_or(""));
  entry->wanted = model;
  entry->previous = registered.previous;
  SKALD_ASSIGN_OR_RETURN(const std::optional<Checkpoint> live, FindCheckpoint(registered.live));
  if (live && live->version == model->version) {
    entry->live = registered.live;
    entry->serving = model;
    entry->SetStopped(*live);
    floor_at_open_ = std::max(floor_at_open_, live->cut.time);
  } else if (registered.live != 0) {
    garbage_.push_back(registered.live);
  }
  // A rebuild that was under way goes on where it was.
  SKALD_ASSIGN_OR_RETURN(std::optional<Checkpoint> building,
                         JoinParts(registered.building, changes));
  if (building && building->version == model->version && !building->stopped) {
    floor_at_open_ = std::max(floor_at_open_, building->cut.time);
    entry->build = std::make_shared<Build>();
    entry->build->generation = registered.building;
    entry->build->is_paused = registered.is_paused;
    StartBuild(*entry, *std::move(building), {.events_per_second = registered.events_per_second});
  } else if (registered.building != 0) {
    garbage_.push_back(registered.building);
  }
  if (entry->live == 0 && entry->build == nullptr) {
    entry->build = std::make_shared<Build>();
    entry->build->generation = NewGeneration(changes);
    Checkpoint empty;
    empty.cut = EmptyCut();
    empty.version = model->version;
    changes.push_back({CheckpointKey(entry->build->generation), empty.Encode()});
    StartBuild(*entry, std::move(empty), {});
  }
  entries_.emplace(name, std::move(entry));
  return absl::OkStatus();
}

// The live pass goes on from where most of the models stand that serve; with none that serves yet,
// all begin in it together.
absl::Status Projector::StartLive() {
  Cut cut = EmptyCut();
  std::vector<std::pair<Entry*, Checkpoint>> live;
  for (auto& [name, entry] : entries_) {
    if (entry->live == 0) continue;
    SKALD_ASSIGN_OR_RETURN(std::optional<Checkpoint> found, FindCheckpoint(entry->live));
    SKALD_CHECK(found.has_value());
    if (found->stopped) continue;
    if (EventsBefore(found->cut) > EventsBefore(cut)) cut = found->cut;
    live.emplace_back(entry.get(), *std::move(found));
  }
  pass_ = NewPass(cut);
  for (auto& [entry, checkpoint] : live) {
    if (checkpoint.cut.positions == cut.positions) {
      pass_->Add(NewFolding(entry->serving, entry->live, std::move(checkpoint)));
    } else {
      // It fell behind the others; it catches up as a rebuild does.
      entry->build = std::make_shared<Build>();
      entry->build->generation = std::exchange(entry->live, 0);
      entry->serving = nullptr;
      StartBuild(*entry, std::move(checkpoint), {});
    }
  }
  if (live.empty()) {
    for (const std::shared_ptr<Build>& build : std::exchange(builds_, {})) {
      Entry& entry = *entries_.at(build->model->schema.name);
      std::vector<Folding> foldings = build->pass->TakeAll();
      const bool is_slowed = build->is_paused || build->options.events_per_second != 0;
      if (EventsBefore(build->pass->cut()) > 0 || is_slowed) {
        build->pass->Add(std::move(foldings.front()));
        builds_.push_back(build);
        continue;
      }
      entry.serving = entry.wanted;
      entry.live = build->generation;
      entry.build = nullptr;
      pass_->Add(std::move(foldings.front()));
    }
  }
  cut_ = pass_->cut();
  for (auto& [name, entry] : entries_) entry->recent_from = cut_;
  return absl::OkStatus();
}

// ---- While open ----

void Projector::StartBuild(Entry& entry, Checkpoint from, const RebuildOptions& options) {
  for (const std::shared_ptr<Build>& other : builds_) {
    if (other->options.is_background) other->is_cancelled = true;
  }
  interrupts_check_ = true;
  Build& build = *entry.build;
  build.model = entry.wanted;
  build.options = options;
  build.started = parts_.clock.Now();
  build.events_done = EventsBefore(from.cut);
  build.pass = NewPass(from.cut);
  build.pass->Add(NewFolding(entry.wanted, build.generation, std::move(from)));
  builds_.push_back(entry.build);
  NotifyAll();
}

void Projector::SetModels(std::vector<std::shared_ptr<const Model>> models) {
  std::vector<RowChange> changes;
  absl::Status status;
  {
    MutexLock lock(mu_);
    for (auto& [name, entry] : entries_) {
      const bool is_wanted =
          std::any_of(models.begin(), models.end(), [&, wanted = name, &entry = *entry](const auto& model) {
            if (!entry.copy_as_of) return model->schema.name == wanted;
            // Rows that were made by another declaration cannot be read after a restart.
            return model->schema.name == CopiedModel(wanted) && model->version == entry.wanted->version;
          });
      if (is_wanted) continue;
      entry->is_gone = true;
      has_gone_ = true;
      if (entry->build != nullptr) entry->build->is_cancelled = true;
      changes.push_back({RegistryKey(name), std::nullopt});
    }
    for (std::shared_ptr<const Model>& model : models) {
      std::unique_ptr<Entry>& entry = entries_[model->schema.name];
      if (entry != nullptr && !entry->is_gone && entry->wanted->version == model->version) continue;
      if (entry != nullptr && entry->is_gone) {
        // Dropped and deployed again before it was gone: what it was goes all the same.
        for (const uint64_t generation : {entry->live, entry->previous}) {
          if (generation != 0) leaving_.push_back(generation);
        }
        entry = nullptr;
      }
      if (entry == nullptr) {
        entry = std::make_unique<Entry>();
        entry->recent_from = cut_;
      }
      if (entry->build != nullptr) entry->build->is_cancelled = true;
      entry->wanted = model;
      entry->build = std::make_shared<Build>();
      entry->build->generation = NewGeneration(changes);
      Checkpoint empty;
      empty.cut = EmptyCut();
      empty.version = model->version;
      changes.push_back({CheckpointKey(entry->build->generation), empty.Encode()});
      StartBuild(*entry, std::move(empty), {});
      changes.push_back(RegistryRow(*entry));
    }
    // Under the lock, so that the registry's rows change in the order of what they say.
    if (!changes.empty()) status = parts_.views.ApplyRows(changes);
    NotifyAll();
  }
  if (!status.ok()) Fail(status);
}

// Takes models that are not wanted any more out of the live pass.
void Projector::RemoveGone() {
  MutexLock lock(mu_);
  if (!has_gone_) return;
  has_gone_ = false;
  std::vector<Folding> foldings = pass_->TakeAll();
  for (Folding& folding : foldings) {
    const auto found = entries_.find(folding.model->schema.name);
    const bool is_served = found != entries_.end() && !found->second->is_gone &&
                           found->second->live == folding.table->generation();
    if (is_served) pass_->Add(std::move(folding));
  }
  // Nothing writes to them any more.
  garbage_.insert(garbage_.end(), leaving_.begin(), leaving_.end());
  leaving_.clear();
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (!entry->second->is_gone) {
      ++entry;
      continue;
    }
    for (const uint64_t generation : {entry->second->live, entry->second->previous}) {
      if (generation != 0) garbage_.push_back(generation);
    }
    entry = entries_.erase(entry);
  }
  NotifyAll();
}

}  // namespace skald::projection
