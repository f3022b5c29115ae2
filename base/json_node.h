// The nodes behind Json: one allocation each, with the bytes, elements or members right behind the
// fixed part. Json is relocatable (its address is not part of it), so containers move their
// elements with memcpy and realloc. Private to json*.cc.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"
#include "base/json.h"

namespace skald {

namespace json_internal {

// A node with room for `capacity` trailing elements, one reference and no elements.
template <typename Node, typename Element>
Node* NewNode(size_t capacity) {
  SKALD_CHECK(capacity <= UINT32_MAX);
  void* const memory = std::malloc(sizeof(Node) + capacity * sizeof(Element));
  SKALD_CHECK(memory != nullptr);
  Node* const node = new (memory) Node;
  node->references.store(1, std::memory_order_relaxed);
  node->size = 0;
  node->capacity = static_cast<uint32_t>(capacity);
  return node;
}

// The node, perhaps elsewhere, with room for more. Precondition: the caller is its sole owner.
template <typename Node, typename Element>
Node* GrowNode(Node* node, size_t capacity) {
  SKALD_CHECK(capacity <= UINT32_MAX);
  void* const memory =
      std::realloc(static_cast<void*>(node), sizeof(Node) + capacity * sizeof(Element));
  SKALD_CHECK(memory != nullptr);
  node = static_cast<Node*>(memory);
  node->capacity = static_cast<uint32_t>(capacity);
  return node;
}

}  // namespace json_internal

// A string of more than kSmallMax bytes.
struct Json::StringNode : Node {
  char* text() { return reinterpret_cast<char*>(this + 1); }
  absl::string_view view() { return {text(), size}; }
};

// A number that keeps its text.
struct Json::LiteralNode : Node {
  double value;

  char* text() { return reinterpret_cast<char*>(this + 1); }
  absl::string_view view() { return {text(), size}; }
};

// A non-empty array.
struct Json::ArrayNode : Node {
  Json* elements() { return reinterpret_cast<Json*>(this + 1); }
};

// A non-empty object. Objects of more than kLinearMax members have an index: an open-addressed hash
// table of places in members(), each plus one, zero where empty.
struct Json::ObjectNode : Node {
  static constexpr size_t kLinearMax = 16;

  struct Index {
    uint32_t mask;
    uint32_t slots[1];
  };
  Index* index;

  Member* members() { return reinterpret_cast<Member*>(this + 1); }

  // The place of the member, or `size` when there is none.
  uint32_t Find(absl::string_view key);
  // Builds or extends the index after members were appended; `indexed` of them it knows already.
  // Returns false when a new member has the key of an earlier one (the index is then unusable).
  bool UpdateIndex(uint32_t indexed);
  void DropIndex() {
    std::free(index);
    index = nullptr;
  }
  // Whether any two of the first `size` members have one key; leaves the index built.
  bool HasDuplicate();
};

}  // namespace skald
