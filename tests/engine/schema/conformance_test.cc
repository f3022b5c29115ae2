// Runs the official test suite of JSON Schema 2020-12: every required case, and the formats under
// assertion. It lies outside the tree; SKALD_CONFORMANCE_DIR says where (a folder with json-schema/
// in it). Without it there is nothing to run.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "engine/schema/schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::schema {
namespace {

namespace fs = std::filesystem;

// The folder of the suite, empty when there is none.
fs::path SuiteFolder() {
  const char* root = std::getenv("SKALD_CONFORMANCE_DIR");
#ifdef SKALD_CONFORMANCE_DIR_DEFAULT
  if (root == nullptr) root = SKALD_CONFORMANCE_DIR_DEFAULT;
#endif
  if (root == nullptr || *root == '\0') return {};
  const fs::path folder = fs::path(root) / "json-schema";
  return fs::exists(folder) ? folder : fs::path();
}

Json ReadJson(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  absl::StatusOr<Json> value = Json::Parse(text.str());
  EXPECT_THAT(value, testing::IsOk()) << path;
  return value.ok() ? *value : Json();
}

std::vector<fs::path> JsonFiles(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().extension() == ".json") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The documents that the suite expects at http://localhost:1234/.
absl::flat_hash_map<std::string, Json> ReadRemotes(const fs::path& folder) {
  absl::flat_hash_map<std::string, Json> registry;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = fs::relative(entry.path(), folder).generic_string();
    registry.emplace(absl::StrCat("http://localhost:1234/", name), ReadJson(entry.path()));
  }
  return registry;
}

struct Counts {
  int passed = 0;
  int failed = 0;
};

// Both ways to ask must agree with the suite.
void RunGroup(const fs::path& file, const Json& group, const Options& options, Counts& counts) {
  const std::string name = absl::StrCat(file.filename().string(), ": ",
                                        std::string(group.Get("description").AsString()));
  absl::StatusOr<Schema> schema = Schema::Compile(group.Get("schema"), options);
  EXPECT_THAT(schema, testing::IsOk()) << name;
  for (const Json& test : group.Get("tests").AsArray()) {
    const bool expected = test.Get("valid").AsBool();
    const bool passed = schema.ok() && schema->IsValid(test.Get("data")) == expected &&
                        schema->Validate(test.Get("data")).empty() == expected;
    EXPECT_TRUE(passed) << name << " / " << test.Get("description").AsString() << "\n"
                        << group.Get("schema").ToText() << "\n"
                        << test.Get("data").ToText() << " should be "
                        << (expected ? "valid" : "invalid");
    ++(passed ? counts.passed : counts.failed);
  }
}

void RunFolder(const fs::path& folder, const Options& options) {
  Counts counts;
  for (const fs::path& file : JsonFiles(folder)) {
    const Json groups = ReadJson(file);
    for (const Json& group : groups.AsArray()) RunGroup(file, group, options, counts);
  }
  EXPECT_GT(counts.passed, 0);
  std::cout << folder.filename() << ": " << counts.passed << " passed, " << counts.failed
            << " failed\n";
}

TEST(SchemaConformance, RequiredCases) {
  const fs::path suite = SuiteFolder();
  if (suite.empty()) GTEST_SKIP() << "SKALD_CONFORMANCE_DIR names no test suite";
  Options options;
  options.registry = ReadRemotes(suite / "remotes");
  RunFolder(suite / "draft2020-12", options);
}

TEST(SchemaConformance, FormatsUnderAssertion) {
  const fs::path suite = SuiteFolder();
  if (suite.empty()) GTEST_SKIP() << "SKALD_CONFORMANCE_DIR names no test suite";
  RunFolder(suite / "draft2020-12" / "optional" / "format", {.assert_formats = true});
}

}  // namespace
}  // namespace skald::schema
