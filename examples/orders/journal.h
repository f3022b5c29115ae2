// What the shop's services have done, shared by all workers of any language through a folder: one
// file for each idempotency key, made whole and once. A call that comes again under its key finds
// the file, does nothing, and gives the first call's result.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skald::examples {

class Journal {
 public:
  // Makes the folder's parts if they are missing.
  static absl::StatusOr<Journal> Open(std::string folder);

  // Does the effect named by `key` unless it was done before; `result` is JSON. Returns the result
  // of whoever came first.
  absl::StatusOr<std::string> Apply(absl::string_view key, absl::string_view function,
                                    absl::string_view order_id, absl::string_view result) const;
  // Which try under this key this is, from 1: for services that stumble.
  absl::StatusOr<int> CountTry(absl::string_view key) const;

 private:
  explicit Journal(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_;
};

// A short name of a key for files and made-up numbers: FNV-1a, 16 hexadecimal digits. The workers
// of all languages compute the same.
std::string ShortName(absl::string_view key);

}  // namespace skald::examples
