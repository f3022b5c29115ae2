// The audit trees of a store against a tree that is made here from what was ever durable: at each size
// there is one root, whatever happened in between (invariant `audit`).
#pragma once

#include <vector>

#include "tests/engine/audit/memory_tree.h"
#include "tests/simulation/site.h"

namespace skald::simulation {

class AuditCheck {
 public:
  explicit AuditCheck(Site& site) : site_(site), trees_(site.partitions) {}

  // Asks the server for a checkpoint of the partition and compares it.
  void Check(PartitionId partition);

 private:
  Site& site_;
  std::vector<audit::MemoryTree> trees_;
};

}  // namespace skald::simulation
