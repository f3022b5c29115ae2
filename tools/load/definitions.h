// The sagas that saga_load runs: small, and like real ones in how many events they make.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skald::tools::load {

inline constexpr char kNamespace[] = "load";
inline constexpr char kVersion[] = "1.0.0";

struct Shape {
  std::string name;                    // of the definition too
  std::string text;                    // YAML
  std::vector<std::string> functions;  // worker functions
  bool faults = false;                 // it ends faulted, after its undo
  bool ends = true;                    // else it waits for a year
};

// tasks0 (one `set`), tasks1, tasks3, tasks9 (so many worker tasks in a row), compensate (two
// tasks that are undone because the third fails), waiting (it waits for a year). INVALID_ARGUMENT
// for another name.
absl::StatusOr<Shape> MakeShape(absl::string_view name);

// The function that always fails.
inline constexpr char kFailingFunction[] = "loadFail";

}  // namespace skald::tools::load
