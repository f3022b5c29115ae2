#include "engine/schema/regex.h"

#include <cstring>
#include <utility>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace skald::schema {
namespace {

// Backtracking steps of one search: some milliseconds.
constexpr uint32_t kMatchStepsMax = 200'000;
constexpr uint32_t kMatchKibibytesMax = 8 << 10;
constexpr size_t kPatternBytesMax = 64 << 10;

constexpr absl::string_view kOperators = R"(\^$.[]|()*+?{}/)";

// What a search writes to. One a thread, so that searching allocates nothing.
struct Scratch {
  Scratch()
      : match_data(pcre2_match_data_create(1, nullptr)),
        context(pcre2_match_context_create(nullptr)) {
    pcre2_set_match_limit(context, kMatchStepsMax);
    pcre2_set_heap_limit(context, kMatchKibibytesMax);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    pcre2_match_data_free(match_data);
    pcre2_match_context_free(context);
  }

  pcre2_match_data* match_data;
  pcre2_match_context* context;
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

std::string ErrorText(int code) {
  PCRE2_UCHAR buffer[256];
  const int length = pcre2_get_error_message(code, buffer, sizeof(buffer));
  if (length < 0) return "broken";
  return std::string(reinterpret_cast<const char*>(buffer), length);
}

bool Contains(absl::string_view text, absl::string_view part) {
  return text.size() >= part.size() &&
         memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

}  // namespace

absl::StatusOr<std::shared_ptr<void>> Regex::CompileCode(absl::string_view pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return absl::InvalidArgumentError("the regular expression is longer than 65536 bytes");
  }
  SKALD_ASSIGN_OR_RETURN(const std::string translated, TranslatePattern(pattern));
  constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS |
                                PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C;
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                   translated.size(), kOptions, &error, &offset, nullptr);
  if (code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the regular expression is refused: ", ErrorText(error)));
  }
  return std::shared_ptr<void>(
      code, [](void* owned) { pcre2_code_free(static_cast<pcre2_code*>(owned)); });
}

absl::Status Regex::Check(absl::string_view pattern) { return CompileCode(pattern).status(); }

absl::StatusOr<Regex> Regex::Compile(absl::string_view pattern) {
  Regex regex;
  absl::string_view literal = pattern;
  const bool at_start = absl::ConsumePrefix(&literal, "^");
  const bool at_end = absl::ConsumeSuffix(&literal, "$");
  if (literal.find_first_of(kOperators) == absl::string_view::npos) {
    regex.shape_ = at_start ? (at_end ? Shape::kExact : Shape::kPrefix)
                            : (at_end ? Shape::kSuffix : Shape::kContains);
    regex.literal_ = std::string(literal);
    return regex;
  }
  SKALD_ASSIGN_OR_RETURN(regex.code_, CompileCode(pattern));
  auto* code = static_cast<pcre2_code*>(regex.code_.get());
  // Without JIT (or where it has no memory) the interpreter gives the same answers.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  uint32_t all_options = 0;
  pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &all_options);
  regex.anchored_ = (all_options & PCRE2_ANCHORED) != 0;
  return regex;
}

Regex::Result Regex::Search(absl::string_view text) const {
  const auto result = [](bool match) { return match ? Result::kMatch : Result::kNoMatch; };
  switch (shape_) {
    case Shape::kContains:
      return result(Contains(text, literal_));
    case Shape::kPrefix:
      return result(absl::StartsWith(text, literal_));
    case Shape::kSuffix:
      return result(absl::EndsWith(text, literal_));
    case Shape::kExact:
      return result(text == literal_);
    case Shape::kGeneral:
      break;
  }
  if (!anchored_ && text.size() > kUnanchoredBytesMax) return Result::kLimit;
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  if (subject == nullptr) subject = reinterpret_cast<PCRE2_SPTR>("");
  Scratch& scratch = ThreadScratch();
  int found = pcre2_match(code, subject, text.size(), 0, 0, scratch.match_data, scratch.context);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
    found = pcre2_match(code, subject, text.size(), 0, PCRE2_NO_JIT, scratch.match_data,
                        scratch.context);
  }
  if (found >= 0) return Result::kMatch;
  return found == PCRE2_ERROR_NOMATCH ? Result::kNoMatch : Result::kLimit;
}

}  // namespace skald::schema
