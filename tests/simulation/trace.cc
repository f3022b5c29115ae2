#include "tests/simulation/trace.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace skald::simulation {
namespace {

constexpr size_t kLinesKept = 50;
// Lines tell the time since here: where simulations begin.
constexpr int64_t kEpoch = 1'700'000'000 * kSecond;

}  // namespace

uint64_t HashBytes(absl::string_view bytes, uint64_t seed) {
  for (const char c : bytes) seed = (seed ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return seed;
}

void Trace::Add(Timestamp now, absl::string_view line) {
  const double seconds = static_cast<double>(now.value() - kEpoch) / kSecond;
  std::string text = absl::StrFormat("%6d %12.6f  %s", lines_++, seconds, line);
  hash_ = HashBytes(text, hash_);
  if (verbose_) {
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);  // the last line before a crash is the one that is wanted
  }
  last_.push_back(std::move(text));
  if (last_.size() > kLinesKept) last_.pop_front();
}

void Trace::Violate(absl::string_view invariant, absl::string_view what) {
  if (violation_) return;
  violation_ = Violation{std::string(invariant), std::string(what)};
}

}  // namespace skald::simulation
