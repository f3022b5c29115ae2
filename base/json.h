// A JSON value: immutable, cheap to copy (a pointer and a tag), sub-trees shared between copies.
//
//   SKALD_ASSIGN_OR_RETURN(Json order, Json::Parse(R"({"total": 12345678901234567890})"));
//   order.Get("total").ToText();          // "12345678901234567890": big literals stay exact
//   Json paid = order.With("paid", Json::Bool(true));   // order itself is unchanged
//
// Numbers: integers in the range of int64 are exact; a literal that neither int64 nor a double's
// shortest form reproduces (big integers, long decimals) keeps its text until arithmetic touches
// it. A double that is integral and within int64 becomes an integer, so a value and its re-parsed
// text are equal. Objects keep the order in which their members were written; equality and
// comparison ignore it.
//
// No operation recurses over the depth of a value: one of any depth can be compared, written and
// destroyed.
//
// Views (AsString, AsArray, AsObject, Get, Find, At) point into the value they were asked of and
// live as long as that object is neither changed, moved from nor destroyed: short strings are kept
// inside it.
//
// Thread rule: values may be read and copied by any number of threads (counts are atomic).
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace skald {

// Bounds on a text to parse; past them parsing fails with a status that names the bound.
struct JsonLimits {
  size_t bytes_max = 4 << 20;
  int depth_max = 512;
};

// Of what the engine wrote: it was bounded when it was made, and must be readable for ever.
inline constexpr JsonLimits kStoredJson{.bytes_max = 64 << 20, .depth_max = 1 << 20};

class Json {
 public:
  // In jq's sort order: null < false < true < numbers < strings < arrays < objects.
  enum class Kind : uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };

  struct Member;
  class ArrayBuilder;
  class ObjectBuilder;

  // null
  constexpr Json() = default;
  Json(const Json& other) : head_(other.head_), payload_(other.payload_) { Retain(); }
  Json(Json&& other) noexcept : head_(other.head_), payload_(other.payload_) { other.Forget(); }
  Json& operator=(const Json& other) { return *this = Json(other); }
  Json& operator=(Json&& other) noexcept {
    const uint64_t head = other.head_;
    const uint64_t payload = other.payload_;
    other.Forget();
    Release();
    head_ = head;
    payload_ = payload;
    return *this;
  }
  ~Json() { Release(); }

  static Json Null() { return Json(); }
  static Json Bool(bool value) { return Json(value ? kTrueTag : kFalseTag, 0); }
  static Json Int(int64_t value) { return Json(kIntTag, static_cast<uint64_t>(value)); }
  // Not-a-number is written out as null and infinities as the largest finite doubles, as in jq.
  static Json Double(double value);
  // A JSON number literal kept exactly. Precondition: `literal` is a valid JSON number.
  static Json Number(absl::string_view literal);
  // Precondition: `utf8` is well-formed (IsValidUtf8).
  static Json String(absl::string_view utf8);
  static Json Array(std::vector<Json> elements);
  // Later duplicates of a key replace earlier ones.
  static Json Object(std::vector<std::pair<std::string, Json>> members);
  static Json EmptyArray() { return Json(kArrayTag, 0); }
  static Json EmptyObject() { return Json(kObjectTag, 0); }

  // Parses one JSON text (RFC 8259). INVALID_ARGUMENT with line and column (both from 1, columns in
  // code points) when it is broken, is not UTF-8, has a duplicate key or is deeper than allowed;
  // RESOURCE_EXHAUSTED when it is longer than allowed.
  static absl::StatusOr<Json> Parse(absl::string_view text, const JsonLimits& limits = {});

  Kind kind() const {
    return IsSmall() ? Kind::kString : static_cast<Kind>(kKindOfTag[static_cast<size_t>(tag())]);
  }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_bool() const { return kind() == Kind::kFalse || kind() == Kind::kTrue; }
  bool is_number() const { return kind() == Kind::kNumber; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }
  // The word jq and our messages use: "null", "boolean", "number", "string", "array", "object".
  absl::string_view KindName() const;

  // jq's truth: everything but null and false.
  bool Truthy() const { return kind() != Kind::kNull && kind() != Kind::kFalse; }

  // Precondition of each: the value is of that kind.
  bool AsBool() const;
  // The nearest double; infinite when a literal is past the range of doubles.
  double AsDouble() const;
  absl::string_view AsString() const;
  absl::Span<const Json> AsArray() const;
  // Members in the order they were written.
  absl::Span<const Member> AsObject() const;

  // True when the number is stored as an exact int64; then AsInt() gives it.
  bool IsInt() const { return tag() == kIntTag; }
  int64_t AsInt() const;
  // True when the number is kept as the text of its literal (see Number).
  bool IsLiteral() const { return tag() == kLiteralTag; }

  // Elements of an array, members of an object, code points of a string; 0 for the rest.
  size_t Size() const;

  // The member of an object, or null when this is no object or has no such member.
  const Json& Get(absl::string_view key) const;
  // The member of an object, or nullptr when this is no object or has no such member.
  const Json* Find(absl::string_view key) const;
  // The element of an array, or null when this is no array or it is out of range.
  const Json& At(size_t index) const;
  // RFC 6901. Nullptr when the pointer is malformed or leads nowhere; "" is the value itself.
  const Json* AtPointer(absl::string_view pointer) const;

  // The members of an object by key, as jq's `keys` sorts them. Precondition: an object.
  std::vector<const Member*> SortedMembers() const;

  // A copy with one member or element changed. The receiver is changed in place when nobody else
  // shares it (`std::move(value).With(...)`), so building a value step by step is linear.
  // With, Without: null counts as an empty object. Precondition: null or object.
  Json With(absl::string_view key, Json value) const&;
  Json With(absl::string_view key, Json value) &&;
  Json Without(absl::string_view key) const&;
  Json Without(absl::string_view key) &&;
  // WithElement, WithAppended: null counts as an empty array; a gap is filled with nulls.
  // Preconditions: null or array; index < kElementsMax.
  Json WithElement(size_t index, Json value) const&;
  Json WithElement(size_t index, Json value) &&;
  Json WithAppended(Json value) const&;
  Json WithAppended(Json value) &&;
  // The string followed by `suffix`. Precondition: a string.
  Json WithSuffix(absl::string_view suffix) const&;
  Json WithSuffix(absl::string_view suffix) &&;

  // Takes a member or element out to change it and put it back (With, WithElement) without copying
  // what lies below it: leaves null in its place when nobody else shares this value, and gives a
  // copy of it otherwise. Null when there is no such member or element.
  Json Take(absl::string_view key);
  Json TakeElement(size_t index);

  // Compact canonical text: no white space, members in written order, shortest form of numbers.
  std::string ToText() const;
  void AppendTo(std::string& out) const;
  // Indented by two spaces a level, for people.
  std::string ToPrettyText() const;

  // jq's order: <0, 0, >0. Objects compare as their sorted key lists, then value by value. Numbers
  // compare by their exact decimal value; a double counts as its shortest text. Total, so fit to
  // sort by: not-a-number is below all other numbers and equal to itself.
  static int Compare(const Json& a, const Json& b);
  // What jq's operators answer: as Compare, but not-a-number is also less than itself, and so
  // equal to nothing. Not fit to sort by.
  static int CompareAsJq(const Json& a, const Json& b);
  // The same as Compare(a, b) == 0, but faster.
  friend bool operator==(const Json& a, const Json& b) { return Equal(a, b); }

  // A rough count of the bytes held by this value and all below it (shared parts count each time),
  // and how many arrays and objects stand in each other at most.
  struct Extent {
    size_t bytes = 0;
    size_t depth = 0;
  };
  Extent Measure() const;
  size_t ApproximateBytes() const { return Measure().bytes; }

  // Writes the compact text, for test failures and logs.
  friend std::ostream& operator<<(std::ostream& out, const Json& value);

  // Elements of an array and members of an object, at most.
  static constexpr size_t kElementsMax = size_t{1} << 29;

 private:
  // 16 bytes. The lowest byte of head_ is the tag. Null, booleans: nothing else. Integers and
  // doubles: payload_ holds the number. Long strings, literals, non-empty arrays and objects:
  // payload_ points to a counted node; empty arrays and objects have none. A string of up to
  // kSmallMax bytes has the tag kSmallTag + its length, its bytes in the 15 others, and zeros after
  // them; as no such string has a node, equal small strings are equal words.
  enum Tag : uint8_t {
    kNullTag,
    kFalseTag,
    kTrueTag,
    kIntTag,
    kDoubleTag,
    kLiteralTag,  // The first of the counted tags.
    kStringTag,
    kArrayTag,
    kObjectTag,
    kSmallTag = 0x80,
  };
  static_assert(std::endian::native == std::endian::little, "the tag is the first byte of head_");
  static constexpr size_t kSmallMax = 15;
  static constexpr Kind kKindOfTag[] = {Kind::kNull,   Kind::kFalse,  Kind::kTrue,
                                        Kind::kNumber, Kind::kNumber, Kind::kNumber,
                                        Kind::kString, Kind::kArray,  Kind::kObject};

  // The start of every node (json_node.h has the rest).
  struct Node {
    std::atomic<uint32_t> references;
    uint32_t size;
    union {
      uint32_t capacity;
      Node* next_dead;  // Links nodes that are being destroyed.
    };
  };
  struct StringNode;
  struct LiteralNode;
  struct ArrayNode;
  struct ObjectNode;
  class Comparer;
  class Parser;
  template <bool kPretty>
  class Writer;

  Json(uint64_t head, uint64_t payload) : head_(head), payload_(payload) {}
  static Json OfNode(Tag tag, Node* node) { return Json(tag, std::bit_cast<uint64_t>(node)); }

  uint8_t tag() const { return static_cast<uint8_t>(head_); }
  bool IsSmall() const { return tag() >= kSmallTag; }
  bool IsCounted() const {
    return static_cast<uint8_t>(tag() - kLiteralTag) <= kObjectTag - kLiteralTag && payload_ != 0;
  }
  Node* node() const { return std::bit_cast<Node*>(payload_); }
  bool IsUnique() const { return node()->references.load(std::memory_order_acquire) == 1; }
  void Forget() { head_ = payload_ = 0; }
  void Retain() {
    if (IsCounted()) node()->references.fetch_add(1, std::memory_order_relaxed);
  }
  void Release() {
    if (IsCounted() && DropReference(node())) Destroy(tag(), node());
  }
  // True when that was the last reference. A sole owner need not pay for the atomic decrement.
  static bool DropReference(Node* node) {
    return node->references.load(std::memory_order_acquire) == 1 ||
           node->references.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  static void Destroy(uint8_t tag, Node* node);
  static void DestroyContainers(uint8_t tag, Node* node);
  static bool Equal(const Json& a, const Json& b);
  static int CompareNumbers(const Json& a, const Json& b);

  static Json SmallString(const char* text, size_t size);
  // Make this the sole owner of a node with room for `count` elements or members; null counts as
  // empty.
  ArrayNode& OwnArray(size_t count);
  ObjectNode& OwnObject(size_t count);
  // Appends a member that the object does not have.
  void AddMember(Json name, Json value);

  uint64_t head_ = 0;
  uint64_t payload_ = 0;
};

// A member of an object.
struct Json::Member {
  Json name;  // A string.
  Json value;

  absl::string_view key() const { return name.AsString(); }
};

// Builds an array element by element.
class Json::ArrayBuilder {
 public:
  void Reserve(size_t count) { elements_.reserve(count); }
  void Add(Json value) { elements_.push_back(std::move(value)); }
  size_t size() const { return elements_.size(); }
  Json Build() && { return Json::Array(std::move(elements_)); }

 private:
  std::vector<Json> elements_;
};

// Builds an object member by member; a later duplicate of a key replaces the earlier one.
class Json::ObjectBuilder {
 public:
  ObjectBuilder& Add(absl::string_view key, Json value) {
    object_ = std::move(object_).With(key, std::move(value));
    return *this;
  }
  Json Build() && { return std::move(object_); }

 private:
  Json object_ = Json::EmptyObject();
};

}  // namespace skald
