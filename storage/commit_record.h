// The bytes of one commit: header, event bodies and payload slots, a CRC32C on each
// (docs/formats.md).
//
// User data stands only in slots, as UTF-8 JSON never reinterpreted on the way; bodies refer to
// slots by number, from 0.
//
// A record starts with its frame: format, number of slots, and the length and checksum of each
// part, under a checksum of its own, so that no length is believed before it is checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "skald/log/v1/record.pb.h"

namespace skald::storage {

// A commit's record is at most this long: it fits a broker's default message size.
inline constexpr size_t kCommitBytesMax = 900 * 1024;

// The format this build writes: the record's first byte and CommitHeader.format.
inline constexpr uint32_t kCommitFormat = 1;

// Appends the record's bytes to `out`. `bodies` is the serialised skald.log.v1.EventBodies; storage
// does not look into it. The caller keeps the record under kCommitBytesMax (EncodedCommitBytes
// tells). Precondition: header.format is kCommitFormat, first_position and count are at least 1.
void EncodeCommit(const log::v1::CommitHeader& header, absl::string_view bodies,
                  absl::Span<const absl::string_view> slots, std::string* out);

// The length EncodeCommit would give.
size_t EncodedCommitBytes(const log::v1::CommitHeader& header, absl::string_view bodies,
                          absl::Span<const absl::string_view> slots);

// A decoded commit. The views point into the record's bytes, which must stay alive.
struct CommitView {
  log::v1::CommitHeader header;
  absl::string_view header_bytes;  // as stored, for proofs
  absl::string_view bodies;
  std::vector<absl::string_view> slots;
};

// Checks every length and checksum. DATA_LOSS says which part is damaged and where.
absl::StatusOr<CommitView> DecodeCommit(absl::string_view record);

// Decodes into `commit`, reusing its memory. After an error its content is unspecified.
absl::Status DecodeCommit(absl::string_view record, CommitView* commit);

// Where a commit stands in the log.
struct CommitPlace {
  PartitionId partition;
  Position first;
  uint32_t count = 0;

  Position last() const { return Position(first.value() + count - 1); }
};

// Reads a record's place without checking the other parts: some nanoseconds, so every read of the
// log can afford to check that no commit is missing. DATA_LOSS when frame or header is damaged.
absl::StatusOr<CommitPlace> PeekCommitPlace(absl::string_view record);

}  // namespace skald::storage
