// A large rebuild of a model by saga, folded by several threads.
//
// Each folds some of the partitions into rows that no other touches, with a checkpoint of its own beside
// the generation's. At the end, or at the next start when it was cut short, they are joined: positions are
// of different partitions, and counts and sums of rows add up.
#include <algorithm>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "engine/projection/projector_state.h"
#include "engine/projection/table_keys.h"

namespace skald::projection {
namespace {

using storage::RowChange;

constexpr uint32_t kPartsMax = 16;

}  // namespace

// Folds up to where the live models stand now; what is left, and what is not worth it, is for one thread.
absl::Status Projector::FoldInParts(Build& build) {
  SKALD_ASSIGN_OR_RETURN(const Cut target, AwaitTurn(build, 0));
  const Cut begin = build.pass->cut();
  const uint32_t wanted = options_.rebuild_threads != 0 ? options_.rebuild_threads
                                                        : std::thread::hardware_concurrency();
  const uint32_t parts = std::min({wanted, partition_count_, kPartsMax});
  const bool is_large =
      EventsBefore(target) >= EventsBefore(begin) + options_.rebuild_apart_events_min;
  if (!build.model->by_saga || parts < 2 || !is_large) return absl::OkStatus();
  const auto fold = [&](uint32_t part) {
    const absl::Status status = FoldPart(build, part, parts, begin, target);
    MutexLock lock(mu_);
    build.part_broken.Update(status);
    // Those that wait give up.
    if (!status.ok()) NotifyAll();
  };
  std::vector<std::thread> others;
  for (uint32_t part = 1; part < parts; ++part) {
    others.emplace_back([&fold, part] {
      BeginBuilderThread();
      fold(part);
    });
  }
  fold(0);
  for (std::thread& other : others) other.join();
  absl::Status broken;
  {
    MutexLock lock(mu_);
    broken = std::exchange(build.part_broken, absl::OkStatus());
    if (!build.gave_way) SKALD_RETURN_IF_ERROR(broken);
  }
  std::vector<RowChange> changes;
  SKALD_ASSIGN_OR_RETURN(std::optional<Checkpoint> joined, JoinParts(build.generation, changes));
  if (!joined) return absl::DataLossError("a checkpoint of a rebuild cannot be read back");
  SKALD_RETURN_IF_ERROR(parts_.views.ApplyRows(changes));
  build.pass = NewPass(joined->cut);
  build.pass->Add(NewFolding(build.model, build.generation, *std::move(joined)));
  return broken;
}

absl::Status Projector::FoldPart(Build& build, uint32_t part, uint32_t parts, const Cut& begin,
                                 const Cut& target) {
  Checkpoint checkpoint;
  checkpoint.cut = begin;
  checkpoint.version = build.model->version;
  const std::unique_ptr<FoldPass> pass = NewPass(begin);
  pass->Add(NewFolding(build.model, build.generation, std::move(checkpoint), part));
  std::vector<Position> through = target.positions;
  for (uint32_t id = 0; id < partition_count_; ++id) {
    if (id % parts != part) through[id] = Position(0);
  }
  uint64_t folded = 0;
  while (true) {
    SKALD_RETURN_IF_ERROR(AwaitTurn(build, folded).status());
    SKALD_ASSIGN_OR_RETURN(const RoundResult round,
                           pass->Round(BatchOf(build, through, target.time), false));
    folded = round.events;
    if (round.is_complete) return AwaitTurn(build, folded).status();
  }
}

// A generation's checkpoint together with those of its parts; `changes` make them one. Nothing when they
// cannot be used.
absl::StatusOr<std::optional<Checkpoint>> Projector::JoinParts(
    uint64_t generation, std::vector<RowChange>& changes) const {
  SKALD_ASSIGN_OR_RETURN(std::optional<Checkpoint> joined, FindCheckpoint(generation));
  if (!joined) return std::nullopt;
  const std::string whole = CheckpointKey(generation);
  std::vector<RowChange> joining;
  bool is_usable = true;
  SKALD_RETURN_IF_ERROR(parts_.views.Scan(
      whole + '\0', storage::PrefixEnd(whole), [&](absl::string_view key, absl::string_view text) {
        const std::optional<Checkpoint> part = UsableCheckpoint(text);
        is_usable = part && part->version == joined->version;
        if (!is_usable) return false;
        for (uint32_t id = 0; id < partition_count_; ++id) {
          Position& position = joined->cut.positions[id];
          position = std::max(position, part->cut.positions[id]);
        }
        joined->cut.time = std::max(joined->cut.time, part->cut.time);
        joined->rows += part->rows;
        joined->hash.AddAll(part->hash);
        joining.push_back({std::string(key), std::nullopt});
        return true;
      }));
  if (!is_usable) return std::nullopt;
  if (!joining.empty()) joining.push_back({whole, joined->Encode()});
  std::move(joining.begin(), joining.end(), std::back_inserter(changes));
  return joined;
}

}  // namespace skald::projection
