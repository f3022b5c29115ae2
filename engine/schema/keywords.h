// The keywords of JSON Schema 2020-12: which vocabulary each belongs to and where its subschemas
// sit.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace skald::schema {

enum class Keyword : uint8_t {
  kAdditionalProperties,
  kAllOf,
  kAnchor,
  kAnyOf,
  kConst,
  kContains,
  kContentSchema,
  kDefinitions,
  kDefs,
  kDependentRequired,
  kDependentSchemas,
  kDynamicAnchor,
  kDynamicRef,
  kElse,
  kEnum,
  kExclusiveMaximum,
  kExclusiveMinimum,
  kFormat,
  kId,
  kIf,
  kItems,
  kMaxContains,
  kMaxItems,
  kMaxLength,
  kMaxProperties,
  kMaximum,
  kMinContains,
  kMinItems,
  kMinLength,
  kMinProperties,
  kMinimum,
  kMultipleOf,
  kNot,
  kOneOf,
  kPattern,
  kPatternProperties,
  kPrefixItems,
  kProperties,
  kPropertyNames,
  kRef,
  kRequired,
  kSchema,
  kThen,
  kType,
  kUnevaluatedItems,
  kUnevaluatedProperties,
  kUniqueItems,
  kVocabulary,
};
inline constexpr int kKeywordCount = static_cast<int>(Keyword::kVocabulary) + 1;

// A set of vocabularies, as bits.
using Vocabularies = uint8_t;
inline constexpr Vocabularies kCoreVocabulary = 1;
inline constexpr Vocabularies kApplicatorVocabulary = 2;
inline constexpr Vocabularies kUnevaluatedVocabulary = 4;
inline constexpr Vocabularies kValidationVocabulary = 8;
inline constexpr Vocabularies kAnnotationVocabulary =
    16;  // meta-data and content: nothing to check
inline constexpr Vocabularies kFormatVocabulary = 32;
inline constexpr Vocabularies kFormatAssertionVocabulary = 64;
// What a schema without `$schema` is read with: the 2020-12 dialect.
inline constexpr Vocabularies kStandardVocabularies =
    kCoreVocabulary | kApplicatorVocabulary | kUnevaluatedVocabulary | kValidationVocabulary |
    kAnnotationVocabulary | kFormatVocabulary;

// How the value of a keyword holds schemas.
enum class Subschemas : uint8_t { kNone, kOne, kArray, kMap };

struct KeywordInfo {
  absl::string_view name;
  Vocabularies vocabulary;
  Subschemas subschemas;
};

// The facts about a keyword.
const KeywordInfo& Info(Keyword keyword);

// The keyword of that name; none when nothing is to be checked for it (an annotation).
std::optional<Keyword> FindKeyword(absl::string_view name);

// The vocabulary with that URI, 0 when it is unknown.
Vocabularies FindVocabulary(absl::string_view uri);

}  // namespace skald::schema
