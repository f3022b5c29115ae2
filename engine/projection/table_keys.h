// How the rows of read models are put together in views (docs/formats.md). All of them stand under
// partition 0: a model belongs to the whole store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/projection/model.h"
#include "storage/keys.h"

namespace skald::projection {

// All rows of a table that belong to a generation start with this.
std::string GenerationPrefix(storage::Table table, uint64_t generation);

std::string CheckpointKey(uint64_t generation);
// Of one part of a generation whose partitions are folded apart; begins with CheckpointKey.
std::string PartKey(uint64_t generation, uint32_t part);
std::string RowKey(uint64_t generation, absl::string_view row_key);

// Index entries: values of the index's columns ‖ row key.
std::string IndexPrefix(uint64_t generation, size_t index);

// Makes the keys of an index's entries. Thread rule: immutable.
class IndexKeys {
 public:
  // `schema` must outlive it.
  IndexKeys(uint64_t generation, const ModelSchema& schema, size_t index);

  // Nothing when the first of the index's columns is null.
  std::optional<std::string> KeyOf(const Json& row, absl::string_view row_key) const;

 private:
  std::string prefix_;
  std::vector<const Column*> columns_;
};
// Of all indexes of a schema, in its order.
std::vector<IndexKeys> IndexKeysOf(uint64_t generation, const ModelSchema& schema);

// Row versions: row key ‖ the stamp with all bits turned, so that a row's latest version comes first.
inline constexpr size_t kStampBytes = 8 + 4 + 8;
std::string EncodeStampDescending(const Stamp& stamp);
std::string VersionKey(uint64_t generation, absl::string_view row_key, const Stamp& stamp);

std::string PoisonKey(uint64_t generation, const Stamp& stamp);

// The registry's row of a model; with no name, of the whole.
std::string RegistryKey(absl::string_view model);

}  // namespace skald::projection
