// Checkpoints that were signed, kept: `<data>/audit_checkpoints`, a file that only grows
// (docs/formats.md). They do not follow from the log, so no replay brings them back.
//
//   checkpoint 17 2026-11-21T10:00:00.123456Z CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//   skald/00112233445566778899aabbccddeeff/3
//   20852163
//   47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
//
//   — skald/00112233445566778899aabbccddeeff Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOo...=
//
// Each record has a number and the SHA-256 of the one before, so that none can be changed, taken
// out or moved without its place being found. The end is anchored: who keeps number and digest of
// the last record elsewhere finds out when it is cut off.
//
// A record that a crash tore is cut off when the file is opened. What is damaged otherwise stays as
// it is: nothing is added to it and nothing is read from it.
//
// Past a size the file becomes `audit_checkpoints.old`, and the one that was that is dropped.
//
// Thread rule: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "engine/audit/checkpoint.h"
#include "engine/audit/hash.h"

namespace skald::audit {

struct KeptCheckpoint {
  uint64_t number = 0;  // from 1, dense
  Timestamp time;       // when it was kept
  PartitionId partition;
  Checkpoint checkpoint;
  std::string note;
};

// A checkpoint to be kept.
struct NewCheckpoint {
  PartitionId partition;
  Checkpoint checkpoint;
  std::string note;
};

// The last record that was written.
struct JournalEnd {
  uint64_t number = 0;  // 0: none
  Hash digest;

  friend bool operator==(const JournalEnd&, const JournalEnd&) = default;
};

struct CheckpointJournalOptions {
  // Empty: in memory, and gone with it.
  std::string path;
  // The store's name: every checkpoint is of one of its partitions.
  std::string store_name;
  // Past this the file is put aside: at most twice as much is kept.
  size_t file_bytes_max = 32 << 20;
  // Nothing is made or cut off; Append must not be called.
  bool is_read_only = false;
};

// `<data>/audit_checkpoints`.
std::string JournalPath(absl::string_view data_dir);

class CheckpointJournal {
 public:
  // Reads what there is, and cuts off an end that a crash tore. Damage is no error here: see
  // damage(). UNAVAILABLE when the files cannot be read. `notices` gets what an operator should
  // know, a sentence each.
  static absl::StatusOr<std::unique_ptr<CheckpointJournal>> Open(CheckpointJournalOptions options,
                                                                 std::vector<std::string>* notices);
  ~CheckpointJournal();

  // Whether there was a file when it was opened.
  bool existed() const { return existed_; }

  // Compares the end with what was kept of it elsewhere; what does not fit is damage.
  void CheckEnd(const JournalEnd& known);

  // OK, or DATA_LOSS: what is wrong with the files, and where.
  absl::Status damage() const;

  // Keeps all of them, durably, in one write; their numbers go on from the last. The damage, if
  // there is; UNAVAILABLE when it cannot be written, and then none of them is kept.
  absl::Status Append(absl::Span<const NewCheckpoint> checkpoints, Timestamp now);

  JournalEnd end() const;
  // The one with the largest tree of a partition.
  absl::StatusOr<std::optional<KeptCheckpoint>> Newest(PartitionId partition) const;
  // Those after `after`, of one partition or of all, at most `count`.
  absl::StatusOr<std::vector<KeptCheckpoint>> List(std::optional<PartitionId> partition,
                                                   uint64_t after, size_t count) const;

  // Reads the files anew, and compares them with what is known of them. Calls `visit` with each
  // checkpoint up to the first place that is damaged, which the status names.
  absl::Status Scan(absl::FunctionRef<void(const KeptCheckpoint&)> visit) const;

  // Calls `grown` after something was kept. Returns an id for RemoveListener, after which it is not
  // called any more.
  uint64_t AddListener(std::function<void()> grown);
  void RemoveListener(uint64_t id);

 private:
  // The file that is written, and the one before it.
  enum Part { kOld = 0, kPresent = 1 };
  struct Entry {
    uint64_t number = 0;
    PartitionId partition;
    uint64_t size = 0;  // of its tree
    Part part = kPresent;
    uint64_t offset = 0;
    size_t length = 0;
  };
  // What reading a file from its first byte gave.
  struct Content {
    std::vector<Entry> entries;
    JournalEnd end;
    uint64_t bytes = 0;    // that hold whole records
    bool is_torn = false;  // the last record is not whole
    absl::Status damage;
  };

  explicit CheckpointJournal(CheckpointJournalOptions options) : options_(std::move(options)) {}

  std::string PathOf(Part part) const;
  absl::StatusOr<std::optional<std::string>> ReadPart(Part part) const SKALD_REQUIRES(mu_);
  Content ParsePart(Part part, absl::string_view text, const JournalEnd& before,
                    absl::FunctionRef<void(const KeptCheckpoint&)> visit) const;
  absl::Status Load(std::vector<std::string>* notices) SKALD_REQUIRES(mu_);
  absl::StatusOr<KeptCheckpoint> ReadEntry(const Entry& entry) const SKALD_REQUIRES(mu_);
  absl::Status Rotate() SKALD_REQUIRES(mu_);
  absl::Status Write(absl::string_view bytes) SKALD_REQUIRES(mu_);
  void TakeEntries(Part part, std::vector<Entry> entries) SKALD_REQUIRES(mu_);

  const CheckpointJournalOptions options_;
  bool existed_ = false;  // constant after Open
  mutable Mutex mu_;
  int file_ SKALD_GUARDED_BY(mu_) = -1;
  std::string memory_[2] SKALD_GUARDED_BY(mu_);  // without a path
  uint64_t bytes_ SKALD_GUARDED_BY(mu_) = 0;     // of the present file
  // The present file's name may not be durable: nothing is kept in it before.
  bool is_folder_sync_due_ SKALD_GUARDED_BY(mu_) = false;
  std::vector<Entry> entries_ SKALD_GUARDED_BY(mu_);
  JournalEnd end_ SKALD_GUARDED_BY(mu_);
  absl::Status damage_ SKALD_GUARDED_BY(mu_);
  Mutex listeners_mu_;  // held while they are called
  uint64_t next_listener_ SKALD_GUARDED_BY(listeners_mu_) = 1;
  absl::flat_hash_map<uint64_t, std::function<void()>> listeners_ SKALD_GUARDED_BY(listeners_mu_);
};

}  // namespace skald::audit
