#include "base/utf8.h"

#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace skald {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080;

uint64_t LoadWord(const char* text) {
  uint64_t word;
  std::memcpy(&word, text, sizeof(word));
  return word;
}

bool IsContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

}  // namespace

size_t Utf8SequenceLength(const char* begin, const char* end) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(begin);
  const size_t available = static_cast<size_t>(end - begin);
  const unsigned char lead = bytes[0];
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;  // A continuation, or the lead of an overlong pair.
  if (lead < 0xE0) return available >= 2 && IsContinuation(bytes[1]) ? 2 : 0;
  if (lead < 0xF0) {
    if (available < 3 || !IsContinuation(bytes[1]) || !IsContinuation(bytes[2])) return 0;
    if (lead == 0xE0 && bytes[1] < 0xA0) return 0;   // Overlong.
    if (lead == 0xED && bytes[1] >= 0xA0) return 0;  // A surrogate.
    return 3;
  }
  if (lead > 0xF4 || available < 4) return 0;
  if (!IsContinuation(bytes[1]) || !IsContinuation(bytes[2]) || !IsContinuation(bytes[3])) return 0;
  if (lead == 0xF0 && bytes[1] < 0x90) return 0;   // Overlong.
  if (lead == 0xF4 && bytes[1] >= 0x90) return 0;  // Past U+10FFFF.
  return 4;
}

bool IsValidUtf8(absl::string_view text) {
  const char* place = text.data();
  const char* const end = place + text.size();
  while (place != end) {
    if (end - place >= 8 && (LoadWord(place) & kHighBits) == 0) {
      place += 8;
      continue;
    }
    const size_t length = Utf8SequenceLength(place, end);
    if (length == 0) return false;
    place += length;
  }
  return true;
}

size_t CountCodePoints(absl::string_view text) {
  size_t count = 0;
  for (const char byte : text) count += !IsContinuation(static_cast<unsigned char>(byte));
  return count;
}

std::string ShortenUtf8(absl::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  size_t end = bytes_max;
  while (end > 0 && IsContinuation(static_cast<unsigned char>(text[end]))) --end;
  return absl::StrCat(text.substr(0, end), "... (cut; it had ", text.size(), " bytes)");
}

char32_t NextCodePoint(absl::string_view text, size_t& place) {
  const char* begin = text.data() + place;
  const size_t length = Utf8SequenceLength(begin, text.data() + text.size());
  if (length == 0) {
    ++place;
    return kReplacementCharacter;
  }
  place += length;
  const auto* bytes = reinterpret_cast<const unsigned char*>(begin);
  if (length == 1) return bytes[0];
  // The lead of an n-byte sequence carries its low 7 - n bits.
  char32_t code_point = bytes[0] & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) code_point = code_point << 6 | (bytes[i] & 0x3Fu);
  return code_point;
}

void AppendUtf8(char32_t code_point, std::string& out) {
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000)) {
    code_point = kReplacementCharacter;
  }
  const auto tail = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | (code_point >> shift & 0x3F)));
  };
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xC0 | code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | code_point >> 12));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string ToValidUtf8(absl::string_view bytes) {
  if (IsValidUtf8(bytes)) return std::string(bytes);
  std::string text;
  for (size_t place = 0; place < bytes.size();) AppendUtf8(NextCodePoint(bytes, place), text);
  return text;
}

}  // namespace skald
