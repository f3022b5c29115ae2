#include "engine/audit/tile_tree.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "storage/keys.h"

namespace skald::audit {
namespace {

constexpr uint64_t kTileHashes = 256;
constexpr uint32_t kTileLevels = 8;
constexpr size_t kPositionBytes = 8;

constexpr char kEndKind = 0;
constexpr char kHashesKind = 1;
constexpr char kPositionsKind = 2;

std::string RowKey(PartitionId partition, char kind, uint64_t level, uint64_t tile) {
  return storage::KeyBuilder(storage::Table::kAuditTree, partition)
      .Raw({&kind, 1})
      .Number(level)
      .Number(tile)
      .Build();
}

// Numbers that are no positions are written the same way.
std::string EncodeNumber(uint64_t number) { return storage::EncodePosition(Position(number)); }

Hash HashAt(absl::string_view hashes, uint64_t number) {
  return Hash::FromBytes(hashes.substr(number * kSha256Bytes, kSha256Bytes));
}

// All complete subtrees over a tile's hashes, from the hashes themselves up.
std::vector<std::vector<Hash>> Expand(absl::string_view hashes) {
  std::vector<std::vector<Hash>> nodes(1);
  for (uint64_t i = 0; i < hashes.size() / kSha256Bytes; ++i) {
    nodes[0].push_back(HashAt(hashes, i));
  }
  while (nodes.back().size() > 1) {
    const std::vector<Hash>& below = nodes.back();
    std::vector<Hash> above;
    for (size_t i = 0; i + 1 < below.size(); i += 2) {
      above.push_back(HashChildren(below[i], below[i + 1]));
    }
    nodes.push_back(std::move(above));
  }
  return nodes;
}

// How many hashes the tiles of a level hold together.
uint64_t HashesOf(uint64_t size, size_t level) {
  return size >> (kTileLevels * static_cast<uint32_t>(level));
}

}  // namespace

absl::StatusOr<std::string> TileTree::ReadRow(char kind, uint64_t level, uint64_t tile,
                                              size_t bytes) const {
  SKALD_ASSIGN_OR_RETURN(std::optional<std::string> row,
                         views_.Get(RowKey(partition_, kind, level, tile)));
  if (row && row->size() >= bytes) {
    row->resize(bytes);
    return *std::move(row);
  }
  return absl::DataLossError(absl::StrCat("audit tree of partition ", partition_.value(), ": tile ",
                                          level, "/", tile, row ? " is cut" : " is missing"));
}

void TileTree::Forget() {
  size_ = written_size_ = 0;
  last_ = Position(0);
  levels_ = {};
  positions_.clear();
  read_positions_tile_ = UINT64_MAX;
  full_.clear();
}

absl::Status TileTree::Load() {
  Forget();
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> end,
                         views_.Get(RowKey(partition_, kEndKind, 0, 0)));
  if (!end) return absl::OkStatus();
  if (end->size() != 2 * kPositionBytes) {
    return absl::DataLossError(
        absl::StrCat("audit tree of partition ", partition_.value(), ": its end is cut"));
  }
  const absl::string_view numbers = *end;
  SKALD_ASSIGN_OR_RETURN(const Position size,
                         storage::ParsePosition(numbers.substr(0, kPositionBytes)));
  SKALD_ASSIGN_OR_RETURN(last_, storage::ParsePosition(numbers.substr(kPositionBytes)));
  size_ = written_size_ = size.value();
  for (size_t level = 0; level < kLevels; ++level) {
    const uint64_t hashes = HashesOf(size_, level);
    levels_[level].tile = hashes / kTileHashes;
    if (hashes % kTileHashes == 0) continue;
    SKALD_ASSIGN_OR_RETURN(levels_[level].hashes, ReadRow(kHashesKind, level, hashes / kTileHashes,
                                                          hashes % kTileHashes * kSha256Bytes));
  }
  if (size_ % kTileHashes != 0) {
    SKALD_ASSIGN_OR_RETURN(positions_, ReadRow(kPositionsKind, 0, size_ / kTileHashes,
                                               size_ % kTileHashes * kPositionBytes));
  }
  return absl::OkStatus();
}

absl::Status TileTree::Clear() {
  const std::string prefix = storage::KeyBuilder(storage::Table::kAuditTree, partition_).Build();
  std::vector<storage::RowChange> rows;
  SKALD_RETURN_IF_ERROR(views_.Scan(prefix, storage::PrefixEnd(prefix),
                                    [&](absl::string_view key, absl::string_view) {
                                      // Other rows of the table do not follow from the log.
                                      if (key[prefix.size()] > kPositionsKind) return false;
                                      rows.push_back({std::string(key), std::nullopt});
                                      return true;
                                    }));
  SKALD_RETURN_IF_ERROR(views_.ApplyRows(rows));
  return Load();
}

void TileTree::AppendTo(size_t level, const Hash& hash) {
  Level& edge = levels_[level];
  edge.hashes.append(hash.view().data(), kSha256Bytes);
  if (edge.hashes.size() < kTileHashes * kSha256Bytes) return;
  const Hash root = Expand(edge.hashes).back().front();
  full_.push_back({RowKey(partition_, kHashesKind, level, edge.tile), std::move(edge.hashes)});
  edge.hashes.clear();
  ++edge.tile;
  AppendTo(level + 1, root);
}

void TileTree::Append(const Hash& leaf, Position first, Position last) {
  positions_ += storage::EncodePosition(first);
  if (positions_.size() == kTileHashes * kPositionBytes) {
    full_.push_back(
        {RowKey(partition_, kPositionsKind, 0, levels_[0].tile), std::move(positions_)});
    positions_.clear();
  }
  AppendTo(0, leaf);
  ++size_;
  last_ = last;
}

absl::Status TileTree::Write() {
  if (unwritten() == 0) return absl::OkStatus();
  std::vector<storage::RowChange> rows = std::move(full_);
  full_.clear();
  for (size_t level = 0; level < kLevels; ++level) {
    const Level& edge = levels_[level];
    if (HashesOf(size_, level) == HashesOf(written_size_, level)) break;
    if (edge.hashes.empty()) continue;
    rows.push_back({RowKey(partition_, kHashesKind, level, edge.tile), edge.hashes});
  }
  if (!positions_.empty()) {
    rows.push_back({RowKey(partition_, kPositionsKind, 0, levels_[0].tile), positions_});
  }
  rows.push_back({RowKey(partition_, kEndKind, 0, 0),
                  absl::StrCat(EncodeNumber(size_), storage::EncodePosition(last_))});
  SKALD_RETURN_IF_ERROR(views_.ApplyRows(rows));
  written_size_ = size_;
  return absl::OkStatus();
}

absl::StatusOr<const TileTree::Expanded*> TileTree::TileOf(size_t level, uint64_t tile) {
  Level& edge = levels_[level];
  if (tile == edge.tile) {
    const size_t count = edge.hashes.size() / kSha256Bytes;
    if (edge.last.tile != tile || edge.last.nodes.front().size() != count) {
      edge.last = {.tile = tile, .nodes = Expand(edge.hashes)};
    }
    return &edge.last;
  }
  if (tile != edge.full.tile) {
    SKALD_ASSIGN_OR_RETURN(const std::string hashes,
                           ReadRow(kHashesKind, level, tile, kTileHashes * kSha256Bytes));
    edge.full = {.tile = tile, .nodes = Expand(hashes)};
  }
  return &edge.full;
}

absl::StatusOr<Hash> TileTree::Subtree(uint32_t level, uint64_t index) {
  const uint32_t within = level % kTileLevels;
  const uint64_t first = index << within;
  SKALD_ASSIGN_OR_RETURN(const Expanded* const tile,
                         TileOf(level / kTileLevels, first / kTileHashes));
  const uint64_t node = first % kTileHashes >> within;
  if (within >= tile->nodes.size() || node >= tile->nodes[within].size()) {
    return absl::OutOfRangeError(absl::StrCat("subtree ", level, "/", index, " is not complete"));
  }
  return tile->nodes[within][node];
}

absl::StatusOr<absl::string_view> TileTree::PositionsOf(uint64_t tile) {
  if (tile == levels_[0].tile) return absl::string_view(positions_);
  if (tile != read_positions_tile_) {
    read_positions_tile_ = UINT64_MAX;
    SKALD_ASSIGN_OR_RETURN(read_positions_,
                           ReadRow(kPositionsKind, 0, tile, kTileHashes * kPositionBytes));
    read_positions_tile_ = tile;
  }
  return absl::string_view(read_positions_);
}

absl::StatusOr<uint64_t> TileTree::IndexOf(Position first) {
  const auto position_at = [](absl::string_view positions, uint64_t number) {
    return *storage::ParsePosition(positions.substr(number * kPositionBytes, kPositionBytes));
  };
  // The last tile that begins at or before it, then the place in it.
  uint64_t low = 0;
  uint64_t high = (size_ + kTileHashes - 1) / kTileHashes;
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    SKALD_ASSIGN_OR_RETURN(const absl::string_view positions, PositionsOf(middle));
    (position_at(positions, 0) <= first ? low : high) = middle;
  }
  if (high > 0) {
    SKALD_ASSIGN_OR_RETURN(const absl::string_view positions, PositionsOf(low));
    for (uint64_t i = 0; i < positions.size() / kPositionBytes; ++i) {
      if (position_at(positions, i) == first) return low * kTileHashes + i;
    }
  }
  return absl::NotFoundError(absl::StrCat("no commit begins at position ", first.value()));
}

}  // namespace skald::audit
