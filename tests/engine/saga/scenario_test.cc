// Goal: every rule of a saga's life as a script that reads like the spec: what was asked, and the
// events that followed. Method: tests/scenarios/*.scn, each a list of blocks: a directive (with
// lines under it), `----`, and what must come out. The harness checks purity, replay and row
// encoding after every directive.
//
// With SKALD_REWRITE=1 in the environment the expectations are written anew; the diff is reviewed
// like code. With SKALD_WRITE_GOLDEN=1 each scenario's history is kept as a golden file
// (golden_test.cc), unless there is one already.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/support/saga_script.h"

namespace skald::testing {
namespace {

struct Block {
  std::string comment;
  std::string directive;
  std::string body;
  std::string expected;
};

std::vector<Block> ReadBlocks(const std::string& path) {
  std::ifstream file(path);
  std::vector<Block> blocks;
  Block block;
  enum { kHead, kBody, kExpected } part = kHead;
  for (std::string line; std::getline(file, line);) {
    if (part == kHead) {
      if (line.empty() || absl::StartsWith(line, "#")) {
        absl::StrAppend(&block.comment, line, "\n");
      } else {
        block.directive = line;
        part = kBody;
      }
    } else if (part == kBody) {
      if (line == "----") {
        part = kExpected;
      } else {
        absl::StrAppend(&block.body, line, "\n");
      }
    } else if (line.empty()) {
      blocks.push_back(std::move(block));
      block = {};
      part = kHead;
    } else {
      absl::StrAppend(&block.expected, line, "\n");
    }
  }
  if (part == kExpected) blocks.push_back(std::move(block));
  return blocks;
}

class ScenarioTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ScenarioTest, Plays) {
  const bool rewrite = std::getenv("SKALD_REWRITE") != nullptr;
  std::vector<Block> blocks = ReadBlocks(GetParam());
  ASSERT_FALSE(blocks.empty()) << GetParam();
  SagaScript script;
  std::string written;
  for (Block& block : blocks) {
    const std::string actual = script.Run(block.directive, block.body);
    if (!rewrite) {
      EXPECT_EQ(actual, block.expected) << GetParam() << ": " << block.directive;
    }
    absl::StrAppend(&written, block.comment, block.directive, "\n", block.body, "----\n", actual,
                    "\n");
    if (::testing::Test::HasFatalFailure()) return;
  }
  if (std::getenv("SKALD_WRITE_GOLDEN") != nullptr) {
    const std::string golden =
        absl::StrCat(SKALD_SOURCE_DIR "/tests/golden/histories/v1/",
                     std::filesystem::path(GetParam()).stem().string(), ".history");
    if (!std::filesystem::exists(golden)) std::ofstream(golden) << script.Golden();
  }
  if (!rewrite) return;
  while (absl::EndsWith(written, "\n\n")) written.pop_back();
  std::ofstream(GetParam()) << written;
}

std::vector<std::string> Scenarios() {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(SKALD_SOURCE_DIR "/tests/scenarios")) {
    if (entry.path().extension() == ".scn") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

INSTANTIATE_TEST_SUITE_P(
    All, ScenarioTest, ::testing::ValuesIn(Scenarios()), [](const auto& param) {
      return absl::StrReplaceAll(std::filesystem::path(param.param).stem().string(), {{"-", "_"}});
    });

}  // namespace
}  // namespace skald::testing
