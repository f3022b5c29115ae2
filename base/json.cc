#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "base/json_node.h"
#include "base/json_number.h"
#include "base/utf8.h"

namespace skald {

using json_internal::NewNode;

namespace {

template <typename T>
T LoadBytes(const char* text) {
  T value;
  std::memcpy(&value, text, sizeof(value));
  return value;
}

const Json& SharedNull() {
  static const Json* const null = new Json();  // Never destroyed: others may read it at exit.
  return *null;
}

}  // namespace

// --- Destruction ---------------------------------------------------------------------------------

void Json::Destroy(uint8_t tag, Node* node) {
  if (tag == kArrayTag || tag == kObjectTag) {
    DestroyContainers(tag, node);
  } else {
    std::free(node);
  }
}

// Recursion over the depth of the value would overflow the stack, so dead containers wait in two
// lists that are linked through the nodes themselves.
void Json::DestroyContainers(uint8_t tag, Node* node) {
  Node* arrays = nullptr;
  Node* objects = nullptr;
  const auto bury = [&](uint8_t dead_tag, Node* dead) {
    Node*& list = dead_tag == kArrayTag ? arrays : objects;
    dead->next_dead = list;
    list = dead;
  };
  const auto drop = [&](const Json& value) {
    if (!value.IsCounted() || !DropReference(value.node())) return;
    if (value.tag() == kArrayTag || value.tag() == kObjectTag) {
      bury(value.tag(), value.node());
    } else {
      std::free(value.node());
    }
  };
  bury(tag, node);
  while (arrays != nullptr || objects != nullptr) {
    if (arrays != nullptr) {
      auto* array = static_cast<ArrayNode*>(arrays);
      arrays = array->next_dead;
      for (uint32_t i = 0; i < array->size; ++i) drop(array->elements()[i]);
      std::free(array);
    } else {
      auto* object = static_cast<ObjectNode*>(objects);
      objects = object->next_dead;
      for (uint32_t i = 0; i < object->size; ++i) {
        drop(object->members()[i].name);
        drop(object->members()[i].value);
      }
      object->DropIndex();
      std::free(object);
    }
  }
}

// --- Construction --------------------------------------------------------------------------------

Json Json::Double(double value) {
  // 2^63 is a double; the largest int64 is not.
  constexpr double kLimit = 9223372036854775808.0;
  if (value >= -kLimit && value < kLimit) {
    const auto whole = static_cast<int64_t>(value);
    if (static_cast<double>(whole) == value && (whole != 0 || !std::signbit(value))) {
      return Int(whole);
    }
  }
  return Json(kDoubleTag, std::bit_cast<uint64_t>(value));
}

Json Json::Number(absl::string_view literal) {
  SKALD_CHECK(IsNumberLiteral(literal));
  const Decimal exact = Decimal::Of(literal);
  if (exact.digits.empty()) return exact.negative ? Double(-0.0) : Int(0);

  const auto count = static_cast<int64_t>(exact.digits.size());
  if (exact.exponent >= count && exact.exponent <= 19) {
    // An integer of at most 19 digits fits into uint64.
    uint64_t magnitude = 0;
    for (const char digit : exact.digits) magnitude = magnitude * 10 + (digit - '0');
    for (int64_t i = count; i < exact.exponent; ++i) magnitude *= 10;
    const uint64_t magnitude_max = uint64_t{INT64_MAX} + (exact.negative ? 1 : 0);
    if (magnitude <= magnitude_max) {
      return Int(static_cast<int64_t>(exact.negative ? 0 - magnitude : magnitude));
    }
  }

  const double value = LiteralToDouble(literal);
  if (std::isfinite(value)) {
    char text[kDoubleTextMax];
    const char* const end = WriteDouble(value, text);
    const Decimal shortest = Decimal::Of({text, static_cast<size_t>(end - text)});
    if (Decimal::Compare(exact, shortest) == 0) return Double(value);
  }

  auto* node = NewNode<LiteralNode, char>(literal.size());
  node->value = value;
  node->size = static_cast<uint32_t>(literal.size());
  std::memcpy(node->text(), literal.data(), literal.size());
  return OfNode(kLiteralTag, node);
}

// Overlapping loads of fixed sizes are several times faster than copying `size` bytes.
Json Json::SmallString(const char* text, size_t size) {
  uint64_t low = 0;   // Bytes 0 to 7 of the string,
  uint64_t high = 0;  // and from 8 on.
  if (size >= 8) {
    low = LoadBytes<uint64_t>(text);
    if (size > 8) high = LoadBytes<uint64_t>(text + size - 8) >> (8 * (16 - size));
  } else if (size >= 4) {
    low = LoadBytes<uint32_t>(text) | uint64_t{LoadBytes<uint32_t>(text + size - 4)}
                                          << (8 * (size - 4));
  } else if (size > 0) {
    const auto byte = [&](size_t i) { return uint64_t{static_cast<unsigned char>(text[i])}; };
    low = byte(0) | byte(size / 2) << (8 * (size / 2)) | byte(size - 1) << (8 * (size - 1));
  }
  return Json((kSmallTag + size) | low << 8, low >> 56 | high << 8);
}

Json Json::String(absl::string_view utf8) {
  if (utf8.size() <= kSmallMax) return SmallString(utf8.data(), utf8.size());
  StringNode* const node = NewNode<StringNode, char>(utf8.size());
  node->size = static_cast<uint32_t>(utf8.size());
  std::memcpy(node->text(), utf8.data(), utf8.size());
  return OfNode(kStringTag, node);
}

Json Json::Array(std::vector<Json> elements) {
  if (elements.empty()) return EmptyArray();
  Json array = EmptyArray();
  ArrayNode& node = array.OwnArray(elements.size());
  for (Json& element : elements) new (&node.elements()[node.size++]) Json(std::move(element));
  return array;
}

Json Json::Object(std::vector<std::pair<std::string, Json>> members) {
  Json object = EmptyObject();
  if (!members.empty()) object.OwnObject(members.size());
  for (auto& [key, value] : members) object = std::move(object).With(key, std::move(value));
  return object;
}

// --- Access --------------------------------------------------------------------------------------

absl::string_view Json::KindName() const {
  switch (kind()) {
    case Kind::kNull:
      return "null";
    case Kind::kFalse:
    case Kind::kTrue:
      return "boolean";
    case Kind::kNumber:
      return "number";
    case Kind::kString:
      return "string";
    case Kind::kArray:
      return "array";
    case Kind::kObject:
      return "object";
  }
  return "";
}

bool Json::AsBool() const {
  SKALD_CHECK(is_bool());
  return tag() == kTrueTag;
}

double Json::AsDouble() const {
  SKALD_CHECK(is_number());
  if (tag() == kIntTag) return static_cast<double>(static_cast<int64_t>(payload_));
  if (tag() == kDoubleTag) return std::bit_cast<double>(payload_);
  return static_cast<LiteralNode*>(node())->value;
}

int64_t Json::AsInt() const {
  SKALD_CHECK(IsInt());
  return static_cast<int64_t>(payload_);
}

absl::string_view Json::AsString() const {
  if (IsSmall()) {
    return {reinterpret_cast<const char*>(this) + 1, static_cast<size_t>(tag() - kSmallTag)};
  }
  SKALD_CHECK(tag() == kStringTag);
  return {static_cast<StringNode*>(node())->text(), node()->size};
}

absl::Span<const Json> Json::AsArray() const {
  SKALD_CHECK(is_array());
  if (payload_ == 0) return {};
  return {static_cast<ArrayNode*>(node())->elements(), node()->size};
}

absl::Span<const Json::Member> Json::AsObject() const {
  SKALD_CHECK(is_object());
  if (payload_ == 0) return {};
  return {static_cast<ObjectNode*>(node())->members(), node()->size};
}

size_t Json::Size() const {
  switch (kind()) {
    case Kind::kString:
      return CountCodePoints(AsString());
    case Kind::kArray:
    case Kind::kObject:
      return payload_ == 0 ? 0 : node()->size;
    case Kind::kNull:
    case Kind::kFalse:
    case Kind::kTrue:
    case Kind::kNumber:
      break;
  }
  return 0;
}

const Json& Json::Get(absl::string_view key) const {
  const Json* const value = Find(key);
  return value == nullptr ? SharedNull() : *value;
}

const Json* Json::Find(absl::string_view key) const {
  if (tag() != kObjectTag || payload_ == 0) return nullptr;
  auto* const object = static_cast<ObjectNode*>(node());
  const uint32_t place = object->Find(key);
  return place == object->size ? nullptr : &object->members()[place].value;
}

const Json& Json::At(size_t index) const {
  if (tag() != kArrayTag || index >= Size()) return SharedNull();
  return static_cast<ArrayNode*>(node())->elements()[index];
}

const Json* Json::AtPointer(absl::string_view pointer) const {
  const Json* value = this;
  std::string token;
  while (!pointer.empty()) {
    if (pointer.front() != '/') return nullptr;
    pointer.remove_prefix(1);
    const absl::string_view raw = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(raw.size());
    token.clear();
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '~') {
        token.push_back(raw[i]);
        continue;
      }
      if (++i == raw.size() || (raw[i] != '0' && raw[i] != '1')) return nullptr;
      token.push_back(raw[i] == '0' ? '~' : '/');
    }
    if (value->is_array()) {
      // An index has no sign and no leading zeros; ten digits are past kElementsMax.
      if (token.empty() || token.size() > 9 || (token.size() > 1 && token[0] == '0'))
        return nullptr;
      size_t index = 0;
      for (const char digit : token) {
        if (digit < '0' || digit > '9') return nullptr;
        index = index * 10 + static_cast<size_t>(digit - '0');
      }
      if (index >= value->Size()) return nullptr;
      value = &value->At(index);
    } else {
      value = value->Find(token);
      if (value == nullptr) return nullptr;
    }
  }
  return value;
}

std::ostream& operator<<(std::ostream& out, const Json& value) { return out << value.ToText(); }

}  // namespace skald
