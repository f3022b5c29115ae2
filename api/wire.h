// Bytes of opaque tokens: varints, fixed little-endian numbers, sized strings. The Read functions
// take what they read off the front of `rest`, and are false (rest is then anywhere) when there is
// too little or it is malformed.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace skald::api {

inline void AppendVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

inline void AppendFixed(uint64_t value, int bytes, std::string& out) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}
inline void AppendFixed32(uint32_t value, std::string& out) { AppendFixed(value, 4, out); }
inline void AppendFixed64(uint64_t value, std::string& out) { AppendFixed(value, 8, out); }

inline void AppendSized(absl::string_view text, std::string& out) {
  AppendVarint(text.size(), out);
  out.append(text.data(), text.size());
}

// Refuses what is longer than a number needs, so each number has one form.
inline bool ReadVarint(absl::string_view& rest, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return shift == 0 || byte != 0;
  }
  return false;
}

inline bool ReadFixed(absl::string_view& rest, int bytes, uint64_t& value) {
  if (rest.size() < static_cast<size_t>(bytes)) return false;
  value = 0;
  for (int i = 0; i < bytes; ++i) {
    value |= static_cast<uint64_t>(static_cast<unsigned char>(rest[static_cast<size_t>(i)]))
             << (8 * i);
  }
  rest.remove_prefix(static_cast<size_t>(bytes));
  return true;
}
inline bool ReadFixed32(absl::string_view& rest, uint32_t& value) {
  uint64_t wide = 0;
  const bool read = ReadFixed(rest, 4, wide);
  value = static_cast<uint32_t>(wide);
  return read;
}
inline bool ReadFixed64(absl::string_view& rest, uint64_t& value) {
  return ReadFixed(rest, 8, value);
}

inline bool ReadSized(absl::string_view& rest, absl::string_view& text) {
  uint64_t size = 0;
  if (!ReadVarint(rest, size) || size > rest.size()) return false;
  text = rest.substr(0, size);
  rest.remove_prefix(size);
  return true;
}

}  // namespace skald::api
