#include "engine/definition/document.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"

namespace skald::definition {

const Json& Value::json() const {
  static const Json* const kAbsent = new Json();
  return node_ == nullptr ? *kAbsent : node_->value;
}

absl::string_view Value::text() const { return is_string() ? json().AsString() : ""; }

const std::vector<DocumentMember>& Value::members() const {
  static const auto* const kNone = new std::vector<DocumentMember>();
  return node_ == nullptr ? *kNone : node_->members;
}

Value Value::Get(absl::string_view key) const {
  for (const DocumentMember& member : members()) {
    if (member.key == key) return Of(member);
  }
  return Value(nullptr, place(), AppendPointer(pointer_, key));
}

Value Value::Of(const DocumentMember& member) const {
  return Value(member.value, member.key_place, AppendPointer(pointer_, member.key));
}

size_t Value::size() const { return node_ == nullptr ? 0 : node_->elements.size(); }

Value Value::At(size_t index) const {
  const DocumentNode* element = node_->elements[index];
  return Value(element, element->place, AppendPointer(pointer_, index));
}

Value Value::Follow(absl::string_view pointer) const {
  if (pointer.empty() || pointer[0] != '/') return *this;
  pointer.remove_prefix(1);
  const absl::string_view raw = pointer.substr(0, pointer.find('/'));
  const absl::string_view rest = pointer.substr(raw.size());
  size_t index = 0;
  if (is_array()) {
    if (!absl::SimpleAtoi(raw, &index) || index >= size()) return *this;
    return At(index).Follow(rest);
  }
  const Value next = Get(absl::StrReplaceAll(raw, {{"~1", "/"}, {"~0", "~"}}));
  return next.present() ? next.Follow(rest) : *this;
}

Value SingleMember(const Value& item, std::string* name) {
  if (!item.is_object() || item.members().size() != 1) return item.Get("");
  const DocumentMember& member = item.members()[0];
  *name = member.key;
  return item.Of(member);
}

}  // namespace skald::definition
