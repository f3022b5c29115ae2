#include "tools/skald/read_flags.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/skald/render.h"

namespace skald::tools {

namespace {

// "3:120".
bool ReadPosition(absl::string_view text, v1::LogPosition& position) {
  const size_t colon = text.find(':');
  uint32_t partition = 0;
  uint64_t place = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(text.substr(0, colon), &partition) ||
      !absl::SimpleAtoi(text.substr(colon + 1), &place)) {
    return false;
  }
  position.set_partition(partition);
  position.set_position(place);
  return true;
}

}  // namespace

bool ReadTime(const std::string& text, google::protobuf::Timestamp& proto) {
  constexpr size_t kDateBytes = 10;
  absl::Time time;
  const std::string whole = text.size() == kDateBytes ? text + "T00:00:00Z" : text;
  if (!absl::ParseTime(absl::RFC3339_full, whole, &time, nullptr)) return false;
  const int64_t micros = absl::ToUnixMicros(time);
  if (micros < 0) return false;
  proto.set_seconds(micros / 1'000'000);
  proto.set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1'000));
  return true;
}

void ReadFlags::AddTo(Flags& flags) {
  flags
      .Add("as-of", &as_of, "TIME|PARTITION:POSITION",
           "Rows as they were then; of models with history.")
      .Add("min-position", &positions, "PARTITION:POSITION",
           "See at least this, as a change returned it; may be repeated.")
      .Add("stale", &stale, "Take the rows there are, without waiting for new ones.")
      .Add("wait", &wait, "DURATION", "How long to wait for rows that are new enough.");
}

std::optional<std::string> ReadFlags::Set(v1::ReadOptions& options) const {
  for (const std::string& text : positions) {
    if (!ReadPosition(text, *options.add_min_positions())) {
      return absl::StrCat("--min-position expects PARTITION:POSITION, not '", text, "'");
    }
  }
  options.set_allow_stale(stale);
  const int64_t micros = absl::ToInt64Microseconds(wait);
  options.mutable_timeout()->set_seconds(micros / 1'000'000);
  options.mutable_timeout()->set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1'000));
  if (as_of.empty() || ReadPosition(as_of, *options.mutable_as_of_position())) {
    if (as_of.empty()) options.clear_as_of();
    return std::nullopt;
  }
  if (ReadTime(as_of, *options.mutable_as_of_time())) return std::nullopt;
  return absl::StrCat(
      "--as-of expects a time, as 2026-01-31T12:00:00Z, a date, or "
      "PARTITION:POSITION, not '",
      as_of, "'");
}

Json CutToJson(const v1::ReadCut& cut) {
  Json::ArrayBuilder positions;
  for (const v1::LogPosition& position : cut.positions()) positions.Add(PositionToJson(position));
  Json::ObjectBuilder object;
  object.Add("time", TimeToJson(cut.as_of_time(), cut.has_as_of_time()))
      .Add("positions", std::move(positions).Build())
      .Add("generation", Json::Int(static_cast<int64_t>(cut.generation())));
  return std::move(object).Build();
}

}  // namespace skald::tools
