// Goal: what a command line means, and that mistakes are told with their remedy.
#include "tools/flags.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::tools {
namespace {

using ::skald::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FlagsTest : public ::testing::Test {
 protected:
  FlagsTest() {
    flags_.Add("input", &input_, "JSON", "The input.")
        .Add("function", &functions_, "NAME=COMMAND", "A function.")
        .Add("limit", &limit_, "COUNT", "How many.", 1, 1'000)
        .Add("wait", &wait_, "Wait.")
        .Add("lease", &lease_, "DURATION", "How long.")
        .AddBytes("memory", &memory_, "SIZE", "How much.", 1 << 20);
  }

  Flags flags_;
  std::string input_ = "{}";
  std::vector<std::string> functions_;
  int64_t limit_ = 10;
  bool wait_ = false;
  absl::Duration lease_ = absl::Seconds(30);
  int64_t memory_ = 256 << 20;
};

TEST_F(FlagsTest, WordsAndFlagsMix) {
  ASSERT_OK_AND_ASSIGN(
      std::vector<std::string> words,
      flags_.Parse({"start", "--input", "{\"a\":1}", "--wait", "--limit=7", "x", "--function",
                    "a=b", "--function=c=d", "--lease=1m30s", "--memory", "2GiB"}));
  EXPECT_THAT(words, ElementsAre("start", "x"));
  EXPECT_EQ(input_, "{\"a\":1}");
  EXPECT_TRUE(wait_);
  EXPECT_EQ(limit_, 7);
  EXPECT_THAT(functions_, ElementsAre("a=b", "c=d"));
  EXPECT_EQ(lease_, absl::Seconds(90));
  EXPECT_EQ(memory_, int64_t{2} << 30);
}

TEST_F(FlagsTest, ASizeMayHaveALeastValue) {
  EXPECT_THAT(flags_.Parse({"--memory", "1023K"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("from 1M on")));
  EXPECT_OK(flags_.Parse({"--memory", "1M"}));
  EXPECT_EQ(memory_, 1 << 20);
}

TEST_F(FlagsTest, TwoDashesEndTheFlags) {
  ASSERT_OK_AND_ASSIGN(std::vector<std::string> words, flags_.Parse({"--wait", "--", "--limit"}));
  EXPECT_THAT(words, ElementsAre("--limit"));
}

TEST_F(FlagsTest, ASwitchCanBeTurnedOff) {
  ASSERT_OK_AND_ASSIGN(std::vector<std::string> words, flags_.Parse({"--wait", "--no-wait"}));
  EXPECT_FALSE(wait_);
  EXPECT_TRUE(words.empty());
}

TEST_F(FlagsTest, ANegativeNumberAndADashAreWords) {
  ASSERT_OK_AND_ASSIGN(std::vector<std::string> words, flags_.Parse({"-5", "-"}));
  EXPECT_THAT(words, ElementsAre("-5", "-"));
}

TEST_F(FlagsTest, HelpIsAskedForEitherWay) {
  ASSERT_OK_AND_ASSIGN(std::vector<std::string> words, flags_.Parse({"-h"}));
  EXPECT_TRUE(words.empty());
  EXPECT_TRUE(flags_.help_wanted());
  EXPECT_THAT(flags_.Help(), HasSubstr("  --limit COUNT             How many. [10]\n"));
  EXPECT_THAT(flags_.Help(), HasSubstr("[256M]"));
}

TEST_F(FlagsTest, MistakesNameTheFlagAndTheRemedy) {
  const struct {
    std::vector<std::string> arguments;
    const char* message;
  } kCases[] = {
      {{"--imput", "x"}, "unknown flag --imput; did you mean --input?"},
      {{"--zzzzzzzz"}, "unknown flag --zzzzzzzz"},
      {{"--input"}, "--input needs a JSON"},
      {{"--limit", "0"}, "--limit expects a whole number from 1 to 1000, got '0'"},
      {{"--limit", "many"}, "--limit expects a whole number from 1 to 1000, got 'many'"},
      {{"--lease", "soon"}, "--lease expects a duration"},
      {{"--memory", "2X"}, "--memory expects a size"},
      {{"--memory", "99999999999T"}, "--memory is too large"},
      {{"--wait=perhaps"}, "--wait takes no value"},
      {{"-x"}, "unknown flag -x; flags begin with two dashes"},
  };
  for (const auto& [arguments, message] : kCases) {
    EXPECT_THAT(flags_.Parse(arguments),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

TEST(NearestTest, FindsWhatWasMeant) {
  const std::vector<std::string> verbs = {"get", "list", "start", "status"};
  EXPECT_EQ(Nearest("gett", verbs), "get");
  EXPECT_EQ(Nearest("strat", verbs), "start");
  EXPECT_EQ(Nearest("terminate", verbs), "");
}

}  // namespace
}  // namespace skald::tools
