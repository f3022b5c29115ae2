// A definition's text as a tree of values that know where they stand.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/json.h"
#include "engine/definition/diagnostics.h"
#include "engine/definition/names.h"

namespace skald::definition {

struct DocumentNode;

// A member of a mapping.
struct DocumentMember {
  std::string key;
  Place key_place;
  const DocumentNode* value = nullptr;
};

// A scalar, mapping or sequence. An aliased one has several parents.
struct DocumentNode {
  Json value;  // with all that is below
  Place place;
  std::vector<DocumentMember> members;        // of a mapping, as written, merged ones last
  std::vector<const DocumentNode*> elements;  // of a sequence
  // What it costs to visit it when every alias is followed: nodes, bytes of their keys and scalars,
  // levels. All are bounded by the reader.
  size_t size = 1;
  size_t bytes = 0;
  int height = 1;
};

// Owns the nodes; Values point into it.
struct Document {
  std::deque<DocumentNode> nodes;
  const DocumentNode* root = nullptr;
};

// A value with its place and JSON pointer, or the absence of one. Cheap enough to pass by value.
class Value {
 public:
  // An absent one.
  Value() = default;
  // A root.
  explicit Value(const DocumentNode& node) : node_(&node), key_place_(node.place) {}

  bool present() const { return node_ != nullptr; }
  explicit operator bool() const { return present(); }

  // Null when absent.
  const Json& json() const;
  // Of the value; of the enclosing one when absent.
  Place place() const { return node_ == nullptr ? key_place_ : node_->place; }
  // Of the key of a member; the value's own place for others.
  Place key_place() const { return key_place_; }
  const std::string& pointer() const { return pointer_; }

  bool is_object() const { return json().is_object(); }
  bool is_array() const { return json().is_array(); }
  bool is_string() const { return json().is_string(); }
  // The text of a string, "" for all else.
  absl::string_view text() const;

  // The members of an object, nothing for all else.
  const std::vector<DocumentMember>& members() const;
  // A member by key; absent when this is no object or has none.
  Value Get(absl::string_view key) const;
  bool Has(absl::string_view key) const { return Get(key).present(); }
  // A member of members().
  Value Of(const DocumentMember& member) const;

  // The number of elements of an array, 0 for all else.
  size_t size() const;
  // Precondition: index < size().
  Value At(size_t index) const;

  // Where a JSON pointer relative to this value leads; as near as possible when it leads nowhere.
  Value Follow(absl::string_view pointer) const;

 private:
  Value(const DocumentNode* node, Place key_place, std::string pointer)
      : node_(node), key_place_(key_place), pointer_(std::move(pointer)) {}

  const DocumentNode* node_ = nullptr;
  Place key_place_;
  std::string pointer_;
};

// The single member of an item of a task list, or absent when it is no such item.
Value SingleMember(const Value& item, std::string* name);

}  // namespace skald::definition
