// Copies of a model as of a time: built as a rebuild is, up to that time, and then read under a name of their
// own. Nothing is folded into a copy any more.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/projection/projector_state.h"
#include "engine/projection/table_keys.h"
#include "engine/projection/time_text.h"

namespace skald::projection {
namespace {

using storage::RowChange;

constexpr Micros kWaitForTime = 5 * kSecond;

std::shared_ptr<const Model> ModelOfCopy(const Model& of, absl::string_view name, Timestamp as_of) {
  auto model = std::make_shared<Model>(of);
  model->schema.name = std::string(name);
  model->schema.description =
      absl::StrCat(of.schema.description, " (as of ", saga::TimeText(as_of), ")");
  return model;
}

}  // namespace

std::string CopyName(absl::string_view model, Timestamp as_of) {
  return absl::StrCat(model, "@", saga::TimeText(as_of));
}

absl::string_view CopiedModel(absl::string_view copy) { return copy.substr(0, copy.find('@')); }

absl::StatusOr<std::shared_ptr<Projector::Build>> Projector::BeginCopy(
    absl::string_view model, const RebuildOptions& options) {
  if (options.check_only) {
    return BadRequestError("check_only", "compares what serves with the whole log; leave as_of out");
  }
  // All of that time must be there before it is copied.
  OpenOptions then;
  then.as_of_time = options.as_of;
  then.wait_until = After(parts_.clock.Now(), kWaitForTime);
  SKALD_RETURN_IF_ERROR(WaitFor(model, then));
  const std::string name = CopyName(model, *options.as_of);
  MutexLock lock(mu_);
  // What could not be copied stays only to say why.
  absl::erase_if(entries_, [](const auto& entry) {
    return entry.second->copy_as_of && entry.second->live == 0 && entry.second->build == nullptr;
  });
  const auto found = entries_.find(model);
  if (found == entries_.end() || found->second->is_gone) return ModelNotFoundError(model);
  if (found->second->copy_as_of) return BadRequestError("model", "is itself a copy as of a time");
  if (entries_.contains(name)) {
    return BadRequestError("as_of_time", absl::StrCat("a copy as of that time is there already: '",
                                                      name, "'; read it, or delete it first"));
  }
  const auto copies = std::count_if(entries_.begin(), entries_.end(), [](const auto& entry) {
    return entry.second->copy_as_of.has_value();
  });
  if (static_cast<size_t>(copies) >= kCopiesMax) {
    return BadRequestError("as_of_time", absl::StrCat("there are ", copies,
                                                      " copies already, as many as a "
                                                      "store keeps; delete one first"));
  }
  auto entry = std::make_unique<Entry>();
  entry->wanted = ModelOfCopy(*found->second->wanted, name, *options.as_of);
  entry->copy_as_of = options.as_of;
  entry->recent_from = cut_;
  return AddBuild(*entries_.emplace(name, std::move(entry)).first->second, options);
}

absl::Status Projector::LoadCopy(const std::string& name, std::shared_ptr<const Model> of,
                                 absl::string_view registered, std::vector<RowChange>& changes) {
  const Registered copy = DecodeRegistered(registered);
  SKALD_ASSIGN_OR_RETURN(const std::optional<Checkpoint> live, FindCheckpoint(copy.live));
  SKALD_ASSIGN_OR_RETURN(std::optional<Checkpoint> building, JoinParts(copy.building, changes));
  const auto fits = [&](const std::optional<Checkpoint>& checkpoint) {
    return of != nullptr && checkpoint && checkpoint->version == of->version;
  };
  if (!fits(live) && !fits(building)) {
    for (const uint64_t generation : {copy.live, copy.building}) {
      if (generation != 0) garbage_.push_back(generation);
    }
    changes.push_back({RegistryKey(name), std::nullopt});
    return absl::OkStatus();
  }
  auto entry = std::make_unique<Entry>();
  entry->wanted = ModelOfCopy(*of, name, *copy.copy_as_of);
  entry->copy_as_of = copy.copy_as_of;
  entry->recent_from = cut_;
  const std::optional<Checkpoint>& checkpoint = fits(live) ? live : building;
  floor_at_open_ = std::max(floor_at_open_, checkpoint->cut.time);
  if (fits(live)) {
    entry->live = copy.live;
    entry->serving = entry->wanted;
  } else {
    entry->build = std::make_shared<Build>();
    entry->build->generation = copy.building;
    entry->build->is_paused = copy.is_paused;
    StartBuild(*entry, *std::move(building),
               {.events_per_second = copy.events_per_second, .as_of = copy.copy_as_of});
  }
  entries_.emplace(name, std::move(entry));
  return absl::OkStatus();
}

// On the builder's thread, when all up to its time is folded.
absl::Status Projector::ServeCopy(const std::shared_ptr<Build>& build) {
  const Folding& folding = build->pass->foldings().front();
  const Checkpoint& checkpoint = folding.table->checkpoint();
  RebuildResult result{.generation = build->generation,
                       .rows = checkpoint.rows,
                       .events = EventsBefore(build->pass->cut()),
                       .took = parts_.clock.Now().value() - build->started.value(),
                       .hash = checkpoint.hash.ToHex(),
                       .previous_hash = "",
                       .cut = build->pass->cut()};
  {
    MutexLock lock(mu_);
    const auto found = entries_.find(build->model->schema.name);
    const bool is_wanted = !build->is_cancelled && found != entries_.end() &&
                           !found->second->is_gone && found->second->build == build;
    if (!is_wanted) return absl::CancelledError("the copy was given up");
    Entry& entry = *found->second;
    entry.live = build->generation;
    entry.serving = build->model;
    // The registry knows it as built; whoever waits for the rebuild is told when all is on disk.
    entry.build = nullptr;
    const RowChange registered = RegistryRow(entry);
    entry.build = build;
    SKALD_RETURN_IF_ERROR(parts_.views.ApplyRows({registered}));
  }
  // Nothing makes a copy anew after a crash, as other rows are: it is told to be there when it is on disk.
  if (absl::Status status = parts_.views.Flush(); !status.ok()) {
    Fail(status);
    return status;
  }
  EndBuild(build, std::move(result));
  return absl::OkStatus();
}

}  // namespace skald::projection
