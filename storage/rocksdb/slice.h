// The one conversion from our string views to RocksDB's slices.
#pragma once

#include "absl/strings/string_view.h"
#include "rocksdb/slice.h"

namespace skald::storage {

inline rocksdb::Slice ToSlice(absl::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline absl::string_view FromSlice(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

}  // namespace skald::storage
