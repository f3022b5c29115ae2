// The only code that knows the bytes of keys. Every number in a key is big endian, so byte order is
// number order.
//
// A view key is: table (1 byte) ‖ partition (4 bytes) ‖ the table's own parts. Strings inside a key
// that are not last are written with their bytes 0x00 escaped as 0x00 0xFF and ended by 0x00 0x01,
// which keeps their order.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"

namespace skald::storage {

// Numbers are part of the format: never reused, retired ones stay reserved.
enum class Table : uint8_t {
  kApplied = 1,          // applied position of a partition
  kSaga = 2,             // saga rows: encoded state
  kStreamIndex = 3,      // saga -> positions of its commits, one packed row per delta window
  kTimer = 4,            // due time ‖ saga ‖ timer id
  kReadyTask = 5,        // function ‖ position ‖ saga ‖ frame
  kDedup = 6,            // request id -> digest, commit position
  kDedupExpiry = 7,      // commit time ‖ request id
  kMailboxIn = 8,        // from -> last accepted seq
  kMailboxOut = 9,       // to ‖ seq -> position of the message
  kDefinition = 10,      // namespace ‖ name ‖ version -> position, hash
  kDefinitionHash = 11,  // hash -> position
  kIncident = 12,        // saga ‖ frame: parked work and late effects
  kIdentity = 13,        // partition 0, no more parts: which store these views belong to
  kAuditTree = 14,       // kind ‖ level ‖ tile: the Merkle tree over the partition's commits
  // Read models, all under partition 0. A generation is one building of a model from its beginning.
  kModelRegistry = 16,    // model -> its generations and what each is there for
  kModelCheckpoint = 17,  // generation -> how far it was folded, and what its rows amount to
  kModelRow = 18,         // generation ‖ row key -> the row
  kModelIndex = 19,       // generation ‖ index ‖ values of its columns ‖ row key
  kModelVersion = 20,     // generation ‖ row key ‖ stamp, latest first -> the row as of then
  kModelPoison = 21,      // generation ‖ stamp -> an event that was put aside, and why
  kModel = 15,           // name -> position, hash: declared read models (partition 0)
};

// log/: the key of a commit within its partition's column family.
std::string LogKey(Position first);
absl::StatusOr<Position> ParseLogKey(absl::string_view key);

// The row that holds a partition's applied position, and its value: the position as 8 bytes.
std::string AppliedKey(PartitionId partition);
std::string EncodePosition(Position position);
absl::StatusOr<Position> ParsePosition(absl::string_view value);

// Builds a view key part by part.
//
//   std::string key = KeyBuilder(Table::kTimer,
//   partition).Time(due).Text(namespace).Text(saga_id).Number(timer).Build();
class KeyBuilder {
 public:
  KeyBuilder(Table table, PartitionId partition);
  KeyBuilder& Number(uint64_t value);        // 8 bytes
  KeyBuilder& Time(Timestamp value);         // 8 bytes; Precondition: not negative
  KeyBuilder& Text(absl::string_view text);  // escaped and ended
  KeyBuilder& Raw(absl::string_view bytes);  // as is; only as the last part, or of fixed length
  // The finished key; the builder is empty then.
  std::string Build();

 private:
  std::string key_;
};

// Takes a view key apart in the order it was built. Reading past the end or a wrong byte makes ok()
// false.
class KeyParser {
 public:
  explicit KeyParser(absl::string_view key);
  Table table() const { return table_; }
  PartitionId partition() const { return partition_; }
  uint64_t Number();
  Timestamp Time();
  std::string Text();
  // What is left; the parser is at its end then.
  absl::string_view Rest();
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }

 private:
  absl::string_view rest_;
  Table table_{};
  PartitionId partition_;
  bool ok_ = true;
};

// The smallest key that is greater than every key starting with `prefix`. Empty when there is none
// (every byte is 0xFF), which a scan takes as "to the end".
std::string PrefixEnd(absl::string_view prefix);

}  // namespace skald::storage
