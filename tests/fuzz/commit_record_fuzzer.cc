// Any bytes either decode to a record that encodes to the same bytes, or are refused. Both ways to
// read a place agree.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "storage/commit_record.h"
#include "storage/crc32c.h"

namespace {

using skald::storage::CommitView;
using skald::storage::Crc32c;

uint32_t ReadLow24(absl::string_view bytes, size_t at) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i]));
  };
  return byte(0) | byte(1) << 8 | byte(2) << 16;
}

void WriteWord(uint32_t word, size_t at, std::string* out) {
  for (size_t i = 0; i < 4; ++i) (*out)[at + i] = static_cast<char>(word >> (8 * i));
}

// The input with every checksum made right, so that what lies behind them is reached.
std::string Mended(absl::string_view input) {
  std::string record(input.data(), input.size());
  if (record.size() < 24) return record;
  record[0] = 1;
  const size_t slots = ReadLow24(record, 1) % 8;
  record[1] = static_cast<char>(slots);
  record[2] = record[3] = 0;
  const size_t frame = 24 + 8 * slots;
  if (record.size() < frame) return record;
  size_t at = frame;
  for (size_t part = 0; part < slots + 2; ++part) {
    const size_t entry = 4 + 8 * part;
    const size_t length = ReadLow24(record, entry);
    if (length > record.size() - at) break;
    WriteWord(Crc32c(absl::string_view(record).substr(at, length)), entry + 4, &record);
    at += length;
  }
  WriteWord(Crc32c(absl::string_view(record).substr(0, frame - 4)), frame - 4, &record);
  return record;
}

void Check(absl::string_view input) {
  CommitView commit;
  const absl::Status decoded = skald::storage::DecodeCommit(input, &commit);
  const auto place = skald::storage::PeekCommitPlace(input);
  if (!decoded.ok()) {
    SKALD_CHECK(absl::IsDataLoss(decoded));
    return;
  }
  if (place.ok()) {
    SKALD_CHECK(place->partition.value() == commit.header.partition());
    SKALD_CHECK(place->first.value() == commit.header.first_position());
    SKALD_CHECK(place->count == commit.header.count());
  }
  // Only a header that this build would write is bound to come back the same.
  if (commit.header.SerializeAsString() != commit.header_bytes) return;
  std::string again;
  skald::storage::EncodeCommit(commit.header, commit.bodies, commit.slots, &again);
  SKALD_CHECK(absl::string_view(again) == input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  Check(input);
  Check(Mended(input));
  return 0;
}
