// Goal: a command gets its input and environment, gives its output, and can be ended with all it
// started. Method: real, short shell commands.
#include "tools/shell_command.h"

#include <filesystem>

#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"
#include "tools/shell_worker.h"
#include "tools/signals.h"

namespace skald::tools {
namespace {

using ::skald::testing::StatusIs;
using ::testing::HasSubstr;

class ShellCommandTest : public ::testing::Test {
 protected:
  ShellCommandTest() { PrepareForCommands(); }
  std::atomic<bool> stop_ = false;
};

TEST_F(ShellCommandTest, PassesInputAndEnvironmentAndTakesOutput) {
  ASSERT_OK_AND_ASSIGN(ShellResult result,
                       RunShellCommand({.command = "cat; printf \"$KEY\"; exit 3",
                                        .input = "{\"a\":1}",
                                        .environment = {{"KEY", "value"}}},
                                       stop_));
  EXPECT_EQ(result.output, "{\"a\":1}value");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_FALSE(result.stopped);
}

TEST_F(ShellCommandTest, LargeInputAndOutputDoNotBlockEachOther) {
  const std::string input(3 << 20, 'x');
  ASSERT_OK_AND_ASSIGN(ShellResult result,
                       RunShellCommand({.command = "cat", .input = input}, stop_));
  EXPECT_EQ(result.output, input);
}

TEST_F(ShellCommandTest, ACommandNeedNotReadItsInput) {
  ASSERT_OK_AND_ASSIGN(
      ShellResult result,
      RunShellCommand({.command = "echo done", .input = std::string(1 << 20, 'x')}, stop_));
  EXPECT_EQ(result.output, "done\n");
}

TEST_F(ShellCommandTest, TheDeadlineEndsItAndAllItStarted) {
  ASSERT_OK_AND_ASSIGN(
      ShellResult result,
      RunShellCommand(
          {.command = "sleep 60 | cat", .deadline = absl::Now() + absl::Milliseconds(50)}, stop_));
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.exit_code, 128 + 15);
}

// The shell itself dies at once, of the SIGTERM that this part of its pipe does not care for.
TEST_F(ShellCommandTest, NothingOfItOutlivesItsEnd) {
  const testing::TempFolder folder;
  const std::string file = folder.Sub("ticks");
  const absl::Time start = absl::Now();
  ASSERT_OK_AND_ASSIGN(
      ShellResult result,
      RunShellCommand({.command = absl::StrCat("(trap '' TERM; for i in $(seq 200); do echo >> ",
                                               file, "; sleep 0.05; done) | cat"),
                       .deadline = start + absl::Milliseconds(500)},
                      stop_));
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.exit_code, 128 + 15);
  ASSERT_TRUE(std::filesystem::exists(file));
  absl::SleepFor(absl::Milliseconds(100));  // for a line that was on its way
  const uintmax_t size = std::filesystem::file_size(file);
  absl::SleepFor(absl::Milliseconds(500));
  EXPECT_EQ(std::filesystem::file_size(file), size);
}

TEST_F(ShellCommandTest, AllThatItStartedMayEndInOrder) {
  const absl::Time start = absl::Now();
  ASSERT_OK_AND_ASSIGN(ShellResult result,
                       RunShellCommand({.command = "(trap 'sleep 0.5; echo in order; exit' TERM; "
                                                   "while :; do sleep 0.05; done) & wait",
                                        .deadline = start + absl::Milliseconds(500)},
                                       stop_));
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.output, "in order\n");
  EXPECT_LT(absl::Now() - start, absl::Seconds(4)) << "it need not be killed";
}

TEST_F(ShellCommandTest, StoppingEndsIt) {
  stop_ = true;
  ASSERT_OK_AND_ASSIGN(ShellResult result, RunShellCommand({.command = "sleep 60"}, stop_));
  EXPECT_TRUE(result.stopped);
}

TEST_F(ShellCommandTest, EndlessOutputEndsIt) {
  ASSERT_OK_AND_ASSIGN(ShellResult result,
                       RunShellCommand({.command = "yes", .output_bytes_max = 1'000}, stop_));
  EXPECT_TRUE(result.too_long);
}

TEST_F(ShellCommandTest, ADescendantThatKeepsTheOutputOpenHoldsNothingUp) {
  const absl::Time start = absl::Now();
  ASSERT_OK_AND_ASSIGN(ShellResult result,
                       RunShellCommand({.command = "sleep 20 & echo started"}, stop_));
  EXPECT_EQ(result.output, "started\n");
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(ShellCommandTest, ACommandWhoseEndCannotBeKnownIsAnError) {
  signal(SIGCHLD, SIG_IGN);  // the system reaps
  const absl::StatusOr<ShellResult> result = RunShellCommand({.command = "true"}, stop_);
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnknown));
  EXPECT_EQ(ToAnswer(result).error.title(), "how the command ended is not known");
  PrepareForCommands();
  EXPECT_OK(RunShellCommand({.command = "true"}, stop_));
}

TEST(ShellAnswerTest, SuccessIsTheOutput) {
  const ShellAnswer answer = ToAnswer(ShellResult{.output = " {\"id\": 7}\n"});
  EXPECT_FALSE(answer.failed);
  EXPECT_EQ(answer.output, "{\"id\": 7}");
}

TEST(ShellAnswerTest, AProblemObjectIsTheError) {
  const ShellAnswer answer = ToAnswer(ShellResult{
      .exit_code = 1,
      .output = R"({"type": "https://shop/declined", "status": 402, "title": "declined"})"});
  EXPECT_TRUE(answer.failed);
  EXPECT_EQ(answer.error.type(), "https://shop/declined");
  EXPECT_EQ(answer.error.status(), 402);
  EXPECT_EQ(answer.error.title(), "declined");
}

TEST(ShellAnswerTest, AnythingElseIsARuntimeErrorWithTheTail) {
  const ShellAnswer answer =
      ToAnswer(ShellResult{.exit_code = 3, .output = std::string(5'000, 'a') + "the end"});
  EXPECT_TRUE(answer.failed);
  EXPECT_EQ(answer.error.status(), 500);
  EXPECT_EQ(answer.error.title(), "the command exited with 3");
  EXPECT_LE(answer.error.detail().size(), 1'000u);
  EXPECT_THAT(answer.error.detail(), HasSubstr("the end"));
  EXPECT_TRUE(ToAnswer(ShellResult{.exit_code = 1, .output = "[1]"}).failed);
  // The server would refuse the answer.
  for (const char* const status : {"42", "-1", "600", "4294967716", "null"}) {
    const ShellAnswer odd =
        ToAnswer(ShellResult{.exit_code = 1, .output = absl::StrCat("{\"status\": ", status, "}")});
    EXPECT_EQ(odd.error.status(), 500);
  }
}

TEST(ShellAnswerTest, TheTailIsTextWhateverTheCommandPrints) {
  const ShellAnswer latin = ToAnswer(ShellResult{.exit_code = 1, .output = "caf\xe9 \xff"});
  EXPECT_EQ(latin.error.detail(), "caf\uFFFD \uFFFD");
  std::string output;
  for (int i = 0; i < 400; ++i) output += "\u20ac";  // of 3 bytes: the tail begins within one
  for (const ShellResult& result : {ShellResult{.exit_code = 1, .output = output},
                                    ShellResult{.stopped = true, .output = output},
                                    ShellResult{.timed_out = true, .output = output}}) {
    const ShellAnswer answer = ToAnswer(result);
    EXPECT_TRUE(IsValidUtf8(answer.error.detail()));
    EXPECT_THAT(answer.error.detail(), HasSubstr("\u20ac\u20ac"));
  }
}

TEST(ShellFunctionsTest, NamesAndCommandsAreSplitAtTheFirstEqualsSign) {
  ASSERT_OK_AND_ASSIGN(ShellFunctions functions, ParseShellFunctions({"a=x=1 ./run", "b=true"}));
  EXPECT_EQ(functions.at("a"), "x=1 ./run");
  EXPECT_THAT(ParseShellFunctions({"a"}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseShellFunctions({"=x"}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseShellFunctions({"a=x", "a=y"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'a' twice")));
}

}  // namespace
}  // namespace skald::tools
