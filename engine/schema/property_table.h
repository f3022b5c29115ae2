// The property names a schema mentions, found by hashing: one look-up per member of a document.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace skald::schema {

// The place of a compiled schema in its graph.
using NodeId = uint32_t;
inline constexpr NodeId kNoNode = UINT32_MAX;

struct Property {
  std::string name;
  NodeId node = kNoNode;  // What `properties` says, if anything.
  bool required = false;
};

class PropertyTable {
 public:
  // The entry of that name, made if need be. The reference lives until the next Add.
  Property& Add(absl::string_view name) {
    if (Property* known = const_cast<Property*>(Find(name)); known != nullptr) return *known;
    properties_.push_back({.name = std::string(name)});
    if (properties_.size() * 2 > slots_.size()) Grow();
    Insert(static_cast<uint32_t>(properties_.size() - 1));
    return properties_.back();
  }

  // Nullptr when there is no such entry.
  const Property* Find(absl::string_view name) const {
    if (slots_.empty()) return nullptr;
    for (uint64_t at = Hash(name);; ++at) {
      const uint32_t index = slots_[at & (slots_.size() - 1)];
      if (index == kFree) return nullptr;
      const Property& property = properties_[index];
      if (property.name.size() == name.size() &&
          Equal(property.name.data(), name.data(), name.size())) {
        return &property;
      }
    }
  }

  // All entries, in the order of Add.
  absl::Span<const Property> properties() const { return properties_; }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;

  static uint64_t Load(const char* data) {
    uint64_t word;
    std::memcpy(&word, data, sizeof(word));
    return word;
  }

  // Fewer than eight bytes as a word: two halves that may overlap, as loads of a fixed size are
  // what is fast.
  static uint64_t LoadShort(const char* data, size_t size) {
    if (size >= 4) {
      uint32_t low, high;
      std::memcpy(&low, data, 4);
      std::memcpy(&high, data + size - 4, 4);
      return low | (uint64_t{high} << 32);
    }
    if (size == 0) return 0;
    const auto byte = [data](size_t at) { return uint64_t{static_cast<uint8_t>(data[at])}; };
    return byte(0) | (byte(size / 2) << 8) | (byte(size - 1) << 16);
  }

  // Names come from schemas, not from documents, so nobody who sends documents can make them
  // collide.
  static uint64_t Hash(absl::string_view name) {
    constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;
    uint64_t hash = name.size() * kMultiplier;
    const char* data = name.data();
    size_t left = name.size();
    for (; left >= 8; left -= 8, data += 8) {
      hash = (hash ^ Load(data)) * kMultiplier;
      hash ^= hash >> 32;
    }
    hash = (hash ^ LoadShort(data, left)) * kMultiplier;
    return hash >> 32;
  }

  // memcmp without the call: names are short.
  static bool Equal(const char* a, const char* b, size_t size) {
    for (; size >= 8; size -= 8, a += 8, b += 8) {
      if (Load(a) != Load(b)) return false;
    }
    return LoadShort(a, size) == LoadShort(b, size);
  }

  void Insert(uint32_t index) {
    uint64_t at = Hash(properties_[index].name);
    while (slots_[at & (slots_.size() - 1)] != kFree) ++at;
    slots_[at & (slots_.size() - 1)] = index;
  }

  void Grow() {
    slots_.assign(slots_.empty() ? 8 : slots_.size() * 2, kFree);
    for (uint32_t i = 0; i + 1 < properties_.size(); ++i) Insert(i);
  }

  std::vector<Property> properties_;
  std::vector<uint32_t> slots_;  // A power of two of them, at most half full.
};

}  // namespace skald::schema
