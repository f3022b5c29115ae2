// The building blocks of grammar.h: checks of one value's form, each with the words for what was
// expected. They only report; they build nothing, so the rest of the compiler may take well-formed
// parts of a broken definition.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/definition/diagnostics.h"
#include "engine/definition/document.h"

namespace skald::definition {

class Shape;

// Checks one value. Precondition: it is present.
using ShapeCheck = void (*)(Shape& shape, const Value& value);

// A key that an object may have.
struct Field {
  enum class Need : uint8_t { kOptional, kRequired };

  absl::string_view key;
  ShapeCheck check;
  Need need = Need::kOptional;
};
inline constexpr Field::Need kRequired = Field::Need::kRequired;

// What is said of keys that an object's grammar does not list.
enum class OtherKeys : uint8_t {
  kRefused,
  kWarned,   // the standard allows them, but nothing reads them
  kAllowed,  // the standard leaves them to authors
};

class Shape {
 public:
  explicit Shape(DiagnosticSink& diagnostics) : diagnostics_(diagnostics) {}

  DiagnosticSink& diagnostics() { return diagnostics_; }
  void Error(const Value& value, absl::string_view message) {
    diagnostics_.Error(value.place(), value.pointer(), message);
  }
  // "expected `what`, this is a number (1)". False, for `return`.
  bool Expected(const Value& value, absl::string_view what);

  // An object with these fields. `what` names it in messages: "a retry policy".
  bool Object(const Value& value, absl::string_view what, absl::Span<const Field> fields,
              OtherKeys others = OtherKeys::kRefused);
  bool Object(const Value& value, absl::string_view what, std::initializer_list<Field> fields,
              OtherKeys others = OtherKeys::kRefused) {
    return Object(value, what, absl::MakeConstSpan(fields.begin(), fields.size()), others);
  }
  // Exactly one of these keys, of an object that Object() has checked.
  bool ExactlyOneOf(const Value& value, absl::string_view what,
                    std::initializer_list<absl::string_view> keys);
  // An object whose members are all of one form.
  bool MapOf(const Value& value, absl::string_view what, ShapeCheck check, size_t size_min = 0);
  // An array whose elements are all of one form.
  bool ListOf(const Value& value, absl::string_view what, ShapeCheck check, size_t size_min = 0);
  // An array of objects with one member each, all of one form: `- name: {...}`.
  bool NamedList(const Value& value, absl::string_view what, ShapeCheck check, size_t size_min = 0);

  bool String(const Value& value, absl::string_view what);
  // A string for which `holds` is true.
  bool StringThat(const Value& value, absl::string_view what, bool (*holds)(absl::string_view));
  bool Bool(const Value& value, absl::string_view what);
  bool Integer(const Value& value, absl::string_view what, int64_t min, int64_t max);
  // One of these strings.
  bool OneOf(const Value& value, absl::string_view what,
             std::initializer_list<absl::string_view> words);

  // Says that `key`, found in `value`, has no business there: the nearest of `allowed`, or all of
  // them.
  void UnknownKey(const Value& value, const DocumentMember& key, absl::string_view what,
                  absl::Span<const std::string> allowed);

 private:
  DiagnosticSink& diagnostics_;
};

// "a string ('abc')", "the number 1.0", "an object", for messages.
std::string DescribeValue(const Json& value);

// "'a', 'b' or 'c'"
std::string ListWords(absl::Span<const absl::string_view> words);

}  // namespace skald::definition
