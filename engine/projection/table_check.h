// Examines the rows of read models as they stand in views: whether each can be read, and whether rows,
// indexes, checkpoints and the registry belong together. Folds nothing.
//
// Thread rule: a function, from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "engine/projection/fold.h"
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

// `last`: by partition, where its log ends. `models`: those whose indexes are compared with the rows,
// where these were made by the same version. Not OK: the rows cannot be read at all.
absl::StatusOr<TableReport> CheckModelTables(const storage::ViewSnapshot& snapshot,
                                             absl::Span<const Position> last,
                                             absl::Span<const std::shared_ptr<const Model>> models);

}  // namespace skald::projection
