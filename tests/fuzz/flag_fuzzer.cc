// Goal: no command line and no span of time crashes what reads it. Method: the input's lines as
// arguments, and each as a span of the language, ISO 8601 or JSON.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/check.h"
#include "engine/definition/duration.h"
#include "tools/flags.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> lines = absl::StrSplit(input, '\n');
  std::string text;
  std::vector<std::string> texts;
  int64_t number = 5, bytes = 0;
  absl::Duration span;
  bool is_on = false;
  skald::tools::Flags flags;
  flags.Add("text", &text, "TEXT", "A text.")
      .Add("texts", &texts, "TEXT", "Some.")
      .Add("number", &number, "COUNT", "A number.", 1, 9)
      .Add("span", &span, "DURATION", "A span.")
      .AddBytes("bytes", &bytes, "SIZE", "A size.")
      .Add("switch", &is_on, "A switch.");
  const auto words = flags.Parse(lines);
  SKALD_CHECK(words.ok() || absl::IsInvalidArgument(words.status()));
  SKALD_CHECK(number >= 1 && number <= 9 && bytes >= 0 && span >= absl::ZeroDuration());
  for (const std::string& line : lines) {
    using skald::definition::Duration;
    absl::StatusOr<Duration> duration = Duration::ParseIso8601(line);
    if (!duration.ok()) {
      const absl::StatusOr<skald::Json> json = skald::Json::Parse(line);
      if (json.ok()) duration = Duration::FromJson(*json);
    }
    if (duration.ok()) {
      SKALD_CHECK(duration->From(skald::Timestamp(1'700'000'000'000'000)) <= skald::kNever);
    }
  }
  return 0;
}
