// Whether the index entries of a generation are those that its rows make.
//
// Sums over hashes, as RowsHash: rows and entries may come in any order, and nothing is kept of them.
//
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "engine/projection/model.h"
#include "engine/projection/model_table.h"
#include "engine/projection/table_keys.h"
#include "storage/views.h"

namespace skald::projection {

class IndexSums {
 public:
  IndexSums(uint64_t generation, std::shared_ptr<const ModelSchema> schema);

  void AddRow(absl::string_view row_key, const Json& row);
  // `key`: as it stands in views, of this generation.
  void AddEntry(absl::string_view key);

  // What is wrong, for people: "its index 'by_status' has 5 entries; its rows make 6". Empty:
  // nothing.
  std::string Difference() const;

 private:
  struct Sum {
    uint64_t count = 0;
    RowsHash hash;

    void Add(absl::string_view key);
    friend bool operator==(const Sum& a, const Sum& b) {
      return a.count == b.count && a.hash == b.hash;
    }
  };
  struct Sums {
    Sum made;   // by rows
    Sum there;  // in views
  };

  const std::shared_ptr<const ModelSchema> schema_;
  const std::vector<IndexKeys> keys_;
  std::vector<Sums> indexes_;  // as in the schema
  uint64_t unknown_ = 0;       // entries of others
};

// As IndexSums::Difference, of what stands in a snapshot. DATA_LOSS when a row cannot be read,
// CANCELLED once `stopped` says so.
absl::StatusOr<std::string> IndexDifference(const storage::ViewSnapshot& snapshot,
                                            uint64_t generation,
                                            std::shared_ptr<const ModelSchema> schema,
                                            absl::FunctionRef<bool()> stopped);

}  // namespace skald::projection
