// The file of a log export: commit records as they are stored, in order, under checksums
// (docs/formats.md). The same commits give the same bytes.
//
//   LogExportWriter writer;
//   out << writer.Begin(header);
//   for (...) out << writer.Add(record, events);
//   out << writer.End();
//
//   LogExportReader reader(in);
//   SKALD_ASSIGN_OR_RETURN(log::v1::ExportHeader header, reader.ReadHeader());
//   while (true) { SKALD_ASSIGN_OR_RETURN(bool more, reader.Next()); ... reader.record() ... }
//
// Thread rule: owned by one thread at a time.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "skald/log/v1/export.pb.h"
#include "storage/commit_record.h"

namespace skald::storage {

// The format this build writes and reads: ExportHeader.format.
inline constexpr uint32_t kExportFormat = 1;

class LogExportWriter {
 public:
  // Each gives the next bytes of the file.
  std::string Begin(log::v1::ExportHeader header);
  // Precondition: the record is a sound commit of `events` events.
  std::string Add(absl::string_view record, uint32_t events);
  std::string End();

 private:
  std::string Frame(char kind, absl::string_view payload);

  uint32_t crc_ = 0;  // of all bytes so far
  uint64_t commits_ = 0;
  uint64_t events_ = 0;
};

// Believes nothing: each error is DATA_LOSS and names the byte of the file where the frame that is
// wrong begins.
class LogExportReader {
 public:
  // `in` must outlive the reader.
  explicit LogExportReader(std::istream& in) : in_(in) {}

  // First. INVALID_ARGUMENT when the file is no export at all, or of a format this build does not
  // know.
  absl::StatusOr<log::v1::ExportHeader> ReadHeader();

  // Goes to the next commit. False at the end, where the file's own totals have been compared and
  // nothing follows. Commits are in order, and none within the header's ranges is missing unless it
  // was filtered.
  absl::StatusOr<bool> Next();

  // Of the present commit.
  absl::string_view record() const { return payload_; }
  const CommitPlace& place() const { return place_; }

  uint64_t commits() const { return commits_; }
  uint64_t events() const { return events_; }
  // How much of the file has been read.
  uint64_t offset() const { return offset_; }

 private:
  absl::Status Damaged(absl::string_view what) const;
  absl::Status ReadBytes(size_t count, std::string& bytes);
  absl::StatusOr<char> ReadFrame();
  absl::Status CheckHeader() const;
  absl::Status CheckCommit();
  absl::Status CheckEnd();
  absl::Status CheckRangeIsWhole() const;

  std::istream& in_;
  log::v1::ExportHeader header_;
  uint64_t offset_ = 0;       // of the next byte
  uint64_t frame_start_ = 0;  // of the present frame
  uint32_t crc_ = 0;          // of all bytes before the next
  uint32_t crc_before_ = 0;   // of all bytes before the present frame
  std::string payload_;       // of the present frame
  CommitPlace place_;
  int range_ = -1;  // of the header's, in which the last commit stood
  Position next_;   // in it
  uint64_t commits_ = 0;
  uint64_t events_ = 0;
};

}  // namespace skald::storage
