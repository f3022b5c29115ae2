#include "engine/schema/keywords.h"

#include <iterator>
#include <utility>

#include "absl/strings/strip.h"

namespace skald::schema {
namespace {

// In the order of the enum, which is sorted by name but for the leading dollar sign.
constexpr KeywordInfo kInfos[] = {
    {"additionalProperties", kApplicatorVocabulary, Subschemas::kOne},
    {"allOf", kApplicatorVocabulary, Subschemas::kArray},
    {"$anchor", kCoreVocabulary, Subschemas::kNone},
    {"anyOf", kApplicatorVocabulary, Subschemas::kArray},
    {"const", kValidationVocabulary, Subschemas::kNone},
    {"contains", kApplicatorVocabulary, Subschemas::kOne},
    {"contentSchema", kAnnotationVocabulary, Subschemas::kOne},
    {"definitions", kCoreVocabulary, Subschemas::kMap},
    {"$defs", kCoreVocabulary, Subschemas::kMap},
    {"dependentRequired", kValidationVocabulary, Subschemas::kNone},
    {"dependentSchemas", kApplicatorVocabulary, Subschemas::kMap},
    {"$dynamicAnchor", kCoreVocabulary, Subschemas::kNone},
    {"$dynamicRef", kCoreVocabulary, Subschemas::kNone},
    {"else", kApplicatorVocabulary, Subschemas::kOne},
    {"enum", kValidationVocabulary, Subschemas::kNone},
    {"exclusiveMaximum", kValidationVocabulary, Subschemas::kNone},
    {"exclusiveMinimum", kValidationVocabulary, Subschemas::kNone},
    {"format", kFormatVocabulary, Subschemas::kNone},
    {"$id", kCoreVocabulary, Subschemas::kNone},
    {"if", kApplicatorVocabulary, Subschemas::kOne},
    {"items", kApplicatorVocabulary, Subschemas::kOne},
    {"maxContains", kValidationVocabulary, Subschemas::kNone},
    {"maxItems", kValidationVocabulary, Subschemas::kNone},
    {"maxLength", kValidationVocabulary, Subschemas::kNone},
    {"maxProperties", kValidationVocabulary, Subschemas::kNone},
    {"maximum", kValidationVocabulary, Subschemas::kNone},
    {"minContains", kValidationVocabulary, Subschemas::kNone},
    {"minItems", kValidationVocabulary, Subschemas::kNone},
    {"minLength", kValidationVocabulary, Subschemas::kNone},
    {"minProperties", kValidationVocabulary, Subschemas::kNone},
    {"minimum", kValidationVocabulary, Subschemas::kNone},
    {"multipleOf", kValidationVocabulary, Subschemas::kNone},
    {"not", kApplicatorVocabulary, Subschemas::kOne},
    {"oneOf", kApplicatorVocabulary, Subschemas::kArray},
    {"pattern", kValidationVocabulary, Subschemas::kNone},
    {"patternProperties", kApplicatorVocabulary, Subschemas::kMap},
    {"prefixItems", kApplicatorVocabulary, Subschemas::kArray},
    {"properties", kApplicatorVocabulary, Subschemas::kMap},
    {"propertyNames", kApplicatorVocabulary, Subschemas::kOne},
    {"$ref", kCoreVocabulary, Subschemas::kNone},
    {"required", kValidationVocabulary, Subschemas::kNone},
    {"$schema", kCoreVocabulary, Subschemas::kNone},
    {"then", kApplicatorVocabulary, Subschemas::kOne},
    {"type", kValidationVocabulary, Subschemas::kNone},
    {"unevaluatedItems", kUnevaluatedVocabulary, Subschemas::kOne},
    {"unevaluatedProperties", kUnevaluatedVocabulary, Subschemas::kOne},
    {"uniqueItems", kValidationVocabulary, Subschemas::kNone},
    {"$vocabulary", kCoreVocabulary, Subschemas::kNone},
};
static_assert(std::size(kInfos) == kKeywordCount);

constexpr absl::string_view kVocabularyPrefix = "https://json-schema.org/draft/2020-12/vocab/";

constexpr std::pair<absl::string_view, Vocabularies> kVocabularies[] = {
    {"core", kCoreVocabulary},
    {"applicator", kApplicatorVocabulary},
    {"unevaluated", kUnevaluatedVocabulary},
    {"validation", kValidationVocabulary},
    {"meta-data", kAnnotationVocabulary},
    {"content", kAnnotationVocabulary},
    {"format-annotation", kFormatVocabulary},
    {"format-assertion", kFormatVocabulary | kFormatAssertionVocabulary},
};

}  // namespace

const KeywordInfo& Info(Keyword keyword) { return kInfos[static_cast<size_t>(keyword)]; }

std::optional<Keyword> FindKeyword(absl::string_view name) {
  for (size_t i = 0; i < std::size(kInfos); ++i) {
    if (kInfos[i].name == name) return static_cast<Keyword>(i);
  }
  return std::nullopt;
}

Vocabularies FindVocabulary(absl::string_view uri) {
  if (!absl::ConsumePrefix(&uri, kVocabularyPrefix)) return 0;
  for (const auto& [name, vocabularies] : kVocabularies) {
    if (name == uri) return vocabularies;
  }
  return 0;
}

}  // namespace skald::schema
