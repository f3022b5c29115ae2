// Examines the rows of read models as they stand in views, without the models: whether each can be
// read, and whether rows, checkpoints and the registry belong together. Folds nothing.
//
// Thread rule: a function, from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "storage/views.h"

namespace skald::projection {

struct TableFinding {
  // Else the next start makes it good by itself.
  bool is_damage = true;
  std::string where;  // "read model 'sagas'"
  std::string what;
};

struct TableReport {
  uint64_t rows = 0;  // of all kinds
  std::vector<TableFinding> findings;
};

// `last`: by partition, where its log ends. Not OK: the rows cannot be read at all.
absl::StatusOr<TableReport> CheckModelTables(const storage::ViewSnapshot& snapshot,
                                             absl::Span<const Position> last);

}  // namespace skald::projection
