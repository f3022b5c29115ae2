// Property: whatever becomes of a valid definition, Compile returns with a program or with findings
// that point into the text. Method: seeds from the corpus, changed at random by bytes, by lines and
// by pieces of each other.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/corpus.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

constexpr uint32_t kSeed = 20260729;
constexpr int kRounds = 6'000;

class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  std::string Mutate(std::string text) {
    const size_t changes = 1 + Below(4);
    for (size_t i = 0; i < changes; ++i) {
      switch (Below(6)) {
        case 0:
          Lines(text);
          break;
        case 1:
          Word(text);
          break;
        case 2:
          Splice(text);
          break;
        default:
          Bytes(text);
      }
    }
    return text;
  }

  size_t Below(size_t bound) {
    return bound == 0 ? 0 : std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }

 private:
  void Bytes(std::string& text) {
    if (text.empty()) return;
    const size_t place = Below(text.size());
    static constexpr char kOdd[] = "{}[]:,&*#?|-<>=!%@`'\"\\ \n\t\x00\xff${}0aZ~/";
    switch (Below(3)) {
      case 0:
        text[place] = kOdd[Below(sizeof(kOdd) - 1)];
        break;
      case 1:
        text.erase(place, 1 + Below(5));
        break;
      default:
        text.insert(place, 1, kOdd[Below(sizeof(kOdd) - 1)]);
    }
  }

  void Lines(std::string& text) {
    std::vector<std::string> lines = absl::StrSplit(text, '\n');
    const size_t from = Below(lines.size()), to = Below(lines.size());
    switch (Below(4)) {
      case 0:
        lines.erase(lines.begin() + static_cast<ptrdiff_t>(from));
        break;
      case 1:
        std::swap(lines[from], lines[to]);
        break;
      case 2:
        lines.insert(lines.begin() + static_cast<ptrdiff_t>(to), lines[from]);
        break;
      default:
        lines[from].insert(0, Below(4), ' ');
    }
    text = absl::StrJoin(lines, "\n");
  }

  // Puts one word where another is.
  void Word(std::string& text) {
    static constexpr const char* kWords[] = {
        "do",    "call",  "try",   "catch", "metadata", "saga",      "compensate",
        "scope", "null",  "pivot", "true",  "1.5",      "[]",        "{}",
        "use",   "with",  "if",    "retry", "forward",  "'${ $x }'", "refund",
        "PT1S",  "*base", "&base", "<<",    "then",     "\"\""};
    const size_t begin = text.find_first_of(" {[", Below(text.size() + 1));
    if (begin == std::string::npos) return;
    const size_t end = text.find_first_of(" ,:}]\n", begin + 1);
    if (end == std::string::npos) return;
    text.replace(begin + 1, end - begin - 1, kWords[Below(std::size(kWords))]);
  }

  void Splice(std::string& text) {
    const std::string& other = Corpus()[Below(Corpus().size())];
    const size_t from = Below(other.size());
    text.insert(Below(text.size() + 1), other.substr(from, Below(200)));
  }

  std::mt19937 random_;
};

TEST(Mutation, NeverCrashesAndAlwaysPointsIntoTheText) {
  Mutator mutator(kSeed);
  int programs = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = mutator.Mutate(Corpus()[mutator.Below(Corpus().size())]);
    const CompileResult result = Compile(text);
    programs += result.ok() ? 1 : 0;
    ASSERT_EQ(result.ok(), result.status().ok());
    bool has_error = false;
    const auto lines = static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
    for (const Diagnostic& diagnostic : result.diagnostics) {
      has_error = has_error || diagnostic.severity != Diagnostic::Severity::kWarning;
      ASSERT_LE(diagnostic.line, lines + 1) << "seed " << kSeed << ", round " << round;
      ASSERT_FALSE(diagnostic.message.empty());
    }
    ASSERT_EQ(result.ok(), !has_error) << "seed " << kSeed << ", round " << round << "\n" << text;
  }
  EXPECT_GT(programs, kRounds / 50) << "mutations that keep a text valid are part of the test";
}

TEST(Mutation, EveryPrefixReturns) {
  for (const std::string& text : Corpus()) {
    for (size_t size = 0; size < text.size(); size += 3) {
      const CompileResult result = Compile(absl::string_view(text).substr(0, size));
      ASSERT_TRUE(result.ok() || !result.diagnostics.empty()) << size;
    }
  }
}

}  // namespace
}  // namespace skald::definition
