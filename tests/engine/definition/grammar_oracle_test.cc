// The grammar against the standard's own JSON Schema: both must take and refuse the same documents.
// Method: documents of the corpus, changed at random as trees; where the two differ the reason must
// be one of those listed here.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "engine/definition/grammar.h"
#include "engine/definition/yaml_reader.h"
#include "engine/schema/schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/corpus.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

constexpr uint32_t kSeed = 20260729;
constexpr int kRounds = 20'000;

std::optional<Json> ReadYaml(absl::string_view text) {
  Document document;
  DiagnosticSink sink(100);
  if (!ReadDocument(text, {}, sink, document)) return std::nullopt;
  return document.root->value;
}

// What the grammar alone says of a document.
std::vector<Diagnostic> GrammarErrors(const std::string& text) {
  Document document;
  DiagnosticSink sink(100);
  EXPECT_TRUE(ReadDocument(text, {}, sink, document));
  CheckGrammar(Value(*document.root), sink);
  std::vector<Diagnostic> errors;
  for (Diagnostic& diagnostic : std::move(sink).Take()) {
    if (diagnostic.severity == Diagnostic::Severity::kError) errors.push_back(diagnostic);
  }
  return errors;
}

// Checks of ours beyond the schema, by what their messages say.
bool IsStricterOnPurpose(const Diagnostic& error) {
  if (absl::StrContains(error.pointer, "/metadata/saga")) return true;
  for (const char* words :
       {"a number of units", "a number of retries", "whole numbers", "too long",
        "more than 18 digits", "JSON pointer", "the arguments of 'compensate:1.0.0@default'"}) {
    if (absl::StrContains(error.message, words)) return true;
  }
  return false;
}

class TreeMutator {
 public:
  explicit TreeMutator(uint32_t seed) : random_(seed) {}

  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }

  // Changes one place. Deep places are as likely as shallow ones: the way down is chosen member by
  // member.
  Json Mutate(const Json& value) {
    const bool container = (value.is_object() || value.is_array()) && value.Size() > 0;
    if (container && Below(8) != 0) return MutateChild(value);
    switch (Below(4)) {
      case 0:
        return value.is_object() ? value.With(Key(), Scalar()) : Scalar();
      case 1:
        return value.is_object() ? Json::EmptyArray() : Json::EmptyObject();
      default:
        return Scalar();
    }
  }

 private:
  Json MutateChild(const Json& value) {
    const size_t index = Below(value.Size());
    if (value.is_array()) {
      if (Below(10) == 0) return value.WithAppended(value.At(index));
      return value.WithElement(index, Mutate(value.At(index)));
    }
    const Json::Member& member = value.AsObject()[index];
    const std::string key(member.key());
    switch (Below(10)) {
      case 0:
        return value.Without(key);
      case 1:
        return value.Without(key).With(Key(), member.value);
      default:
        return value.With(key, Mutate(member.value));
    }
  }

  std::string Key() {
    static constexpr const char* kKeys[] = {
        "do",    "call",  "set",      "then",   "use",   "with",  "when",    "retry",
        "after", "zzz",   "read",     "until",  "code",  "http",  "one",     "all",
        "any",   "from",  "as",       "schema", "delay", "count", "seconds", "foreach",
        "while", "catch", "branches", "source", "type",  "status"};
    return kKeys[Below(std::size(kKeys))];
  }

  Json Scalar() {
    switch (Below(9)) {
      case 0:
        return Json::Null();
      case 1:
        return Json::Bool(true);
      case 2:
        return Json::Int(5);
      case 3:
        return Json::Double(1.5);
      case 4:
        return Json::String("${ .x }");
      case 5:
        return Json::String("PT1S");
      case 6:
        return Json::String("");
      case 7:
        return Json::Int(-1);
      default:
        return Json::String("some text");
    }
  }

  std::mt19937 random_;
};

TEST(GrammarOracle, AgreesWithTheStandardsSchema) {
  const char* folder = std::getenv("SKALD_CONFORMANCE_DIR");
  if (folder == nullptr) GTEST_SKIP() << "SKALD_CONFORMANCE_DIR is not set";
  std::stringstream text;
  text << std::ifstream(std::filesystem::path(folder) / "schema" / "workflow.yaml").rdbuf();
  const std::optional<Json> standard = ReadYaml(text.str());
  ASSERT_TRUE(standard.has_value());
  const absl::StatusOr<schema::Schema> oracle = schema::Schema::Compile(*standard);
  ASSERT_TRUE(oracle.ok()) << oracle.status();

  TreeMutator mutator(kSeed);
  int valid = 0, invalid = 0;
  for (int round = 0; round < kRounds && !::testing::Test::HasFailure(); ++round) {
    const std::optional<Json> seed = ReadYaml(Corpus()[mutator.Below(Corpus().size())]);
    ASSERT_TRUE(seed.has_value());
    ASSERT_TRUE(oracle->IsValid(*seed));
    const Json mutated = mutator.Mutate(*seed);
    const std::string written = mutated.ToText();
    const bool expected = oracle->IsValid(mutated);
    ++(expected ? valid : invalid);
    const std::vector<Diagnostic> errors = GrammarErrors(written);
    if (!expected) {
      EXPECT_FALSE(errors.empty()) << "round " << round << "\n" << mutated.ToPrettyText();
      continue;
    }
    for (const Diagnostic& error : errors) {
      EXPECT_TRUE(IsStricterOnPurpose(error))
          << "round " << round << ": " << error.ToString() << "\n"
          << mutated.ToPrettyText();
    }
  }
  EXPECT_GT(valid, kRounds / 20);
  EXPECT_GT(invalid, kRounds / 20);
}

}  // namespace
}  // namespace skald::definition
