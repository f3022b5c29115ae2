// Goal: programs mean what they mean to jq. Method: random programs on random inputs are run by the
// jq and gojq that are installed; where these two agree, our results must be the same and we must
// fail when they fail. Without gojq, programs that catch errors are left out: jq 1.6 also catches
// what is raised after the part that `try` and `?` guard. Skipped where there is no jq. The seed is
// printed; SKALD_SEED replays it, SKALD_PROGRAMS sets how many are tried.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/json.h"
#include "engine/expression/expression.h"
#include "gtest/gtest.h"

namespace skald::expression {
namespace {

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::string Program(int depth) {
    if (depth <= 0)
      return Pick({".", ".a", ".b", ".[0]", "1", "2", "null", "true", "\"x\"", "[]", "{}", ".[]",
                   "empty", "length", "type", "tojson", ".[-1]"});
    const auto sub = [&] { return Program(depth - 1); };
    switch (Below(26)) {
      case 0:
        return absl::StrCat("(", sub(), " | ", sub(), ")");
      case 1:
        return absl::StrCat("(", sub(), ", ", sub(), ")");
      case 2:
        return absl::StrCat("(", sub(), Pick({" + ", " - ", " * ", " == ", " < ", " >= ", " != "}),
                            sub(), ")");
      case 3:
        return absl::StrCat("(", sub(), Pick({" and ", " or ", " // "}), sub(), ")");
      case 4:
        return absl::StrCat("[", sub(), "]");
      case 5:
        return absl::StrCat("{a: (", sub(), "), b: (", sub(), ")}");
      case 6:
        return absl::StrCat("(if ", sub(), " then ", sub(), " else ", sub(), " end)");
      case 7:
        return absl::StrCat("(try ", sub(), " catch 7)");
      case 8:
        return absl::StrCat("(", sub(), ")?");
      case 9:
        return absl::StrCat("(reduce ", "(", sub(), ") as $x (", sub(), "; ", sub(), "))");
      case 10:
        return absl::StrCat("(foreach ", "(", sub(), ") as $x (", sub(), "; ", sub(), "; ", sub(),
                            "))");
      case 11:
        return absl::StrCat("((", sub(), ") as $x | ", WithVariable(sub()), ")");
      case 12:
        return absl::StrCat("((", sub(), ") as [$x, {a: $y}] | [$x, $y])");
      case 13:
        return absl::StrCat("(def f(g): ", sub(), " | g; f(", sub(), "))");
      case 14:
        return absl::StrCat("(def f: ", sub(), "; [f] | f)");
      case 15:
        return absl::StrCat("[limit(3; ", sub(), ")]");
      case 16:
        return absl::StrCat("first(", sub(), ")");
      case 17:
        return absl::StrCat("(label $l | ", sub(), " | ., break $l)");
      case 18:
        return absl::StrCat("[path(", PathProgram(depth - 1), ")]");
      case 19:
        return absl::StrCat("(", PathProgram(depth - 1), Pick({" = ", " |= ", " += ", " //= "}),
                            "(", Pick({"1", ".", "[.]", "2"}), "))");
      case 20:
        return absl::StrCat("del(", PathProgram(depth - 1), ")");
      case 21:
        return absl::StrCat("(", sub(), ")", Pick({"[0]", ".a", "[1:]", "[:-1]", "[]?", ".b?"}));
      case 22:
        return absl::StrCat(
            "(", sub(), " | ",
            Pick({"keys",         "add",           "sort",          "unique",     "to_entries",
                  "tostring",     "reverse",       "flatten",       "any",        "all",
                  "not",          "tojson",        "min",           "max",        "[paths]",
                  "[..]",         "map_values(.)", "group_by(.a)?", "has(\"a\")", "join(\",\")",
                  "sort_by(.a)?", "ascii_downcase"}),
            ")");
      case 23:
        return absl::StrCat("\"s\\(", sub(), ")e\"");
      case 24:
        return absl::StrCat("map(", sub(), ")");
      default:
        return absl::StrCat("[.[]? | select(", sub(), ")]");
    }
  }

  std::string Value(int depth) {
    if (depth <= 0 || Below(3) == 0) {
      return Pick(
          {"null", "true", "false", "0", "1", "2.5", "-3", "\"\"", "\"a\"", "\"bc\"", "[]", "{}"});
    }
    if (Below(2) == 0) return absl::StrCat("[", Value(depth - 1), ",", Value(depth - 1), "]");
    return absl::StrCat("{\"a\":", Value(depth - 1), ",\"b\":", Value(depth - 1), "}");
  }

 private:
  std::string WithVariable(std::string program) {
    return Below(2) == 0 ? absl::StrCat("[$x, ", program, "]")
                         : absl::StrCat("(", program, " | [., $x])");
  }

  std::string PathProgram(int depth) {
    if (depth <= 0) return Pick({".a", ".[0]", ".b", ".[]?", ".[1:]", ".", ".a.b", "..", "empty"});
    const auto sub = [&] { return PathProgram(depth - 1); };
    switch (Below(6)) {
      case 0:
        return absl::StrCat("(", sub(), " | ", sub(), ")");
      case 1:
        return absl::StrCat("(", sub(), ", ", sub(), ")");
      case 2:
        return absl::StrCat("(", sub(), ")?");
      case 3:
        return absl::StrCat("(", sub(), " | select(", Program(depth - 1), "))");
      case 4:
        return absl::StrCat("(if ", Program(depth - 1), " then ", sub(), " else ", sub(), " end)");
      default:
        return absl::StrCat("first(", sub(), ")");
    }
  }

  std::string Pick(std::vector<const char*> choices) { return choices[Below(choices.size())]; }
  size_t Below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }

  std::mt19937_64 random_;
};

// What a program gave: its results as texts that order members by name, and whether it failed.
struct Outcome {
  std::vector<std::string> results;
  bool failed = false;
  bool understood = true;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

std::string Canonical(const Json& value) {
  if (value.is_array()) {
    std::string text = "[";
    for (const Json& element : value.AsArray()) absl::StrAppend(&text, Canonical(element), ",");
    return text + "]";
  }
  if (value.is_object()) {
    std::string text = "{";
    for (const Json::Member* member : value.SortedMembers()) {
      absl::StrAppend(&text, member->name.ToText(), ":", Canonical(member->value), ",");
    }
    return text + "}";
  }
  return value.ToText();
}

Outcome RunTool(const std::string& tool, const std::string& folder) {
  const std::string command = absl::StrCat("timeout 5 ", tool, " -c -f ", folder, "/program ",
                                           folder, "/input 2>/dev/null");
  Outcome outcome;
  FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  char buffer[4096];
  for (size_t size; (size = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) text.append(buffer, size);
  outcome.failed = pclose(pipe) != 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const absl::StatusOr<Json> value = Json::Parse(line);
    outcome.understood = outcome.understood && value.ok();
    if (value.ok()) outcome.results.push_back(Canonical(*value));
  }
  return outcome;
}

Outcome RunOurs(const std::string& program, const std::string& input) {
  Outcome outcome;
  const absl::StatusOr<Expression> expression = Expression::Compile(program);
  if (!expression.ok()) {
    outcome.failed = true;
    return outcome;
  }
  const absl::Status status = expression->ForEach(Json::Parse(input).value(), {}, [&](Json value) {
    outcome.results.push_back(Canonical(value));
    return true;
  });
  outcome.failed = !status.ok();
  return outcome;
}

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

bool IsInstalled(const char* tool) {
  return std::system(absl::StrCat("command -v ", tool, " >/dev/null 2>&1").c_str()) == 0;
}

bool CatchesErrors(absl::string_view program) {
  return absl::StrContains(program, "?") || absl::StrContains(program, "try ");
}

TEST(JqDifferentialTest, RandomProgramsMeanTheSame) {
  if (!IsInstalled("jq")) GTEST_SKIP() << "no jq";
  const bool has_gojq = IsInstalled("gojq");
  const uint64_t seed = FromEnvironment("SKALD_SEED", 1);
  const uint64_t count = FromEnvironment("SKALD_PROGRAMS", 200);
  std::string folder = ::testing::TempDir() + "/jq_differential_XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  uint64_t compared = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Generator generator(seed + i);
    const std::string program = generator.Program(3);
    const std::string input = generator.Value(3);
    if (!has_gojq && CatchesErrors(program)) continue;
    std::ofstream(folder + "/program") << program;
    std::ofstream(folder + "/input") << input;
    const Outcome jq = RunTool("jq", folder);
    if (!jq.understood || (has_gojq && !(jq == RunTool("gojq", folder)))) continue;
    ++compared;
    const Outcome ours = RunOurs(program, input);
    EXPECT_EQ(ours.results, jq.results) << "seed " << seed + i << "\n" << program << "\n" << input;
    EXPECT_EQ(ours.failed, jq.failed) << "seed " << seed + i << "\n" << program << "\n" << input;
  }
  std::cout << "seed " << seed << ": " << compared << " of " << count << " programs compared\n";
  EXPECT_GT(compared, count / (has_gojq ? 2 : 4));
}

}  // namespace
}  // namespace skald::expression
