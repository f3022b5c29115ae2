#include "engine/audit/checkpoint_keeper.h"

#include <chrono>
#include <cstdio>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/this_thread.h"
#include "storage/keys.h"

namespace skald::audit {
namespace {

constexpr char kAnchorKind = 3;
constexpr size_t kNumberBytes = 8;

std::string AnchorKey() {
  return storage::KeyBuilder(storage::Table::kAuditTree, PartitionId(0))
      .Raw({&kAnchorKind, 1})
      .Number(0)
      .Number(0)
      .Build();
}

void Tell(absl::string_view what) {
  std::fprintf(stderr, "skald: %s\n", std::string(what).c_str());
}

}  // namespace

absl::StatusOr<JournalEnd> ReadJournalAnchor(const storage::Views& views) {
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> row, views.Get(AnchorKey()));
  if (!row || row->size() != kNumberBytes + kSha256Bytes) return JournalEnd();
  const absl::string_view bytes = *row;
  SKALD_ASSIGN_OR_RETURN(const Position number,
                         storage::ParsePosition(bytes.substr(0, kNumberBytes)));
  return JournalEnd{.number = number.value(),
                    .digest = Hash::FromBytes(bytes.substr(kNumberBytes))};
}

absl::Status CheckpointKeeper::WriteAnchor(const JournalEnd& end) {
  // A number that is no position is written the same way.
  return parts_.views.ApplyRows(
      {{AnchorKey(),
        absl::StrCat(storage::EncodePosition(Position(end.number)), end.digest.view())}});
}

absl::Status CheckpointKeeper::CheckKept() {
  SKALD_ASSIGN_OR_RETURN(const JournalEnd anchor, ReadJournalAnchor(parts_.views));
  if (parts_.journal.existed()) {
    parts_.journal.CheckEnd(anchor);
  } else if (anchor.number > 0) {
    Tell(absl::StrCat("the ", anchor.number,
                      " checkpoints that were kept are gone with their file; a new one begins"));
    // Durable before the first of the new ones is: it knows nothing of theirs.
    SKALD_RETURN_IF_ERROR(parts_.views.ApplyRows({{AnchorKey(), std::nullopt}}));
    SKALD_RETURN_IF_ERROR(parts_.views.Flush());
  }
  if (const absl::Status damage = parts_.journal.damage(); !damage.ok()) {
    Tell(absl::StrCat("no checkpoints are kept: ", damage.message(),
                      ". Restore the file from a backup, or put audit_checkpoints* away and start "
                      "again"));
    return absl::OkStatus();
  }
  for (uint32_t id = 0; id < parts_.log.partition_count(); ++id) {
    SKALD_ASSIGN_OR_RETURN(const std::optional<KeptCheckpoint> newest,
                           parts_.journal.Newest(PartitionId(id)));
    if (!newest) continue;
    SKALD_RETURN_IF_ERROR(parts_.auditor.CheckKept(PartitionId(id), newest->checkpoint.tree));
  }
  return absl::OkStatus();
}

absl::Status CheckpointKeeper::Keep() {
  MutexLock lock(keep_mu_);
  SKALD_RETURN_IF_ERROR(parts_.journal.damage());
  const auto stopped = [this] {
    MutexLock inner(mu_);
    return stopping_;
  };
  std::vector<NewCheckpoint> grown;
  std::vector<Position> last = parts_.log.LastPositions();
  for (uint32_t id = 0; id < last.size(); ++id) {
    if (last[id] == looked_at_[id]) continue;
    SKALD_ASSIGN_OR_RETURN(SignedCheckpoint checkpoint,
                           parts_.auditor.GetCheckpoint(PartitionId(id), stopped));
    SKALD_ASSIGN_OR_RETURN(const std::optional<KeptCheckpoint> newest,
                           parts_.journal.Newest(PartitionId(id)));
    // After a start, what was kept before may be all there is.
    if (newest && newest->checkpoint.tree.size >= checkpoint.checkpoint.tree.size) continue;
    grown.push_back({.partition = checkpoint.partition,
                     .checkpoint = std::move(checkpoint.checkpoint),
                     .note = std::move(checkpoint.note)});
  }
  if (!grown.empty()) {
    SKALD_RETURN_IF_ERROR(parts_.journal.Append(grown, parts_.clock.Now()));
    SKALD_RETURN_IF_ERROR(WriteAnchor(parts_.journal.end()));
  }
  looked_at_ = std::move(last);
  return absl::OkStatus();
}

void CheckpointKeeper::Start() {
  if (interval_ == 0) return;
  thread_ = std::thread([this] {
    NameThread("checkpoints");
    LowerPriority(kBackgroundNiceness);
    Run();
  });
}

void CheckpointKeeper::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void CheckpointKeeper::Run() {
  std::string told;
  // What is wrong with the journal was told at the start.
  if (const absl::Status damage = parts_.journal.damage(); !damage.ok()) {
    told = std::string(damage.message());
  }
  while (true) {
    {
      MutexLock lock(mu_);
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(interval_);
      while (!stopping_ && std::chrono::steady_clock::now() < until) {
        changed_.WaitFor(mu_, std::chrono::duration_cast<std::chrono::microseconds>(
                                  until - std::chrono::steady_clock::now()));
      }
      if (stopping_) return;
    }
    const absl::Status kept = Keep();
    if (absl::IsCancelled(kept)) continue;
    // Said once, not every minute.
    const std::string problem(kept.message());
    if (!kept.ok() && problem != told) Tell(absl::StrCat("no checkpoints are kept: ", problem));
    told = kept.ok() ? "" : problem;
  }
}

}  // namespace skald::audit
