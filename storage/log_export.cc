#include "storage/log_export.h"

#include <istream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "storage/crc32c.h"

namespace skald::storage {
namespace {

constexpr absl::string_view kMagic = "skald log export 1\n";
constexpr char kHeaderKind = 'H';
constexpr char kCommitKind = 'C';
constexpr char kEndKind = 'E';

// A frame: kind (1 byte), length of the payload (4), payload, CRC32C of all that (4).
constexpr size_t kHeadBytes = 5;
constexpr size_t kWordBytes = 4;
// The largest is a header: a range of some 25 bytes for each of 1,024 partitions and what was asked
// for; or a commit.
constexpr size_t kPayloadBytesMax = 1 << 20;

// Little endian, whatever the machine is.
void AppendWord(uint32_t word, std::string* out) {
  for (int shift = 0; shift < 32; shift += 8) out->push_back(static_cast<char>(word >> shift));
}

uint32_t ReadWord(absl::string_view bytes) {
  uint32_t word = 0;
  for (size_t i = kWordBytes; i-- > 0;) word = word << 8 | static_cast<unsigned char>(bytes[i]);
  return word;
}

}  // namespace

// ---- Writing ----

std::string LogExportWriter::Frame(char kind, absl::string_view payload) {
  std::string frame(1, kind);
  frame.reserve(kHeadBytes + payload.size() + kWordBytes);
  AppendWord(static_cast<uint32_t>(payload.size()), &frame);
  frame.append(payload.data(), payload.size());
  AppendWord(Crc32c(frame), &frame);
  crc_ = ExtendCrc32c(crc_, frame);
  return frame;
}

std::string LogExportWriter::Begin(log::v1::ExportHeader header) {
  header.set_format(kExportFormat);
  crc_ = Crc32c(kMagic);
  return absl::StrCat(kMagic, Frame(kHeaderKind, header.SerializeAsString()));
}

std::string LogExportWriter::Add(absl::string_view record, uint32_t events) {
  ++commits_;
  events_ += events;
  return Frame(kCommitKind, record);
}

std::string LogExportWriter::End() {
  log::v1::ExportEnd end;
  end.set_commits(commits_);
  end.set_events(events_);
  end.set_crc32c(crc_);
  return Frame(kEndKind, end.SerializeAsString());
}

// ---- Reading ----

absl::Status LogExportReader::Damaged(absl::string_view what) const {
  return absl::DataLossError(absl::StrCat("byte ", frame_start_, ": ", what));
}

absl::Status LogExportReader::ReadBytes(size_t count, std::string& bytes) {
  bytes.resize(count);
  in_.read(bytes.data(), static_cast<std::streamsize>(count));
  const auto got = static_cast<size_t>(in_.gcount());
  offset_ += got;
  if (got < count) {
    return absl::DataLossError(absl::StrCat("byte ", offset_, ": the file ends here, within what ",
                                            "begins at byte ", frame_start_, ": it was cut off"));
  }
  crc_ = ExtendCrc32c(crc_, bytes);
  return absl::OkStatus();
}

// The frame's kind; its payload is in payload_.
absl::StatusOr<char> LogExportReader::ReadFrame() {
  frame_start_ = offset_;
  crc_before_ = crc_;
  std::string head, sum;
  SKALD_RETURN_IF_ERROR(ReadBytes(kHeadBytes, head));
  const uint32_t length = ReadWord(absl::string_view(head).substr(1));
  if (length > kPayloadBytesMax) return Damaged("the length of this frame is damaged");
  SKALD_RETURN_IF_ERROR(ReadBytes(length, payload_));
  SKALD_RETURN_IF_ERROR(ReadBytes(kWordBytes, sum));
  if (ExtendCrc32c(Crc32c(head), payload_) != ReadWord(sum)) {
    return Damaged("the frame that begins here does not match its checksum");
  }
  return head[0];
}

absl::StatusOr<log::v1::ExportHeader> LogExportReader::ReadHeader() {
  std::string magic;
  if (!ReadBytes(kMagic.size(), magic).ok() || magic != std::string(kMagic)) {
    return absl::InvalidArgumentError(
        "it is no log export, or one of another format: it does not begin with "
        "\"skald log export 1\"");
  }
  SKALD_ASSIGN_OR_RETURN(const char kind, ReadFrame());
  if (kind != kHeaderKind || !header_.ParseFromString(payload_)) {
    return Damaged("expected the header here");
  }
  if (header_.format() != kExportFormat) {
    return absl::InvalidArgumentError(
        absl::StrCat("its format is ", header_.format(), ", and this build reads ", kExportFormat));
  }
  SKALD_RETURN_IF_ERROR(CheckHeader());
  return header_;
}

absl::Status LogExportReader::CheckHeader() const {
  if (header_.store_id().size() != 16 || header_.partition_count() == 0) {
    return Damaged("the header names no store");
  }
  int64_t before = -1;
  for (const log::v1::ExportRange& range : header_.ranges()) {
    if (range.partition() <= before || range.partition() >= header_.partition_count() ||
        range.first_position() == 0 || range.last_position() < range.first_position()) {
      return Damaged("the header's ranges make no sense");
    }
    before = range.partition();
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> LogExportReader::Next() {
  SKALD_ASSIGN_OR_RETURN(const char kind, ReadFrame());
  if (kind == kCommitKind) {
    SKALD_RETURN_IF_ERROR(CheckCommit());
    return true;
  }
  if (kind != kEndKind) return Damaged("expected a commit or the end here");
  SKALD_RETURN_IF_ERROR(CheckEnd());
  return false;
}

absl::Status LogExportReader::CheckRangeIsWhole() const {
  if (range_ < 0 || header_.filtered()) return absl::OkStatus();
  const log::v1::ExportRange& range = header_.ranges(range_);
  if (next_.value() == range.last_position() + 1) return absl::OkStatus();
  return Damaged(absl::StrCat("the commit at position ", next_.value(), " of partition ",
                              range.partition(), " is missing before this"));
}

absl::Status LogExportReader::CheckCommit() {
  CommitView commit;
  if (const absl::Status status = DecodeCommit(payload_, &commit); !status.ok()) {
    return Damaged(status.message());
  }
  place_ = {.partition = PartitionId(commit.header.partition()),
            .first = Position(commit.header.first_position()),
            .count = commit.header.count()};
  while (range_ < 0 || header_.ranges(range_).partition() != place_.partition.value()) {
    SKALD_RETURN_IF_ERROR(CheckRangeIsWhole());
    if (++range_ >= header_.ranges_size()) {
      return Damaged(absl::StrCat("a commit of partition ", place_.partition.value(),
                                  " is out of order here, or not announced by the header"));
    }
    next_ = Position(header_.ranges(range_).first_position());
  }
  const bool fits = header_.filtered() ? place_.first >= next_ : place_.first == next_;
  if (!fits || place_.last().value() > header_.ranges(range_).last_position()) {
    return Damaged(absl::StrCat("expected the commit at position ", next_.value(), " of partition ",
                                place_.partition.value(), ", but here is ", place_.first.value(),
                                ": commits are missing, repeated or out of order"));
  }
  next_ = place_.last().Next();
  ++commits_;
  events_ += place_.count;
  return absl::OkStatus();
}

absl::Status LogExportReader::CheckEnd() {
  log::v1::ExportEnd end;
  if (!end.ParseFromString(payload_)) return Damaged("the end cannot be read");
  SKALD_RETURN_IF_ERROR(CheckRangeIsWhole());
  if (range_ + 1 < header_.ranges_size() && !header_.filtered()) {
    return Damaged(absl::StrCat("the commits of partition ", header_.ranges(range_ + 1).partition(),
                                " are missing"));
  }
  if (end.commits() != commits_ || end.events() != events_ || end.crc32c() != crc_before_) {
    return Damaged("what stands before the end is not what it says");
  }
  if (in_.peek() != std::istream::traits_type::eof()) {
    frame_start_ = offset_;
    return Damaged("something follows the end");
  }
  return absl::OkStatus();
}

}  // namespace skald::storage
