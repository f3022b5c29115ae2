// How objects find their members.
#include <algorithm>
#include <bit>

#include "absl/hash/hash.h"
#include "base/json_node.h"

namespace skald {
namespace {

size_t HashOf(absl::string_view key) { return absl::Hash<absl::string_view>()(key); }

}  // namespace

uint32_t Json::ObjectNode::Find(absl::string_view key) {
  if (index != nullptr) {
    for (size_t slot = HashOf(key);; ++slot) {
      const uint32_t entry = index->slots[slot & index->mask];
      if (entry == 0) return size;
      if (members()[entry - 1].key() == key) return entry - 1;
    }
  }
  if (key.size() <= kSmallMax) {
    const Json name = SmallString(key.data(), key.size());
    for (uint32_t i = 0; i < size; ++i) {
      const Json& other = members()[i].name;
      if (other.head_ == name.head_ && other.payload_ == name.payload_) return i;
    }
    return size;
  }
  for (uint32_t i = 0; i < size; ++i) {
    if (!members()[i].name.IsSmall() && members()[i].key() == key) return i;
  }
  return size;
}

bool Json::ObjectNode::UpdateIndex(uint32_t indexed) {
  if (size <= kLinearMax) return true;
  // At most half full, so that probes stay short; four times the members leaves room to grow.
  if (index == nullptr || size > (index->mask + 1) / 2) {
    DropIndex();
    indexed = 0;
    const size_t slots = std::bit_ceil(size_t{size} * 2 + 2) * 2;
    void* memory = std::calloc(1, sizeof(Index) + slots * sizeof(uint32_t));
    SKALD_CHECK(memory != nullptr);
    index = static_cast<Index*>(memory);
    index->mask = static_cast<uint32_t>(slots - 1);
  }
  for (uint32_t i = indexed; i < size; ++i) {
    const absl::string_view key = members()[i].key();
    for (size_t slot = HashOf(key);; ++slot) {
      uint32_t& entry = index->slots[slot & index->mask];
      if (entry == 0) {
        entry = i + 1;
        break;
      }
      if (members()[entry - 1].key() == key) return false;
    }
  }
  return true;
}

bool Json::ObjectNode::HasDuplicate() {
  if (size > kLinearMax) return !UpdateIndex(0);
  for (uint32_t i = 1; i < size; ++i) {
    const Json& name = members()[i].name;
    for (uint32_t j = 0; j < i; ++j) {
      const Json& other = members()[j].name;
      if (name.head_ != other.head_) continue;
      if (name.IsSmall() ? name.payload_ == other.payload_ : name.AsString() == other.AsString()) {
        return true;
      }
    }
  }
  return false;
}

std::vector<const Json::Member*> Json::SortedMembers() const {
  std::vector<const Member*> sorted;
  sorted.reserve(AsObject().size());
  for (const Member& member : AsObject()) sorted.push_back(&member);
  // UTF-8 sorts by code point when sorted by byte, which is jq's order of keys.
  std::sort(sorted.begin(), sorted.end(),
            [](const Member* a, const Member* b) { return a->key() < b->key(); });
  return sorted;
}

}  // namespace skald
