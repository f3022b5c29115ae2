// Changed copies of values, in place where nobody else shares them.
#include <algorithm>

#include "base/json_node.h"

namespace skald {

using json_internal::GrowNode;
using json_internal::NewNode;

namespace {

constexpr size_t kCapacityMin = 4;

}  // namespace

Json::ArrayNode& Json::OwnArray(size_t count) {
  SKALD_CHECK(is_null() || is_array());
  SKALD_CHECK(count <= kElementsMax);
  auto* old = static_cast<ArrayNode*>(node());
  ArrayNode* array = old;
  if (old == nullptr) {
    array = NewNode<ArrayNode, Json>(count);
  } else if (!IsUnique()) {
    array = NewNode<ArrayNode, Json>(std::max<size_t>(count, old->size));
    for (; array->size < old->size; ++array->size) {
      new (&array->elements()[array->size]) Json(old->elements()[array->size]);
    }
    Release();
  } else if (count > old->capacity) {
    const size_t capacity = std::max({count, size_t{old->capacity} * 2, kCapacityMin});
    array = GrowNode<ArrayNode, Json>(old, std::min(capacity, kElementsMax));
  }
  head_ = kArrayTag;
  payload_ = std::bit_cast<uint64_t>(array);
  return *array;
}

Json::ObjectNode& Json::OwnObject(size_t count) {
  SKALD_CHECK(is_null() || is_object());
  SKALD_CHECK(count <= kElementsMax);
  auto* old = static_cast<ObjectNode*>(node());
  ObjectNode* object = old;
  if (old == nullptr) {
    object = NewNode<ObjectNode, Member>(count);
    object->index = nullptr;
  } else if (!IsUnique()) {
    object = NewNode<ObjectNode, Member>(std::max<size_t>(count, old->size));
    object->index = nullptr;
    for (; object->size < old->size; ++object->size) {
      new (&object->members()[object->size]) Member(old->members()[object->size]);
    }
    object->UpdateIndex(0);
    Release();
  } else if (count > old->capacity) {
    const size_t capacity = std::max({count, size_t{old->capacity} * 2, kCapacityMin});
    object = GrowNode<ObjectNode, Member>(old, std::min(capacity, kElementsMax));
  }
  head_ = kObjectTag;
  payload_ = std::bit_cast<uint64_t>(object);
  return *object;
}

void Json::AddMember(Json name, Json value) {
  ObjectNode& object = OwnObject(Size() + 1);
  new (&object.members()[object.size]) Member{std::move(name), std::move(value)};
  ++object.size;
  SKALD_CHECK(object.UpdateIndex(object.size - 1));
}

Json Json::With(absl::string_view key, Json value) const& {
  return Json(*this).With(key, std::move(value));
}

Json Json::With(absl::string_view key, Json value) && {
  SKALD_CHECK(is_null() || is_object());
  const uint32_t size = payload_ == 0 ? 0 : node()->size;
  const uint32_t place = size == 0 ? 0 : static_cast<ObjectNode*>(node())->Find(key);
  if (place == size) {
    // The key may point into this very object, so it is copied before the object grows.
    AddMember(String(key), std::move(value));
  } else {
    OwnObject(size).members()[place].value = std::move(value);
  }
  return std::move(*this);
}

Json Json::Without(absl::string_view key) const& { return Json(*this).Without(key); }

Json Json::Without(absl::string_view key) && {
  SKALD_CHECK(is_null() || is_object());
  if (payload_ == 0) return std::move(*this);
  const uint32_t size = node()->size;
  const uint32_t place = static_cast<ObjectNode*>(node())->Find(key);
  if (place == size) return std::move(*this);
  if (size == 1) return EmptyObject();
  ObjectNode& object = OwnObject(size);
  object.DropIndex();
  std::move(object.members() + place + 1, object.members() + size, object.members() + place);
  object.members()[size - 1].~Member();
  --object.size;
  object.UpdateIndex(0);
  return std::move(*this);
}

Json Json::WithElement(size_t index, Json value) const& {
  return Json(*this).WithElement(index, std::move(value));
}

Json Json::WithElement(size_t index, Json value) && {
  SKALD_CHECK(index < kElementsMax);
  ArrayNode& array = OwnArray(std::max(index + 1, Size()));
  while (array.size <= index) new (&array.elements()[array.size++]) Json();
  array.elements()[index] = std::move(value);
  return std::move(*this);
}

Json Json::WithAppended(Json value) const& { return Json(*this).WithAppended(std::move(value)); }

Json Json::WithAppended(Json value) && {
  ArrayNode& array = OwnArray(Size() + 1);
  new (&array.elements()[array.size]) Json(std::move(value));
  ++array.size;
  return std::move(*this);
}

Json Json::WithSuffix(absl::string_view suffix) const& {
  const absl::string_view text = AsString();
  const size_t size = text.size() + suffix.size();
  if (size <= kSmallMax) {
    char bytes[kSmallMax];
    std::copy(suffix.begin(), suffix.end(), std::copy(text.begin(), text.end(), bytes));
    return SmallString(bytes, size);
  }
  StringNode* const node = NewNode<StringNode, char>(size);
  std::copy(suffix.begin(), suffix.end(), std::copy(text.begin(), text.end(), node->text()));
  node->size = static_cast<uint32_t>(size);
  return OfNode(kStringTag, node);
}

Json Json::WithSuffix(absl::string_view suffix) && {
  if (IsSmall() || !IsUnique()) return std::as_const(*this).WithSuffix(suffix);
  auto* string = static_cast<StringNode*>(node());
  const size_t size = string->size + suffix.size();
  if (size > string->capacity) {
    // The suffix may point into this very string, so the old text lives until it is copied.
    StringNode* const grown =
        NewNode<StringNode, char>(std::max(size, size_t{string->capacity} * 2));
    std::memcpy(grown->text(), string->text(), string->size);
    grown->size = string->size;
    std::copy(suffix.begin(), suffix.end(), grown->text() + grown->size);
    grown->size = static_cast<uint32_t>(size);
    return OfNode(kStringTag, grown);
  }
  std::copy(suffix.begin(), suffix.end(), string->text() + string->size);
  string->size = static_cast<uint32_t>(size);
  return std::move(*this);
}

Json Json::Take(absl::string_view key) {
  if (tag() != kObjectTag || payload_ == 0) return Json();
  auto* const object = static_cast<ObjectNode*>(node());
  const uint32_t place = object->Find(key);
  if (place == object->size) return Json();
  Json& value = object->members()[place].value;
  return IsUnique() ? std::move(value) : value;
}

Json Json::TakeElement(size_t index) {
  if (tag() != kArrayTag || index >= Size()) return Json();
  Json& value = static_cast<ArrayNode*>(node())->elements()[index];
  return IsUnique() ? std::move(value) : value;
}

}  // namespace skald
