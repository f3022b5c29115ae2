#include "engine/runtime/verify_audit.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/audit/commit_leaf.h"
#include "engine/audit/note.h"
#include "storage/keys.h"

namespace skald::runtime {
namespace {

// Leaves between two writes of the tree that is made anew.
constexpr uint64_t kWriteLeaves = 16'384;
// Rows of the table that follow from the log: the end, hashes, positions (docs/formats.md).
constexpr char kKinds[] = {0, 1, 2};
constexpr size_t kNumberBytes = 8;

std::string KindPrefix(PartitionId partition, char kind) {
  return storage::KeyBuilder(storage::Table::kAuditTree, partition).Raw({&kind, 1}).Build();
}

// "hashes of tile 0/7": a row by its kind, level and tile.
std::string RowName(absl::string_view key, absl::string_view prefix, char kind) {
  if (kind == 0) return "its end";
  const absl::string_view numbers = key.substr(prefix.size());
  const auto level = storage::ParsePosition(numbers.substr(0, kNumberBytes));
  const auto tile = storage::ParsePosition(
      numbers.size() < kNumberBytes ? numbers : numbers.substr(kNumberBytes));
  if (!level.ok() || !tile.ok()) return "a row of no tile";
  return absl::StrCat(kind == 1 ? "hashes" : "positions", " of tile ", level->value(), "/",
                      tile->value());
}

// Whether a key that is known here is said to have signed the note and did not.
bool IsForged(const std::string& text, absl::Span<const audit::VerifierKey> keys) {
  const absl::StatusOr<audit::Note> note = audit::ParseNote(text);
  if (!note.ok()) return true;
  return std::any_of(note->signatures.begin(), note->signatures.end(),
                     [&](const audit::NoteSignature& each) {
                       return std::any_of(keys.begin(), keys.end(), [&](const auto& key) {
                         return key.name() == each.key_name && key.id() == each.key_id &&
                                !key.Verify(note->text, each.signature);
                       });
                     });
}

}  // namespace

KeptCheckpoints ReadKept(const audit::CheckpointJournal& journal,
                         absl::Span<const audit::VerifierKey> keys,
                         std::vector<std::string>& differences) {
  KeptCheckpoints kept;
  const absl::Status read = journal.Scan([&](const audit::KeptCheckpoint& each) {
    if (IsForged(each.note, keys)) {
      // Whatever it says of the log, nobody signed that.
      differences.push_back(
          absl::StrCat("kept checkpoint ", each.number, ": its signature is wrong"));
      return;
    }
    kept[each.partition].push_back({each.number, each.checkpoint.tree});
  });
  if (!read.ok()) differences.push_back(absl::StrCat("kept checkpoints: ", read.message()));
  return kept;
}

absl::Status AuditCheck::Begin() {
  has_begun_ = true;
  const std::string key = storage::KeyBuilder(storage::Table::kAuditTree, partition_)
                              .Raw({&kKinds[0], 1})
                              .Number(0)
                              .Number(0)
                              .Build();
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> end, live_.Get(key));
  if (!end || end->size() < kNumberBytes) return absl::OkStatus();
  SKALD_ASSIGN_OR_RETURN(const Position size,
                         storage::ParsePosition(absl::string_view(*end).substr(0, kNumberBytes)));
  live_size_ = size.value();
  return absl::OkStatus();
}

absl::Status AuditCheck::Add(absl::string_view record) {
  SKALD_RETURN_IF_ERROR(storage::DecodeCommit(record, &commit_));
  return Add(commit_);
}

absl::Status AuditCheck::Add(const storage::CommitView& commit) {
  if (!has_begun_) SKALD_RETURN_IF_ERROR(Begin());
  if (!is_compared_ && tree_.size() == live_size_) SKALD_RETURN_IF_ERROR(CompareRows());
  const Position first(commit.header.first_position());
  tree_.Append(audit::CommitLeaf(commit), first,
               Position(first.value() + commit.header.count() - 1));
  return tree_.unwritten() < kWriteLeaves ? absl::OkStatus() : tree_.Write();
}

absl::Status AuditCheck::CompareRows() {
  is_compared_ = true;
  SKALD_RETURN_IF_ERROR(tree_.Write());
  using Rows = std::map<std::string, std::string>;
  const auto read = [](const storage::ViewSnapshot& from, const std::string& prefix, Rows& rows) {
    return from.Scan(prefix, storage::PrefixEnd(prefix),
                     [&rows](absl::string_view key, absl::string_view value) {
                       rows.emplace(std::string(key), std::string(value));
                       return true;
                     });
  };
  const auto snapshot = views_.Snapshot();
  for (const char kind : kKinds) {
    const std::string prefix = KindPrefix(partition_, kind);
    Rows made, live;
    SKALD_RETURN_IF_ERROR(read(*snapshot, prefix, made));
    SKALD_RETURN_IF_ERROR(read(live_, prefix, live));
    const auto differ = [&](const std::string& key, absl::string_view how) {
      differences_.push_back(absl::StrCat("audit tree, ", RowName(key, prefix, kind), " ", how));
    };
    for (const auto& [key, value] : made) {
      const auto found = live.find(key);
      if (found == live.end()) differ(key, "is missing");
      if (found != live.end() && found->second != value) differ(key, "is not what the log says");
    }
    for (const auto& [key, value] : live) {
      if (!made.contains(key)) differ(key, "exists, but does not follow from the log");
    }
  }
  return absl::OkStatus();
}

absl::Status AuditCheck::FinishTree(std::vector<std::string>& differences) {
  if (!has_begun_) SKALD_RETURN_IF_ERROR(Begin());
  if (!is_compared_ && tree_.size() == live_size_) SKALD_RETURN_IF_ERROR(CompareRows());
  if (!is_compared_) {
    differences_.push_back(absl::StrCat("audit tree covers ", live_size_,
                                        " commits, but the log has ", tree_.size(),
                                        ": the log lost its end"));
  }
  std::move(differences_.begin(), differences_.end(), std::back_inserter(differences));
  return absl::OkStatus();
}

absl::Status AuditCheck::CompareKept(std::vector<std::string>& differences) {
  const auto found = kept_.find(partition_);
  if (found == kept_.end()) return absl::OkStatus();
  SKALD_RETURN_IF_ERROR(tree_.Write());
  const auto reader = [this](uint32_t level, uint64_t index) {
    return tree_.Subtree(level, index);
  };
  for (const KeptHead& kept : found->second) {
    const std::string name =
        absl::StrCat("kept checkpoint ", kept.number, " of ", kept.tree.size, " commits");
    if (kept.tree.size > tree_.size()) {
      differences.push_back(absl::StrCat(name, ": the log has only ", tree_.size()));
      continue;
    }
    SKALD_ASSIGN_OR_RETURN(const audit::Hash root, audit::RootAt(kept.tree.size, reader));
    if (root != kept.tree.root) {
      differences.push_back(absl::StrCat(name, ": its root is not that of the log's commits"));
    }
  }
  return absl::OkStatus();
}

}  // namespace skald::runtime
