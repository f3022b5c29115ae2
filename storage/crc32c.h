// CRC32C (Castagnoli): the checksum of every stored part, and of RocksDB's log files.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace skald::storage {

// The checksum of `bytes` appended to what `crc` is the checksum of. Uses the processor's own
// instruction where it has one.
uint32_t ExtendCrc32c(uint32_t crc, absl::string_view bytes);

inline uint32_t Crc32c(absl::string_view bytes) { return ExtendCrc32c(0, bytes); }

// The same by table, on any processor. ExtendCrc32c falls back to it; a test compares the two.
uint32_t ExtendCrc32cByTable(uint32_t crc, absl::string_view bytes);

}  // namespace skald::storage
