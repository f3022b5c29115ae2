#include "storage/commit_record.h"

#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "storage/crc32c.h"

namespace skald::storage {
namespace {

// The frame: format (1 byte), slot count (3), then for header, bodies and each slot its length (3),
// kind (1) and checksum (4), then the checksum of the frame so far (4).
constexpr size_t kWordBytes = 4;
constexpr size_t kPartBytes = 8;
constexpr uint32_t kLow24Bits = 0xffffff;
// Header and bodies are parts too.
constexpr size_t kFixedParts = 2;
// Bytes as the writer gave them. Other kinds (encrypted, erased) are reserved.
constexpr uint32_t kPlainKind = 0;

constexpr size_t FrameBytes(size_t slot_count) {
  return kWordBytes + (kFixedParts + slot_count) * kPartBytes + kWordBytes;
}

// Numbers in a record are little endian, whatever the machine is.
void AppendWord(uint32_t word, std::string* out) {
  const std::array<char, 4> bytes = {static_cast<char>(word), static_cast<char>(word >> 8),
                                     static_cast<char>(word >> 16), static_cast<char>(word >> 24)};
  out->append(bytes.data(), bytes.size());
}

uint32_t ReadWord(absl::string_view bytes, size_t at) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i]));
  };
  return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
}

void AppendPart(absl::string_view part, std::string* frame) {
  SKALD_CHECK(part.size() <= kLow24Bits);
  AppendWord(static_cast<uint32_t>(part.size()) | kPlainKind << 24, frame);
  AppendWord(Crc32c(part), frame);
}

absl::Status Damaged(absl::string_view what, size_t at) {
  return absl::DataLossError(absl::StrCat("commit record: ", what, " at byte ", at));
}

// The checked frame of a record: where its parts lie.
struct Frame {
  size_t slot_count = 0;
  size_t bytes = 0;
};

absl::StatusOr<Frame> ReadFrame(absl::string_view record) {
  if (record.size() < FrameBytes(0)) return Damaged("ends within its frame", record.size());
  const uint32_t start = ReadWord(record, 0);
  if ((start & 0xff) != kCommitFormat) {
    return absl::DataLossError(absl::StrCat("commit record: its format is ", start & 0xff,
                                            " and this build reads format ", kCommitFormat,
                                            ": it is damaged or was written by a newer version"));
  }
  Frame frame;
  frame.slot_count = start >> 8;
  frame.bytes = FrameBytes(frame.slot_count);
  if (record.size() < frame.bytes) return Damaged("ends within its frame", record.size());
  const size_t checksum_at = frame.bytes - kWordBytes;
  if (Crc32c(record.substr(0, checksum_at)) != ReadWord(record, checksum_at)) {
    return Damaged("checksum of the frame does not match", checksum_at);
  }
  return frame;
}

// The bytes of part `number` (0 header, 1 bodies, from 2 slots), which starts at `at`; moves `at`
// past it.
absl::StatusOr<absl::string_view> ReadPart(absl::string_view record, size_t number, size_t* at) {
  const size_t entry = kWordBytes + number * kPartBytes;
  const uint32_t word = ReadWord(record, entry);
  const size_t length = word & kLow24Bits;
  const auto name = [number]() -> std::string {
    if (number == 0) return "header";
    if (number == 1) return "bodies";
    return absl::StrCat("slot ", number - kFixedParts);
  };
  if ((word >> 24) != kPlainKind) {
    return Damaged(absl::StrCat("kind ", word >> 24, " of ", name(), " is unknown"), entry);
  }
  if (length > record.size() - *at) return Damaged(absl::StrCat("ends within ", name()), *at);
  const absl::string_view part = record.substr(*at, length);
  if (Crc32c(part) != ReadWord(record, entry + kWordBytes)) {
    return Damaged(absl::StrCat("checksum of ", name(), " does not match"), *at);
  }
  *at += length;
  return part;
}

// Reads a varint from the front of `bytes`; false when there is none.
bool TakeVarint(absl::string_view* bytes, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

// Field numbers of CommitHeader that make up a place. They are its first varints, and protobuf
// writes fields in the order of their numbers.
constexpr uint64_t kPartitionField = 2;
constexpr uint64_t kFirstPositionField = 3;
constexpr uint64_t kCountField = 4;

// Reads a place from the front of a header's bytes.
CommitPlace ReadPlace(absl::string_view header) {
  CommitPlace place;
  while (!header.empty()) {
    uint64_t tag = 0;
    uint64_t value = 0;
    // The place's fields are varints; the first field after them or of another kind ends it.
    if (!TakeVarint(&header, &tag) || (tag & 7) != 0 || (tag >> 3) > kCountField) break;
    if (!TakeVarint(&header, &value)) break;
    switch (tag >> 3) {
      case kPartitionField:
        place.partition = PartitionId(static_cast<uint32_t>(value));
        break;
      case kFirstPositionField:
        place.first = Position(value);
        break;
      case kCountField:
        place.count = static_cast<uint32_t>(value);
        break;
    }
  }
  return place;
}

}  // namespace

void EncodeCommit(const log::v1::CommitHeader& header, absl::string_view bodies,
                  absl::Span<const absl::string_view> slots, std::string* out) {
  SKALD_CHECK(header.format() == kCommitFormat);
  SKALD_CHECK(header.first_position() >= 1 && header.count() >= 1);
  SKALD_CHECK(slots.size() <= kLow24Bits);
  const size_t start = out->size();
  const size_t header_bytes = header.ByteSizeLong();
  size_t total = FrameBytes(slots.size()) + header_bytes + bodies.size();
  for (const absl::string_view slot : slots) total += slot.size();
  out->reserve(start + total);

  // The frame comes first but needs the header's checksum: the header is written in its place and
  // the frame's bytes are filled in before it.
  const size_t frame_bytes = FrameBytes(slots.size());
  out->resize(start + frame_bytes + header_bytes);
  char* const header_at = out->data() + start + frame_bytes;
  header.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(header_at));

  std::string frame;
  frame.reserve(frame_bytes);
  AppendWord(kCommitFormat | static_cast<uint32_t>(slots.size()) << 8, &frame);
  AppendPart({header_at, header_bytes}, &frame);
  AppendPart(bodies, &frame);
  for (const absl::string_view slot : slots) AppendPart(slot, &frame);
  AppendWord(Crc32c(frame), &frame);
  std::memcpy(out->data() + start, frame.data(), frame_bytes);

  out->append(bodies.data(), bodies.size());
  for (const absl::string_view slot : slots) out->append(slot.data(), slot.size());
}

size_t EncodedCommitBytes(const log::v1::CommitHeader& header, absl::string_view bodies,
                          absl::Span<const absl::string_view> slots) {
  size_t total = FrameBytes(slots.size()) + header.ByteSizeLong() + bodies.size();
  for (const absl::string_view slot : slots) total += slot.size();
  return total;
}

absl::StatusOr<CommitView> DecodeCommit(absl::string_view record) {
  CommitView commit;
  SKALD_RETURN_IF_ERROR(DecodeCommit(record, &commit));
  return commit;
}

absl::Status DecodeCommit(absl::string_view record, CommitView* commit) {
  SKALD_ASSIGN_OR_RETURN(const Frame frame, ReadFrame(record));
  size_t at = frame.bytes;
  SKALD_ASSIGN_OR_RETURN(commit->header_bytes, ReadPart(record, 0, &at));
  SKALD_ASSIGN_OR_RETURN(commit->bodies, ReadPart(record, 1, &at));
  commit->slots.clear();
  for (size_t slot = 0; slot < frame.slot_count; ++slot) {
    SKALD_ASSIGN_OR_RETURN(const absl::string_view bytes,
                           ReadPart(record, kFixedParts + slot, &at));
    commit->slots.push_back(bytes);
  }
  if (at != record.size()) return Damaged("goes on past its last part", at);
  if (!commit->header.ParseFromArray(commit->header_bytes.data(),
                                     static_cast<int>(commit->header_bytes.size()))) {
    return Damaged("header is not a CommitHeader", frame.bytes);
  }
  const log::v1::CommitHeader& header = commit->header;
  if (header.format() != kCommitFormat || header.first_position() == 0 || header.count() == 0) {
    return Damaged("header has no format, position or count", frame.bytes);
  }
  // Both ways of reading a place must agree, or two readers would see two logs.
  const CommitPlace place = ReadPlace(commit->header_bytes);
  if (place.partition.value() != header.partition() ||
      place.first.value() != header.first_position() || place.count != header.count()) {
    return Damaged("header does not begin with its place", frame.bytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<CommitPlace> PeekCommitPlace(absl::string_view record) {
  SKALD_ASSIGN_OR_RETURN(const Frame frame, ReadFrame(record));
  size_t at = frame.bytes;
  SKALD_ASSIGN_OR_RETURN(const absl::string_view header, ReadPart(record, 0, &at));
  const CommitPlace place = ReadPlace(header);
  if (place.first.value() == 0 || place.count == 0) {
    return Damaged("header has no position or count", frame.bytes);
  }
  return place;
}

}  // namespace skald::storage
