// The definitions of the standard's own conformance kit: all are valid; those of constructs that
// run must compile; the others must be refused for that alone.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

struct Scenario {
  std::string name;
  std::string definition;
};

// The definitions in a feature file: the text between """yaml and """ after "Given a workflow".
std::vector<Scenario> ReadFeature(const std::filesystem::path& path) {
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  const std::string text = content.str();
  std::vector<Scenario> scenarios;
  std::string name;
  bool expected = false, inside = false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view stripped = absl::StripAsciiWhitespace(line);
    if (absl::StartsWith(stripped, "Scenario:")) name = std::string(stripped);
    if (stripped == "Given a workflow with definition:") expected = true;
    if (inside && stripped == "\"\"\"") {
      inside = expected = false;
    } else if (inside) {
      absl::StrAppend(&scenarios.back().definition, line.substr(std::min<size_t>(4, line.size())),
                      "\n");
    } else if (expected && absl::StartsWith(stripped, "\"\"\"")) {
      inside = true;
      scenarios.push_back({name, ""});
    }
  }
  return scenarios;
}

bool UsesOnlyWhatRuns(absl::string_view definition) {
  for (const char* construct : {"fork:", "for:", "emit:", "call: http", "call: openapi"}) {
    if (absl::StrContains(definition, construct)) return false;
  }
  return true;
}

TEST(ConformanceKit, CompilesOrIsNotSupportedYet) {
  const char* folder = std::getenv("SKALD_CONFORMANCE_DIR");
  if (folder == nullptr) GTEST_SKIP() << "SKALD_CONFORMANCE_DIR is not set";
  size_t compiled = 0, refused = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(folder) / "ctk")) {
    if (entry.path().extension() != ".feature") continue;
    for (const Scenario& scenario : ReadFeature(entry.path())) {
      const CompileResult result = Compile(scenario.definition);
      const bool runs = UsesOnlyWhatRuns(scenario.definition);
      EXPECT_EQ(result.ok(), runs) << scenario.name << "\n" << Findings(result);
      EXPECT_TRUE(result.valid()) << scenario.name << "\n" << Findings(result);
      for (const Diagnostic& diagnostic : result.diagnostics) {
        EXPECT_THAT(diagnostic.message, ::testing::HasSubstr("is not supported yet"))
            << scenario.name;
      }
      ++(runs ? compiled : refused);
    }
  }
  EXPECT_GE(compiled, 9u);
  EXPECT_GE(refused, 9u);
}

}  // namespace
}  // namespace skald::definition
