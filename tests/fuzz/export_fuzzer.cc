// Goal: no file makes reading an export of a log crash or hang, and what is not whole is refused.
// Method: the input is a file; or, after a first byte of 'F', a payload for each line, which are
// framed with right checksums, so that what lies behind those is reached.
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include "absl/strings/str_split.h"
#include "base/check.h"
#include "storage/commit_record.h"
#include "storage/log_export.h"

namespace {

std::string Framed(absl::string_view input) {
  skald::log::v1::ExportHeader header;
  const size_t line = std::min(input.find('\n'), input.size());
  static_cast<void>(header.ParseFromArray(input.data(), static_cast<int>(line)));
  header.set_format(skald::storage::kExportFormat);
  skald::storage::LogExportWriter writer;
  std::string file = writer.Begin(header);
  for (const absl::string_view record :
       absl::StrSplit(input.substr(std::min(line + 1, input.size())), "\n--\n", absl::SkipEmpty())) {
    const auto commit = skald::storage::DecodeCommit(record);
    file += writer.Add(record, commit.ok() ? commit->header.count() : 1);
  }
  return file + writer.End();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  std::istringstream file(size > 0 && input[0] == 'F' ? Framed(input.substr(1))
                                                      : std::string(input.data(), size));
  skald::storage::LogExportReader reader(file);
  const auto header = reader.ReadHeader();
  if (!header.ok()) {
    SKALD_CHECK(absl::IsDataLoss(header.status()) || absl::IsInvalidArgument(header.status()));
    return 0;
  }
  while (true) {
    const absl::StatusOr<bool> more = reader.Next();
    if (!more.ok()) {
      SKALD_CHECK(absl::IsDataLoss(more.status()));
      return 0;
    }
    if (!*more) return 0;
    SKALD_CHECK(reader.place().last() >= reader.place().first);
  }
}
