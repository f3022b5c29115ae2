// Whether rows are what the log says: all at once for `skald verify`, and one model after the other in the
// background.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/projection/index_sums.h"
#include "engine/projection/projector_state.h"
#include "engine/projection/table_keys.h"

namespace skald::projection {

// A sentence when the rows do not add up to what folding came to, or indexes are not of them.
absl::StatusOr<std::string> Projector::RowsDifference(const LiveRows& rows,
                                                      const storage::ViewSnapshot& snapshot,
                                                      absl::FunctionRef<bool()> stopped) const {
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                         snapshot.Get(CheckpointKey(rows.generation)));
  if (!text) return std::string();
  SKALD_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Decode(*text));
  SKALD_ASSIGN_OR_RETURN(const auto sum, HashRows(snapshot, rows.generation, stopped));
  if (sum.first == checkpoint.rows && sum.second == checkpoint.hash) {
    if (rows.schema == nullptr) return std::string();
    SKALD_ASSIGN_OR_RETURN(const std::string difference,
                           IndexDifference(snapshot, rows.generation, rows.schema, stopped));
    if (difference.empty()) return std::string();
    return absl::StrCat("read model '", rows.model, "': ", difference, ": rebuild it");
  }
  return absl::StrCat("read model '", rows.model, "' has ", sum.first, " rows that sum up to ",
                      sum.second.ToHex(), "; folding came to ", checkpoint.rows, " and ",
                      checkpoint.hash.ToHex(), ": rebuild it");
}

Projector::LiveRows Projector::LiveRowsOf(const std::string& model, const Entry& entry) {
  LiveRows rows{.model = model, .generation = entry.live, .schema = nullptr};
  if (entry.serving != nullptr) {
    rows.schema = std::shared_ptr<const ModelSchema>(entry.serving, &entry.serving->schema);
  }
  return rows;
}

absl::StatusOr<std::vector<std::string>> Projector::CheckRows() const {
  std::vector<std::string> differences;
  std::vector<LiveRows> live;
  std::unique_ptr<storage::ViewSnapshot> snapshot;
  {
    MutexLock lock(mu_);
    for (const auto& [name, entry] : entries_) {
      if (entry->live != 0) live.push_back(LiveRowsOf(name, *entry));
    }
    snapshot = parts_.views.Snapshot();
  }
  for (const LiveRows& rows : live) {
    SKALD_ASSIGN_OR_RETURN(std::string difference,
                           RowsDifference(rows, *snapshot, [] { return false; }));
    if (!difference.empty()) differences.push_back(std::move(difference));
  }
  return differences;
}

// The model whose turn it is, if it is time: the one after the last in order of names.
std::string Projector::NextToCheck() const {
  if (options_.check_interval == 0 || parts_.clock.Now() < check_due_ || !damage_.ok()) return {};
  std::string first, next;
  for (const auto& [name, entry] : entries_) {
    const bool is_checkable =
        entry->live != 0 && entry->build == nullptr && !entry->is_gone && !entry->copy_as_of;
    if (!is_checkable) continue;
    if (first.empty()) first = name;
    if (next.empty() && name > checked_) next = name;
  }
  return next.empty() ? first : next;
}

void Projector::BeginCheck(const std::string& model) {
  LiveRows rows;
  std::unique_ptr<storage::ViewSnapshot> snapshot;
  {
    MutexLock lock(mu_);
    checked_ = model;
    check_due_ = After(parts_.clock.Now(), options_.check_interval);
    const auto found = entries_.find(model);
    if (found == entries_.end() || found->second->live == 0) return;
    rows = LiveRowsOf(model, *found->second);
    snapshot = parts_.views.Snapshot();
    interrupts_check_ = stopping_ || !builds_.empty();
  }
  const absl::StatusOr<std::string> difference =
      RowsDifference(rows, *snapshot, [this] { return interrupts_check_.load(); });
  if (absl::IsCancelled(difference.status())) return;
  if (!difference.ok()) return Fail(difference.status());
  if (!difference->empty()) {
    MutexLock lock(mu_);
    std::fprintf(stderr, "skald: %s\n", difference->c_str());
    const auto found = entries_.find(model);
    if (found == entries_.end()) return;
    found->second->last_check = {parts_.clock.Now(), *difference};
    return;
  }
  // Somebody else's rebuild, or the model's end, is as good a reason not to.
  BeginRebuild(model, {.check_only = true,
                       .events_per_second = options_.check_events_per_second,
                       .is_background = true})
      .IgnoreError();
}

void Projector::EndCheck(Entry& entry, const absl::StatusOr<RebuildResult>& result) {
  // One that stands still has nothing to be compared with.
  if (!result.ok()) return;
  ModelStatus::Check check{.time = parts_.clock.Now(), .difference = ""};
  if (!result->previous_hash.empty() && result->hash != result->previous_hash) {
    check.difference = absl::StrCat("read model '", entry.wanted->schema.name,
                                    "' is not what the log says: its rows sum up to ",
                                    result->previous_hash, ", folded again to ", result->hash,
                                    ": rebuild it");
    std::fprintf(stderr, "skald: %s\n", check.difference.c_str());
  }
  entry.last_check = std::move(check);
}

}  // namespace skald::projection
