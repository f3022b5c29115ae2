// The audit tree of one partition, as rows of views: tiles of 256 hashes.
//
// A tile of level 0 holds leaves; each hash of a tile of level n + 1 is the root of a full tile of
// level n. A full tile never changes; the last one of each level grows. What lies within a tile is
// computed from its hashes when it is asked for. Beside each tile of leaves a row holds the
// positions of its commits, so that a commit's leaf is found by its position.
//
//   kind (1 byte)   level, tile     value
//   0 end           0, 0            leaves (8 bytes), position of the last event (8)
//   1 hashes        yes             up to 256 hashes of 32 bytes
//   2 positions     0, tile         up to 256 first positions of 8 bytes
//
// Numbers are big endian. All that was appended since the last Write is written in one atomic step,
// so rows always are a tree that the log had.
//
// Memory: the last tile of each level and the one read last, and what was appended since the last
// Write.
//
// Thread rule: owned by one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "engine/audit/hash.h"
#include "storage/views.h"

namespace skald::audit {

class TileTree {
 public:
  // `views` must outlive the tree. It is empty until Load.
  TileTree(storage::Views& views, PartitionId partition) : views_(views), partition_(partition) {}

  // Takes up what views hold; what was appended and not written is forgotten. DATA_LOSS when rows
  // are missing or cut: Clear brings them back from the log.
  absl::Status Load();
  // Forgets the tree, in views too.
  absl::Status Clear();

  // The next leaf: a commit from `first` to `last`.
  void Append(const Hash& leaf, Position first, Position last);
  // Writes what was appended. After an error the tree must be loaded anew.
  absl::Status Write();
  // Leaves appended and not written.
  uint64_t unwritten() const { return size_ - written_size_; }

  uint64_t size() const { return size_; }
  // Of the last commit's last event; 0 for an empty tree.
  Position last() const { return last_; }

  // The hash of a complete subtree (merkle.h's SubtreeReader). Precondition: nothing is unwritten,
  // and the subtree is complete.
  absl::StatusOr<Hash> Subtree(uint32_t level, uint64_t index);
  // The number of the leaf whose commit begins at `first`; NOT_FOUND when there is none.
  // Precondition: nothing is unwritten.
  absl::StatusOr<uint64_t> IndexOf(Position first);

 private:
  // 2^64 leaves.
  static constexpr size_t kLevels = 8;

  // A tile with all complete subtrees over its hashes: nodes[n][i] covers 2^n of them. Proofs of a
  // saga's commits share most of their way, so it is computed once a tile.
  struct Expanded {
    uint64_t tile = UINT64_MAX;
    std::vector<std::vector<Hash>> nodes;
  };
  // The last tile of a level, which is not full, and the tiles that were last asked for: it as it
  // was then, and one of the full ones.
  struct Level {
    uint64_t tile = 0;
    std::string hashes;
    Expanded last;
    Expanded full;
  };

  void Forget();
  void AppendTo(size_t level, const Hash& hash);
  absl::StatusOr<std::string> ReadRow(char kind, uint64_t level, uint64_t tile, size_t bytes) const;
  absl::StatusOr<const Expanded*> TileOf(size_t level, uint64_t tile);
  absl::StatusOr<absl::string_view> PositionsOf(uint64_t tile);

  storage::Views& views_;
  const PartitionId partition_;
  uint64_t size_ = 0;
  uint64_t written_size_ = 0;
  Position last_;
  std::array<Level, kLevels> levels_;
  std::string positions_;  // of the last tile of leaves
  uint64_t read_positions_tile_ = UINT64_MAX;
  std::string read_positions_;
  std::vector<storage::RowChange> full_;  // tiles that became full since the last Write
};

}  // namespace skald::audit
