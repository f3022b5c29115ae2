#define PCRE2_CODE_UNIT_WIDTH 8

#include "engine/expression/regex.h"

#include <algorithm>
#include <memory>

#include <pcre2.h>

#include "absl/strings/str_cat.h"
#include "base/utf8.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

// PCRE2 counts its backtracking from each place it starts at, but does not tell the count. So a
// search may backtrack a little from each place at first, and eight times as much whenever that was
// not enough; what was allowed for is paid for in steps, at a discount, as few places need all of
// it.
constexpr uint64_t kFirstMatchLimit = 100;
constexpr uint64_t kMatchLimitMax = 50'000'000;
constexpr uint64_t kPointsPerStep = 200;
// Loops over single characters that need no backtracking are not counted at all. Where one begins a
// pattern, searching takes the square of the text's length; this many characters are scanned in the
// time of some hundred steps.
constexpr uint64_t kScannedPerStep = 16'000;
// Bytes whose code points are counted in the time of a step.
constexpr size_t kCountedPerStep = 128;
constexpr uint32_t kHeapLimitKib = 16 << 10;

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct DataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct ContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

struct Flags {
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C;
  bool global = false;
  bool not_empty = false;
};

bool ParseFlags(Machine& machine, const Json& flags, Flags& out) {
  if (flags.is_null()) return true;
  if (!flags.is_string()) {
    return machine.Raise(absl::StrCat(Describe(flags), " is not a string"));
  }
  for (const char flag : flags.AsString()) {
    switch (flag) {
      case 'g':
        out.global = true;
        break;
      case 'i':
        out.options |= PCRE2_CASELESS;
        break;
      case 'x':
        out.options |= PCRE2_EXTENDED;
        break;
      case 'p':  // The dot matches newlines too.
        out.options |= PCRE2_DOTALL;
        break;
      case 'n':
        out.not_empty = true;
        break;
      case 's':  // ^ and $ match at the ends of the text alone, which they do anyway.
      case 'l':  // The longest match: there is no such mode.
        break;
      default:
        return machine.Raise(absl::StrCat(flags.AsString(), " is not a valid modifier string"));
    }
  }
  return true;
}

class RegexSearch {
 public:
  RegexSearch(Machine& machine, absl::string_view subject) : machine_(machine), subject_(subject) {}

  bool Compile(absl::string_view pattern, const Flags& flags) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    const uint64_t size = subject_.size();
    if (!machine_.Spend(20 + pattern.size() + size / 64 + size * size / kScannedPerStep)) {
      return false;
    }
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              flags.options, &error, &offset, nullptr));
    if (code_ == nullptr) {
      PCRE2_UCHAR message[256];
      pcre2_get_error_message(error, message, sizeof(message));
      return machine_.Raise(
          absl::StrCat(pattern, " (at offset ", offset,
                       ") is not a valid regex: ", reinterpret_cast<const char*>(message)));
    }
    not_empty_ = flags.not_empty;
    data_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    context_.reset(pcre2_match_context_create(nullptr));
    pcre2_set_heap_limit(context_.get(), kHeapLimitKib);
    return true;
  }

  // Searches from byte `from` on. `found` tells whether there is a match. False after an error.
  bool Search(size_t from, bool& found) {
    for (;;) {
      pcre2_set_match_limit(context_.get(), static_cast<uint32_t>(match_limit_));
      const int result = pcre2_match(
          code_.get(), reinterpret_cast<PCRE2_SPTR>(subject_.data()), subject_.size(), from,
          PCRE2_NO_UTF_CHECK | (not_empty_ ? PCRE2_NOTEMPTY : 0), data_.get(), context_.get());
      found = result > 0;
      const size_t end = found ? pcre2_get_ovector_pointer(data_.get())[1] : subject_.size();
      const uint64_t places = std::max(end, from) - from + 1;
      if (!machine_.Spend(1 + places * match_limit_ / kPointsPerStep)) return false;
      if (found || result == PCRE2_ERROR_NOMATCH) return true;
      match_limit_ *= 8;
      if (result != PCRE2_ERROR_MATCHLIMIT || match_limit_ > kMatchLimitMax) {
        return machine_.Exhaust("regular expression");
      }
    }
  }

  RegexMatch Result() const {
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data_.get());
    RegexMatch match;
    match.groups.resize(pcre2_get_ovector_count(data_.get()));
    for (size_t i = 0; i < match.groups.size(); ++i) {
      RegexSpan& span = match.groups[i];
      span.found = ends[2 * i] != PCRE2_UNSET;
      // \K in a lookahead can put the start behind the end.
      if (span.found) span = {std::min(ends[2 * i], ends[2 * i + 1]), ends[2 * i + 1], true};
    }
    return match;
  }

  std::vector<std::string> Names() const {
    uint32_t count = 0;
    uint32_t groups = 0;
    uint32_t entry_size = 0;
    PCRE2_SPTR table = nullptr;
    pcre2_pattern_info(code_.get(), PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(code_.get(), PCRE2_INFO_CAPTURECOUNT, &groups);
    pcre2_pattern_info(code_.get(), PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
    pcre2_pattern_info(code_.get(), PCRE2_INFO_NAMETABLE, &table);
    std::vector<std::string> names(groups + 1);
    // Each entry: the group's number in two bytes, then the name with its final zero.
    for (uint32_t i = 0; i < count; ++i, table += entry_size) {
      names[static_cast<size_t>(table[0]) << 8 | table[1]] =
          reinterpret_cast<const char*>(table + 2);
    }
    return names;
  }

 private:
  Machine& machine_;
  const absl::string_view subject_;
  bool not_empty_ = false;
  uint64_t match_limit_ = kFirstMatchLimit;
  std::unique_ptr<pcre2_code, CodeDeleter> code_;
  std::unique_ptr<pcre2_match_data, DataDeleter> data_;
  std::unique_ptr<pcre2_match_context, ContextDeleter> context_;
};

// Counts code points up to places that only move forward, so that all counts together are one pass.
class PointCounter {
 public:
  explicit PointCounter(absl::string_view text) : text_(text) {}

  int64_t To(size_t place) {
    if (place < place_) place_ = points_ = 0;
    points_ += CountCodePoints(text_.substr(place_, place - place_));
    place_ = place;
    return static_cast<int64_t>(points_);
  }

 private:
  const absl::string_view text_;
  size_t place_ = 0;
  size_t points_ = 0;
};

absl::string_view TextOf(const Json& subject, const RegexSpan& span) {
  return subject.AsString().substr(span.begin, span.end - span.begin);
}

// A group may lie far from its match, and hold more: each match of `(?=(.*)).` has all that
// follows.
bool ChargeGroup(Machine& machine, const RegexSpan& whole, const RegexSpan& group) {
  if (!group.found) return true;
  // The code points up to it are counted, from the match or from the text's begin.
  const bool ahead = group.begin >= whole.begin;
  const size_t counted = ahead ? group.begin - whole.begin : group.begin;
  return machine.Charge(group.end - group.begin) && machine.Spend(counted / kCountedPerStep);
}

Json SpanObject(const Json& subject, const RegexSpan& span, int64_t offset) {
  if (!span.found) {
    return Json::EmptyObject()
        .With("offset", Json::Int(-1))
        .With("length", Json::Int(0))
        .With("string", Json());
  }
  const absl::string_view text = TextOf(subject, span);
  return Json::EmptyObject()
      .With("offset", Json::Int(offset))
      .With("length", Json::Int(static_cast<int64_t>(CountCodePoints(text))))
      .With("string", Json::String(text));
}

}  // namespace

bool FindMatches(Machine& machine, const Json& subject, const Json& pattern, const Json& flags,
                 RegexScope scope, RegexMatches& out) {
  for (const Json* text : {&subject, &pattern}) {
    if (!text->is_string()) {
      return machine.Raise(
          absl::StrCat(Describe(*text), " cannot be matched, as it is not a string"));
    }
  }
  Flags parsed;
  if (!ParseFlags(machine, flags, parsed)) return false;
  const absl::string_view text = subject.AsString();
  RegexSearch matcher(machine, text);
  if (!matcher.Compile(pattern.AsString(), parsed)) return false;
  out.names = matcher.Names();
  const bool all = scope == RegexScope::kAll || (scope == RegexScope::kAsFlagsSay && parsed.global);
  size_t from = 0;
  do {
    bool found = false;
    if (!matcher.Search(from, found)) return false;
    if (!found) break;
    RegexMatch match = matcher.Result();
    const RegexSpan whole = match.groups[0];
    if (!machine.ChargeElements(4 * match.groups.size())) return false;
    out.matches.push_back(std::move(match));
    from = whole.end;
    // An empty match must not be found again.
    if (whole.begin == whole.end && from < text.size()) NextCodePoint(text, from);
    if (whole.begin == whole.end && whole.end == text.size()) break;
  } while (all && from < text.size());
  return true;
}

bool MatchObjects(Machine& machine, const Json& subject, const RegexMatches& found, Json& out) {
  PointCounter points(subject.AsString());
  Json::ArrayBuilder matches;
  for (const RegexMatch& match : found.matches) {
    if (!machine.ChargeElements(8 * match.groups.size()) ||
        !machine.Charge(2 * (match.groups[0].end - match.groups[0].begin))) {
      return false;
    }
    Json::ArrayBuilder captures;
    const int64_t start = points.To(match.groups[0].begin);
    for (size_t i = 1; i < match.groups.size(); ++i) {
      const RegexSpan& span = match.groups[i];
      if (!ChargeGroup(machine, match.groups[0], span)) return false;
      int64_t offset = start;
      if (span.found && span.begin >= match.groups[0].begin) {
        offset += static_cast<int64_t>(CountCodePoints(
            subject.AsString().substr(match.groups[0].begin, span.begin - match.groups[0].begin)));
      } else if (span.found) {
        offset = static_cast<int64_t>(CountCodePoints(subject.AsString().substr(0, span.begin)));
      }
      Json name = found.names[i].empty() ? Json() : Json::String(found.names[i]);
      captures.Add(SpanObject(subject, span, offset).With("name", std::move(name)));
    }
    matches.Add(
        SpanObject(subject, match.groups[0], start).With("captures", std::move(captures).Build()));
  }
  out = std::move(matches).Build();
  return true;
}

bool CaptureObject(Machine& machine, const Json& subject, const RegexMatches& found,
                   const RegexMatch& match, Json& out) {
  Json object = Json::EmptyObject();
  for (size_t i = 1; i < match.groups.size(); ++i) {
    if (found.names[i].empty()) continue;
    const RegexSpan& span = match.groups[i];
    if (!machine.Charge(span.end - span.begin)) return false;
    object = std::move(object).With(found.names[i],
                                    span.found ? Json::String(TextOf(subject, span)) : Json());
  }
  out = std::move(object);
  return true;
}

}  // namespace skald::expression
