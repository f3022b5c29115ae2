// UTF-8: validity, counting and single code points. No locale, no allocation but the appended text.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace skald {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

// The length (1 to 4) of the well-formed sequence that begins at `begin`, or 0 when there is none
// before `end`: truncated, overlong, a surrogate, past U+10FFFF. Precondition: begin < end.
size_t Utf8SequenceLength(const char* begin, const char* end);

// Whether all of `text` is well-formed UTF-8.
bool IsValidUtf8(absl::string_view text);

// The number of code points. Precondition: `text` is well-formed.
size_t CountCodePoints(absl::string_view text);

// The text, or, when it is longer than `bytes_max`, as many whole code points as fit, and words
// that say so. Precondition: `text` is well-formed.
std::string ShortenUtf8(absl::string_view text, size_t bytes_max);

// The code point at byte `place`, and moves `place` past it. An ill-formed byte gives
// kReplacementCharacter and moves on by one. Precondition: place < text.size().
char32_t NextCodePoint(absl::string_view text, size_t& place);

// Appends the UTF-8 of `code_point`; what is no scalar value (surrogates, past U+10FFFF) is
// appended as kReplacementCharacter.
void AppendUtf8(char32_t code_point, std::string& out);

// `bytes` with kReplacementCharacter for each that is ill-formed.
std::string ToValidUtf8(absl::string_view bytes);

}  // namespace skald
